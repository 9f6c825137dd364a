"""English numbers as they are written, in words: counts, ranks, fractions, versions, telephone numbers, arithmetic."""

from __future__ import annotations

import re

from sovits_cli.text import en_numbers as numbers

_LIST_ITEM = re.compile(r"(?:(?<=^)|(?<=[.!?;]\s)|(?<=\n))(\d{1,2})[.)]\s+(?=[A-Z])")
_SPACED = re.compile(r"(?<![\w.,])[1-9]\d{0,2}(?: \d{3})* 0\d\d(?: \d{3})*(?![\w,])")
_TELEPHONE = re.compile(
    r"(?<![\w.,/-])(?:"
    r"\+\d{1,3}(?:[\s.-]?\(?\d{1,4}\)?){2,6}"
    r"|(?:\(\d{2,4}\)\s?|\d{2,4}[\s.-])\d{3,4}[\s.-]\d{4}"
    r"|\d{3}-\d{4}"
    r")(?![\w/]|[.,-]\d)"
)
_HYPHENATED = re.compile(r"(?<![\w.,])\d+(?:-\d+){2,}(?!\w)|(?<![\w.,])(?:0\d+|\d{5,})-\d+(?!\w)")
_MIXED = re.compile(r"(?<![\d/.,])(\d{1,6})\s+(\d{1,2})/(\d{1,2})(?![\d/])")
_FRACTION = re.compile(r"(?<![\d/.,])(\d{1,3})/([1-9]\d{0,2})(?![\d/])")
_VERSION = re.compile(r"(?<!\d)\d+(?:\.\d+){2,}")
_TIMES = re.compile(r"(?<=\d)(?:\s*[×*]\s*|\s+x\s+)(?=-?\.?\d)")
_BY = re.compile(r"(?<=\d)x(?=\d)")
_MINUS = re.compile(r"(?<=[\d)]) - (?=[\d(])")
_RANGE = re.compile(rf"(?<![\w.,-])({numbers.WRITTEN})(?:\s?–\s?|-)(?={numbers.WRITTEN})")
_NEGATIVE = re.compile(r"(?<![\w.)\]%^])-(?=\.?\d)")
_RATIO = re.compile(r"(?<![\d:])(\d+):(\d+)(?![\d:])")
_RANK = re.compile(rf"(?<![\d.,])({numbers.WRITTEN})(?:st|nd|rd|th)\b")
_PLURAL = re.compile(r"(?<=-)(\d+)s\b")
_YEAR = re.compile(r"(?<![\d.,])(10[1-9]\d|1[1-9]\d\d|20\d\d)(?![\d]|[.,]\d)")
_POWER = re.compile(r"\^(-?\d+)")
_WRITTEN = re.compile(numbers.WRITTEN)


def groups(text: str) -> str:
    """First step: what only looks like numbers, digit by digit, and everything that joins two numbers."""
    text = _LIST_ITEM.sub(lambda item: f"{numbers.ordinal(int(item[1]))}, ", text)
    text = _SPACED.sub(lambda number: number[0].replace(" ", ""), text)
    text = _TELEPHONE.sub(_digit_groups, text)
    text = _HYPHENATED.sub(_digit_groups, text)
    text = _MIXED.sub(lambda parts: f"{parts[1]} and {numbers.fraction(int(parts[2]), int(parts[3]))}", text)
    text = _FRACTION.sub(lambda parts: numbers.fraction(int(parts[1]), int(parts[2])), text)
    text = _VERSION.sub(lambda run: f" {' point '.join(map(numbers.written, run[0].split('.')))} ", text)
    text = _BY.sub(" by ", _TIMES.sub(" times ", text))
    text = _RANGE.sub(lambda pair: f"{pair[1]} to ", _MINUS.sub(" minus ", text))
    text = _RATIO.sub(lambda pair: f"{pair[1]} to {pair[2]}", text)
    return _NEGATIVE.sub("negative ", text)


def spoken(text: str) -> str:
    """Last step: every number that is left; four digits alone are a year where they can be one."""
    text = _POWER.sub(_power, text)
    text = _PLURAL.sub(lambda found: f" {numbers.plural(numbers.written(found[1]))} ", text)
    text = _RANK.sub(lambda rank: _rank(rank[1].replace(",", "")), text)
    text = _YEAR.sub(lambda year: f" {numbers.year(int(year[1]))} ", text)
    return _WRITTEN.sub(lambda found: f" {numbers.written(found[0])} ", text)


def _digit_groups(found: re.Match[str]) -> str:
    plus = "plus " if found[0].startswith("+") else ""
    return plus + ", ".join(numbers.digits(group) for group in re.findall(r"\d+", found[0]))


def _power(found: re.Match[str]) -> str:
    known = {"2": " squared", "3": " cubed"}
    return known.get(found[1]) or f" to the power of {numbers.written(found[1])}"


def _rank(written: str) -> str:
    if "." in written or len(written) > numbers.MAX_DIGITS:
        return f" {numbers.written(written)} th"
    return f" {numbers.ordinal(int(written))} "
