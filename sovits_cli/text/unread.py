"""What of a text will not be heard: characters that no language of its mode reads."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from sovits_cli.errors import TextError
from sovits_cli.text import forms, pronunciation, segment
from sovits_cli.text.frontend import Frontend, frontend
from sovits_cli.text.languages import LANGUAGES


@dataclass(frozen=True)
class Unread:
    """A character that no front end of the mode knows, and where it first stands: position from 1."""

    character: str
    position: int
    count: int

    @property
    def name(self) -> str:
        """As shown in a message."""
        shown = self.character if self.character.isprintable() else ascii(self.character).strip("'")
        return f"{shown} ({unicodedata.name(self.character, f'U+{ord(self.character):04X}').lower()})"


def characters(text: str, lang: str) -> list[Unread]:
    """Characters of a text that will not be heard, each once: of scripts no front end knows, controls, pictures."""
    codes = segment.mode(lang).languages
    first: dict[str, int] = {}
    counts: dict[str, int] = {}
    for place, character in enumerate(pronunciation.shown(text), start=1):
        if character > "~" or character < " ":
            first.setdefault(character, place)
            counts[character] = counts.get(character, 0) + 1
    return [
        Unread(character, place, counts[character]) for character, place in first.items() if is_lost(character, codes)
    ]


def told(found: Iterable[Unread], limit: int = 5) -> str:
    """One line that names characters left out; empty where there are none."""
    items = list(found)
    if not items:
        return ""
    named = ", ".join(f"{item.name} at {item.position}" for item in items[:limit])
    more = f" and {len(items) - limit} others" if len(items) > limit else ""
    count = sum(item.count for item in items)
    lost = "1 character cannot be read and is" if count == 1 else f"{count} characters cannot be read and are"
    return f"{lost} left out: {named}{more}"


_SIGNS = frozenset({"Sc", "Sm", "So"})
_PROBES = ("{}5", "5{}", "5{}3", "a {} b")
"""Where a sign may stand that is read: €5, 20°, 5−3, a ≈ b."""

_SILENT = "☃"
"""A sign for which no language has a word."""


@lru_cache(maxsize=32768)
def is_lost(character: str, codes: tuple[str, ...]) -> bool:
    """Whether a character has a sound or a meaning that none of the languages gives it."""
    kind = unicodedata.category(character)
    if character in "\t\n\r\v\f\x85" or kind[0] in "ZPM" or kind in {"Cf", "Sk"}:
        return False
    if kind[0] == "C":
        return True
    plain = forms.readable(character)
    if kind == "So" and any(map(str.isalnum, unicodedata.normalize("NFKC", character))):
        return False
    return not any(_reads(code, plain) or (kind in _SIGNS and _says(code, plain)) for code in codes)


@lru_cache(maxsize=32768)
def _reads(code: str, character: str) -> bool:
    """Whether a language reads a character; one that cannot be loaded is taken to read the letters of its scripts."""
    try:
        return frontend(code).readable(character)
    except TextError:
        return any(script.pattern.fullmatch(character) for script in LANGUAGES[code].scripts)


@lru_cache(maxsize=32768)
def _says(code: str, sign: str) -> bool:
    """Whether a language has a word for a sign in one of the places where signs stand."""
    try:
        speaker = frontend(code)
        said = [(_letters(speaker, probe.format(sign)), _letters(speaker, probe.format(_SILENT))) for probe in _PROBES]
    except TextError:
        return False
    return any(with_sign != without for with_sign, without in said)


def _letters(speaker: Frontend, text: str) -> str:
    return "".join(filter(str.isalnum, speaker.normalise(text, compat=False)))
