"""Silences that a text asks for, `[pause 1.5s]` or `[pause 300ms]`: they end a sentence. Knows no sentences itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from sovits_cli.errors import TextError
from sovits_cli.text.lexicon import has_given_phones
from sovits_cli.text.split import Sentence

MAX_PAUSE_S = 60.0

_PAUSE = re.compile(r"\[pause\b([^\]\n]*)\]", re.IGNORECASE)
_LENGTH = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*(ms|s)?\s*")


def split_at_pauses(text: str, cut: Callable[[str], list[Sentence]]) -> list[Sentence]:
    """Cut a text at the pauses it asks for, and what is between them by `cut`.

    Raises:
        TextError: a pause has no length, or stands before the first word; or what `cut` raises.
    """
    parts = _PAUSE.split(text)
    found: list[Sentence] = []
    for stretch, asked in zip(parts[::2], [*parts[1::2], None], strict=True):
        if len(parts) == 1 or any(map(str.isalnum, stretch)) or has_given_phones(stretch):
            found += cut(stretch)
        if asked is None:
            continue
        if not found:
            raise TextError(f"[pause{asked}] stands before the first word", hint="put it after the words it follows")
        last = found[-1]
        found[-1] = replace(last, pause_s=_length_s(asked) + last.pause_s * last.is_exact, is_exact=True)
    return found


def strip_pauses(text: str) -> str:
    """A text without the pauses that it asks for."""
    return _PAUSE.sub(" ", text)


def _length_s(asked: str) -> float:
    length = _LENGTH.fullmatch(asked)
    seconds = float(length[1]) / (1000 if length[2] == "ms" else 1) if length else 0.0
    if not 0 < seconds <= MAX_PAUSE_S:
        raise TextError(
            f"[pause{asked}] is no pause: expected seconds, above 0 and up to {MAX_PAUSE_S:.0f}",
            hint="[pause 1.5s] or [pause 300ms]",
        )
    return seconds
