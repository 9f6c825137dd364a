"""English text to words and marks, as a careful reader would say it. The order of the steps is the whole of this file.

Differs from the official normaliser on purpose; `tests/text/en_exceptions.py` lists where and why.
"""

from __future__ import annotations

import re

from sovits_cli.text import (
    en_abbreviations,
    en_addresses,
    en_case,
    en_clean,
    en_dates,
    en_measures,
    en_money,
    en_numerals,
)
from sovits_cli.text.wordlists import pairs

_INITIALS = re.compile(r"\b([A-Z]{1,3})&([A-Z]{1,3})\b")
_SHARP = re.compile(r"\b([A-Za-g])#(?=m?(?!\w))|\b([A-G])#(?=\d)")
"""C# the language, and C#m, F#4 of music."""

_HASH_SAID = re.compile(r"#(?=hashtags?\b)", re.IGNORECASE)
_HASH_WORD = re.compile(r"#(?=[A-Za-z]|\d+[A-Za-z]{3})")
_HASH_NUMBER = re.compile(r"#\s?(?=\d)")
_PER = re.compile(
    r"\b(dollars?|euros?|pounds?|cents?|yen|percent|times|\d)/(?=(?:second|minute|hour|day|night|week|month|year|person|mile|unit)\b)"
)
_ABOUT = re.compile(r"~\s?(?=[$£€]?\d)")
_COMPARED = re.compile(r"(?<=[\w)])\s*([<>])\s*(?=[\d(-])")
_SIGNS = {
    "=": "equals",
    **pairs("&=and @=at +=plus %=percent °=degrees μ=mu Ω=omega ×=times ÷=divided_by $=dollar £=pound €=euro ¥=yen"),
}
_SIGN = re.compile("[" + re.escape("".join(_SIGNS)) + "]")


def normalise(text: str) -> str:
    """Words and `. , ? ! - '` only, one space between words; empty when nothing can be read."""
    text = en_addresses.spoken(en_clean.clean(text))
    text = en_case.roman_numbers(text)
    text = en_dates.spoken(en_abbreviations.written_out(text))
    text = en_measures.spoken(en_numerals.groups(en_measures.composed(en_money.spoken(text))))
    text = en_numerals.spoken(_signs(text))
    return en_clean.marks(en_case.spelled_out(text))


def _signs(text: str) -> str:
    text = _INITIALS.sub(lambda pair: f"{' '.join(pair[1])} and {' '.join(pair[2])}", text)
    text = _SHARP.sub(lambda letter: f"{letter[1] or letter[2]}-sharp ", text)
    text = _HASH_NUMBER.sub(" number ", _HASH_WORD.sub(" hashtag ", _HASH_SAID.sub(" ", text)))
    text = _PER.sub(r"\1 per ", text)
    text = _ABOUT.sub(" about ", text)
    text = _COMPARED.sub(lambda sign: " less than " if sign[1] == "<" else " greater than ", text)
    return _SIGN.sub(lambda sign: f" {_SIGNS[sign[0]]} ", text)
