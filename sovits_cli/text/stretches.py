"""A text in stretches of one script each: letters, digits, and the marks that belong to either. Knows no languages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import Enum
from functools import lru_cache

from sovits_cli.text.number_signs import POWER_OF_TEN
from sovits_cli.text.scripts import LATIN, UnicodeScript


class Kind(Enum):
    """What a stretch is that has no letters of a known script."""

    DIGITS = "digits"
    UNKNOWN = "letters of another script"
    MARKS = "marks and white space, nothing else in the text"


_UNITS = "km/h|m/s|[cmk]?m[²³23]|[cmnk]?m|[mk]?g|m?[lL]|[kMG]?Hz|d[bB]|kWh?|ms|[KMGT]B|°[CF]"
_FRACTIONS = "¼-¾⅐-⅞"
_SYMBOL = r"[^\w\s!-/:-@\[-`{-~¡-¿‐-⁯、-〟＀-￯]"


@lru_cache(maxsize=32)
def _pattern(scripts: tuple[UnicodeScript, ...], *, is_official: bool) -> re.Pattern[str]:
    """A stretch of digits, of one of the scripts (`s0`, `s1`, …), of letters of others and of Latin ones, or a mark."""
    letter = rf"[^\W\d_{''.join(script.letters for script in scripts)}]"
    stretches = "|".join(f"(?P<s{place}>[{script.letters}]+)" for place, script in enumerate(scripts))
    if is_official:
        digits, word = r"\d+(?:[^\w\s]\d+)*", rf"(?:{letter}|{_SYMBOL}|(?<=\w)['’])+"
    else:
        unit = rf"(?:{_UNITS})(?!{letter}|\d)"
        power = rf"{POWER_OF_TEN}[+-]?\d+(?!{letter}|\d)"
        amount = rf"(?:\d+(?:[.,:/~～\-]\d+)*(?:{power}|\s?[{_FRACTIONS}])?|[{_FRACTIONS}])"
        number = rf"(?:(?<!\w)[-+−])?(?:(?:HK|US)?[$€£￥¥])?{amount}"
        sharp = rf"(?<!{letter}{letter})(?:#|\+\+)(?![A-Za-z])"  # C#, C++
        digits, word = rf"{number}(?:[%‰℃℉]|{unit})?", rf"{letter}+(?:['’]{letter}+)*(?:{sharp})?"
    return re.compile(rf"(?P<digits>{digits})|{stretches}|(?P<word>{word})|(?P<marks>.)", re.DOTALL)


_OPENING = re.compile(r"[“‘(（「『《【〈\[{#@$€£￥¥]+$")


def stretches(
    text: str, scripts: Sequence[UnicodeScript], *, is_official: bool
) -> Iterator[tuple[UnicodeScript | Kind, str]]:
    """Stretches in order; joined they are the text.

    Marks and white space belong to what is before them, opening ones to what follows.

    Args:
        text: a sentence or so.
        scripts: those to be told apart.
        is_official: with marks and numbers as the official program takes them.
    """
    others = tuple(script for script in scripts if script != LATIN)
    kind: UnicodeScript | Kind | None = None
    held, own = "", 0  # what is not yet given, and how much of it is no mark after its stretch
    for found in _pattern(others, is_official=is_official).finditer(text):
        group = str(found.lastgroup)
        if group == "marks":
            held += found[0]
            continue
        if kind:
            opening = None if is_official else _OPENING.search(held, own)
            cut = opening.start() if opening else len(held)
            yield kind, held[:cut]
            held = held[cut:]
        held += found[0]
        own = len(held)
        if group == "digits":
            kind = Kind.DIGITS
        elif group == "word":
            kind = LATIN if LATIN.pattern.search(found[0]) else Kind.UNKNOWN
        else:
            kind = others[int(group[1:])]
    if held:
        yield kind or Kind.MARKS, held
