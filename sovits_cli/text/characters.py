"""Characters of a text: those that nobody sees are taken out, those that nobody reads are named."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from sovits_cli.errors import TextError
from sovits_cli.text import lexicon, segment
from sovits_cli.text.frontend import Frontend, load_frontend
from sovits_cli.text.languages import LANGUAGES

# A text in the form in which it is read or shown.

_HIDDEN = re.compile(
    "\x1b\\[[0-9;]*[A-Za-z]"
    "|[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character
_WIDE_LETTERS = re.compile("[Ａ-Ｚａ-ｚ]+")
_DIGIT = re.compile(r"[^\D0-9]")
"""A decimal digit of another script, full-width ones too: numbers of the front ends are made of 0 to 9."""

_FOREIGN_DIGIT = re.compile(r"[^\D0-9０-９]")


def readable_form(text: str) -> str:
    """Visible text with full-width letters as plain ones, and the digits of every script as 0 to 9."""
    plain = _WIDE_LETTERS.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    return visible_form(_DIGIT.sub(_plain_digit, plain))


def visible_form(text: str) -> str:
    """Text without lone surrogates, invisible marks and controls; those of terminals go with what they say."""
    return _HIDDEN.sub("", text)


def official_form(text: str) -> str:
    """Text without what makes the official program fail: halves of characters, and digits of which it knows none."""
    return _FOREIGN_DIGIT.sub(_plain_digit, _LONE_SURROGATE.sub("", text))


def _plain_digit(found: re.Match[str]) -> str:
    return str(unicodedata.decimal(found[0]))


# What of a text will not be heard: characters that no language of its mode reads.


@dataclass(frozen=True)
class UnreadCharacter:
    """A character that no front end of the mode knows, and where it first stands: position from 1."""

    character: str
    position: int
    count: int

    @property
    def name(self) -> str:
        """As shown in a message."""
        shown = self.character if self.character.isprintable() else ascii(self.character).strip("'")
        return f"{shown} ({unicodedata.name(self.character, f'U+{ord(self.character):04X}').lower()})"


def unread_characters(text: str, lang: str) -> list[UnreadCharacter]:
    """Characters of a text that will not be heard, each once: of scripts no front end knows, controls, pictures."""
    codes = segment.find_mode(lang).languages
    first: dict[str, int] = {}
    counts: dict[str, int] = {}
    for position, character in enumerate(lexicon.strip_phones(text), start=1):
        if character > "~" or character < " ":
            first.setdefault(character, position)
            counts[character] = counts.get(character, 0) + 1
    return [
        UnreadCharacter(character, position, counts[character])
        for character, position in first.items()
        if is_lost(character, codes)
    ]


def unread_note(found: Iterable[UnreadCharacter], limit: int = 5) -> str:
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
    plain = readable_form(character)
    if kind == "So" and any(map(str.isalnum, unicodedata.normalize("NFKC", character))):
        return False
    return not any(_reads(code, plain) or (kind in _SIGNS and _says(code, plain)) for code in codes)


@lru_cache(maxsize=32768)
def _reads(code: str, character: str) -> bool:
    """Whether a language reads a character; one that cannot be loaded is taken to read the letters of its scripts."""
    try:
        return load_frontend(code).readable(character)
    except TextError:
        return any(script.pattern.fullmatch(character) for script in LANGUAGES[code].scripts)


@lru_cache(maxsize=32768)
def _says(code: str, sign: str) -> bool:
    """Whether a language has a word for a sign in one of the contexts where signs stand."""
    try:
        front_end = load_frontend(code)
        answers = [
            (_letters(front_end, probe.format(sign)), _letters(front_end, probe.format(_SILENT))) for probe in _PROBES
        ]
    except TextError:
        return False
    return any(with_sign != without for with_sign, without in answers)


def _letters(front_end: Frontend, text: str) -> str:
    return "".join(filter(str.isalnum, front_end.normalise(text, compat=False)))
