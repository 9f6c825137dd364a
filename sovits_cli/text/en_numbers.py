"""English number words: cardinals, ordinals, years, digits. Plain arithmetic on `int` and digit strings.

Written as the official program's library writes them: "one thousand, two hundred five". Knows nothing of what surrounds
a number in a text.
"""

from __future__ import annotations

import re

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("zero", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_POWERS = (
    *("", "thousand", "million", "billion", "trillion", "quadrillion"),
    *("quintillion", "sextillion", "septillion", "octillion", "nonillion", "decillion"),
)
_IRREGULAR_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}

MAX_DIGITS = 3 * len(_POWERS)
"""Longer numbers have no name here: they are read digit by digit."""

WRITTEN = r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
"""Pattern of a number as it is written: 1,234.5 or 12 or .5"""

_LONGEST_COUNT = 15


def cardinal(number: int, *, conjunction: str = "") -> str:
    """Number words; groups of thousands are separated by commas.

    Args:
        number: any integer of at most `MAX_DIGITS` digits; longer ones are read digit by digit.
        conjunction: "and" gives "one hundred and one", "" gives "one hundred one".
    """
    if number < 0:
        return f"negative {cardinal(-number, conjunction=conjunction)}"
    if number < 100:
        return _below_hundred(number)
    if len(str(number)) > MAX_DIGITS:
        return digit_words(str(number))
    groups = _groups(number)
    words = [f"{_below_thousand(value, conjunction)} {_POWERS[power]}".strip() for power, value in groups if power]
    head = ", ".join(words)
    last = groups[-1][1] if groups[-1][0] == 0 else 0
    if not head or not last:
        return head or _below_thousand(last, conjunction)
    joint = ", " if last >= 100 else f" {conjunction} " if conjunction else " "
    return head + joint + _below_thousand(last, conjunction)


def ordinal(number: int) -> str:
    """The number's rank: "first", "twenty-second", "one hundred and first"."""
    words = cardinal(number, conjunction="and")
    cut = max(words.rfind(" "), words.rfind("-")) + 1
    head, last = words[:cut], words[cut:]
    if last in _IRREGULAR_ORDINALS:
        return head + _IRREGULAR_ORDINALS[last]
    return head + (f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")


def year_words(number: int) -> str:
    """A number of four digits as a year: "nineteen eighty-four", "two thousand five", "nineteen hundred"."""
    century, rest = divmod(number, 100)
    if rest == 0:
        return cardinal(number) if century % 10 == 0 else f"{cardinal(century)} hundred"
    if century % 10 == 0 and rest < 10:
        return f"{cardinal(century * 100)} {cardinal(rest)}"
    return f"{cardinal(century)} {f'oh {cardinal(rest)}' if rest < 10 else cardinal(rest)}"


def digit_words(text: str, *, zero: str = "zero") -> str:
    """Each digit of `text` by its name; everything else is left out."""
    return " ".join(zero if digit == "0" else _ONES[int(digit)] for digit in text if digit in "0123456789")


def number_words(number: str) -> str:
    """Words of a number as it is written: "1,234", "-2", "007", "3.14". Very long ones are read digit by digit."""
    sign = "negative " if number.startswith("-") else ""
    whole, point, fraction = number.lstrip("-").replace(",", "").partition(".")
    by_digit = len(whole) > _LONGEST_COUNT or (len(whole) > 1 and whole[0] == "0")
    words = digit_words(whole) if by_digit else cardinal(int(whole or "0"))
    return f"{sign}{words} point {digit_words(fraction)}" if point else sign + words


def plural(words: str) -> str:
    """Plural of number words: "half" to "halves", "third" to "thirds", "twenty" to "twenties"."""
    if words.endswith("half"):
        return f"{words[:-1]}ves"
    if words.endswith("y"):
        return f"{words[:-1]}ies"
    return f"{words}es" if words.endswith(("x", "s")) else f"{words}s"


def fraction_words(numerator: int, denominator: int) -> str:
    """Words of a fraction: "one half", "three fourths", "six" for six over one."""
    if denominator == 1:
        return cardinal(numerator)
    part = "half" if denominator == 2 else ordinal(denominator)
    return f"{cardinal(numerator)} {plural(part) if numerator > 1 else part}"


def _groups(number: int) -> list[tuple[int, int]]:
    """(power of a thousand, value below a thousand) from the largest down, empty groups left out."""
    found: list[tuple[int, int]] = []
    power = 0
    while number:
        number, value = divmod(number, 1000)
        if value:
            found.append((power, value))
        power += 1
    return found[::-1]


def _below_thousand(number: int, conjunction: str) -> str:
    hundreds, rest = divmod(number, 100)
    if not hundreds:
        return _below_hundred(rest)
    words = f"{_ONES[hundreds]} hundred"
    if not rest:
        return words
    return f"{words} {conjunction} {_below_hundred(rest)}" if conjunction else f"{words} {_below_hundred(rest)}"


def _below_hundred(number: int) -> str:
    if number < 20:
        return _ONES[number]
    tens, ones = divmod(number, 10)
    return f"{_TENS[tens]}-{_ONES[ones]}" if ones else _TENS[tens]


# Numbers as they stand in a text: counts, ranks, fractions, versions, telephone numbers, arithmetic.

# "1. Open the box" at the beginning of a sentence
_LIST_ITEM = re.compile(r"(?:(?<=^)|(?<=[.!?;]\s)|(?<=\n))(\d{1,2})[.)]\s+(?=[A-Z])")
# 1 024 576: thousands parted by spaces, told by a group with a zero in front
_SPACED = re.compile(r"(?<![\w.,])[1-9]\d{0,2}(?: \d{3})* 0\d\d(?: \d{3})*(?![\w,])")
# +44 20 7946 0958, (020) 7946 0958, 555-123-4567, 555-1234
_TELEPHONE = re.compile(
    r"(?<![\w.,/-])(?:"
    r"\+\d{1,3}(?:[\s.-]?\(?\d{1,4}\)?){2,6}"
    r"|(?:\(\d{2,4}\)\s?|\d{2,4}[\s.-])\d{3,4}[\s.-]\d{4}"
    r"|\d{3}-\d{4}"
    r")(?![\w/]|[.,-]\d)"
)
# 978-3-16-148410-0, 007-12: no range
_HYPHENATED = re.compile(r"(?<![\w.,])\d+(?:-\d+){2,}(?!\w)|(?<![\w.,])(?:0\d+|\d{5,})-\d+(?!\w)")
_MIXED = re.compile(r"(?<![\d/.,])(\d{1,6})\s+(\d{1,2})/(\d{1,2})(?![\d/])")  # 2 1/2
_FRACTION = re.compile(r"(?<![\d/.,])(\d{1,3})/([1-9]\d{0,2})(?![\d/])")  # 3/4
_VERSION = re.compile(r"(?<!\d)\d+(?:\.\d+){2,}")  # 3.11.2
_TIMES = re.compile(r"(?<=\d)(?:\s*[×*]\s*|\s+x\s+)(?=-?\.?\d)")  # 3 x 4, 3×4, 3*4
_BY = re.compile(r"(?<=\d)x(?=\d)")  # 4x4
_MINUS = re.compile(r"(?<=[\d)]) - (?=[\d(])")  # 5 - 3
_RANGE = re.compile(rf"(?<![\w.,-])({WRITTEN})(?:\s?–\s?|-)(?={WRITTEN})")  # 5-10, 5 – 10
_NEGATIVE = re.compile(r"(?<![\w.)\]%^])-(?=\.?\d)")  # -5, -.5; not behind a word or a bracket
_RATIO = re.compile(r"(?<![\d:])(\d+):(\d+)(?![\d:])")  # 16:9
_RANK = re.compile(rf"(?<![\d.,])({WRITTEN})(?:st|nd|rd|th)\b")  # 1st, 22nd, 1,000th
_PLURAL = re.compile(r"(?<=-)(\d+)s\b")  # mid-90s
_YEAR = re.compile(r"(?<![\d.,])(10[1-9]\d|1[1-9]\d\d|20\d\d)(?![\d]|[.,]\d)")  # 1984, 2024; not 1984.5 or 1,984
_POWER = re.compile(r"\^(-?\d+)")  # ^2, ^-3
_WRITTEN = re.compile(WRITTEN)


def write_out_number_groups(text: str) -> str:
    """First step: what only looks like numbers, digit by digit, and everything that joins two numbers."""
    text = _LIST_ITEM.sub(lambda item: f"{ordinal(int(item[1]))}, ", text)
    text = _SPACED.sub(lambda number: number[0].replace(" ", ""), text)
    text = _TELEPHONE.sub(_digit_groups, text)
    text = _HYPHENATED.sub(_digit_groups, text)
    text = _MIXED.sub(lambda parts: f"{parts[1]} and {fraction_words(int(parts[2]), int(parts[3]))}", text)
    text = _FRACTION.sub(lambda parts: fraction_words(int(parts[1]), int(parts[2])), text)
    text = _VERSION.sub(lambda run: f" {' point '.join(map(number_words, run[0].split('.')))} ", text)
    text = _BY.sub(" by ", _TIMES.sub(" times ", text))
    text = _RANGE.sub(lambda pair: f"{pair[1]} to ", _MINUS.sub(" minus ", text))
    text = _RATIO.sub(lambda pair: f"{pair[1]} to {pair[2]}", text)
    return _NEGATIVE.sub("negative ", text)


def write_out_numbers(text: str) -> str:
    """Last step: every number that is left; four digits alone are a year where they can be one."""
    text = _POWER.sub(_power, text)
    text = _PLURAL.sub(lambda found: f" {plural(number_words(found[1]))} ", text)
    text = _RANK.sub(lambda rank: _rank(rank[1].replace(",", "")), text)
    text = _YEAR.sub(lambda year: f" {year_words(int(year[1]))} ", text)
    return _WRITTEN.sub(lambda found: f" {number_words(found[0])} ", text)


def _digit_groups(found: re.Match[str]) -> str:
    plus = "plus " if found[0].startswith("+") else ""
    return plus + ", ".join(digit_words(group) for group in re.findall(r"\d+", found[0]))


def _power(found: re.Match[str]) -> str:
    known = {"2": " squared", "3": " cubed"}
    return known.get(found[1]) or f" to the power of {number_words(found[1])}"


def _rank(written: str) -> str:
    if "." in written or len(written) > MAX_DIGITS:
        return f" {number_words(written)} th"
    return f" {ordinal(int(written))} "
