"""A text in the form in which it is read or shown: without what nobody sees, with plain letters and digits."""

from __future__ import annotations

import re
import unicodedata

_HIDDEN = re.compile(
    "\x1b\\[[0-9;]*[A-Za-z]"
    "|[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_WIDE_LETTERS = re.compile("[Ａ-Ｚａ-ｚ]+")
_DIGIT = re.compile(r"[^\D0-9]")
"""A decimal digit of another script, full-width ones too: numbers of the front ends are made of 0 to 9."""

_FOREIGN_DIGIT = re.compile(r"[^\D0-9０-９]")


def readable(text: str) -> str:
    """Visible text with full-width letters as plain ones, and the digits of every script as 0 to 9."""
    plain = _WIDE_LETTERS.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    return visible(_DIGIT.sub(_plain_digit, plain))


def visible(text: str) -> str:
    """Text without lone surrogates, invisible marks and controls; those of terminals go with what they say."""
    return _HIDDEN.sub("", text)


def official(text: str) -> str:
    """Text without what makes the official program fail: halves of characters, and digits of which it knows none."""
    return _FOREIGN_DIGIT.sub(_plain_digit, _LONE_SURROGATE.sub("", text))


def _plain_digit(found: re.Match[str]) -> str:
    return str(unicodedata.decimal(found[0]))
