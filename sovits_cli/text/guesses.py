"""What in a reading is a guess, or was left out: for people who check a text before it is spoken."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from sovits_cli.text import en_lexicon, ja_labels, ja_normal
from sovits_cli.text.reading import Piece

_WORD = re.compile(r"[A-Za-z]+(?:['\-][A-Za-z]+)*")


def guessed(piece: Piece) -> tuple[str, ...]:
    """Words of a piece that no dictionary or rule of its language knows, each once."""
    doubtful = _DOUBTFUL.get(piece.lang)
    words = dict.fromkeys(doubtful(piece.norm) if doubtful else ())
    return tuple(word for word in words if word not in piece.given)


def _english(norm: str) -> Iterable[str]:
    return (word for word in _WORD.findall(norm) if en_lexicon.is_guess(word.lower()))


def _japanese(norm: str) -> Iterable[str]:
    parts = re.split(f"[{ja_normal.KEPT_MARKS}]+", norm)  # a text of any length, of which OpenJTalk takes only so much
    found = (word for part in parts if part for word in ja_labels.unread(part))
    return (word for word in found if any(character.isalnum() for character in word))


_DOUBTFUL: dict[str, Callable[[str], Iterable[str]]] = {"en": _english, "ja": _japanese}
