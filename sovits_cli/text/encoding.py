"""Bytes to text: UTF-8, UTF-16 with its mark, or the likeliest of the older encodings, told by everyday characters.

Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sovits_cli.errors import TextError

UTF8 = "utf-8"

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_SEEN_BYTES = 65536
_SURE = 0.75
"""Share of the characters beyond ASCII that must be common ones."""


@dataclass(frozen=True)
class Decoded:
    """A text and the encoding it was in; `is_guess`: nothing but its characters told which."""

    text: str
    encoding: str
    is_guess: bool


def decode(data: bytes, source: str) -> Decoded:
    """Decode a text.

    Args:
        data: all of it.
        source: its name, for messages.

    Raises:
        TextError: it is no text, cut short, or in an encoding that cannot be told.
    """
    if data.startswith(_UTF16_MARKS):
        try:
            return Decoded(data.decode("utf-16"), "utf-16", is_guess=False)
        except UnicodeDecodeError as error:
            raise TextError(f"{source} is cut short: its UTF-16 ends within a character") from error
    if b"\0" in data:
        raise TextError(f"{source} is no text: it holds zero bytes", hint="give a plain text file in UTF-8")
    try:
        return Decoded(data.decode("utf-8-sig"), UTF8, is_guess=False)
    except UnicodeDecodeError as error:
        found = guess(data)
        if found is None:
            raise TextError(
                f"{source} is not UTF-8 (byte {error.start + 1}), and its encoding cannot be told",
                hint="save it as UTF-8",
            ) from error
        return Decoded(data.decode(found), found, is_guess=True)


def guess(data: bytes) -> str | None:
    """The encoding in which most of a text's characters are everyday ones; None if none fits."""
    scores = {encoding: _score(data, encoding, common) for encoding, common in _ENCODINGS.items()}
    best = max(scores, key=lambda encoding: scores[encoding])
    return best if scores[best] >= _SURE else None


def _score(data: bytes, encoding: str, common: Callable[[str, int], bool]) -> float:
    """The share of common characters among those beyond ASCII; 0 where the bytes do not fit the encoding."""
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return 0.0
    strange = [character for character in text[:_SEEN_BYTES] if character > "\x7f"]
    good = sum(common(character, character.encode(encoding)[0]) for character in strange)
    return good / len(strange) if strange else 0.0


def _is_kana(character: str) -> bool:
    return "ぁ" <= character <= "ヺ" or character == "ー"


_ENCODINGS: dict[str, Callable[[str, int], bool]] = {
    "euc_kr": lambda character, lead: "가" <= character <= "힣" or 0xA1 <= lead <= 0xA3,
    "shift_jis": lambda character, lead: _is_kana(character) or lead == 0x81 or 0x88 <= lead <= 0x97,
    "euc_jp": lambda character, lead: _is_kana(character) or lead == 0xA1 or 0xB0 <= lead <= 0xCF,
    "big5": lambda _, lead: 0xA1 <= lead <= 0xC6,
    "gb18030": lambda _, lead: 0xA1 <= lead <= 0xA3 or 0xB0 <= lead <= 0xD7,
    "cp1252": lambda character, _: character in "ÀÁÂÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÖØÙÚÜàáâäåæçèéêëìíîïñòóôöøùúüß–—‘’“”…€£°«»¿¡Œœ",
}
"""Encoding -> whether a character, whose first byte is given too, is one of its everyday ones. The first best wins."""
