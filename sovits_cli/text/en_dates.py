"""English dates, times of day and decades in words. Knows the calendar's names and nothing else."""

from __future__ import annotations

import re

from sovits_cli.text import en_numbers as numbers

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_MONTH = "|".join(_MONTHS)
_DAY = r"(0?[1-9]|[12]\d|3[01])"
_YEAR = r"(1\d{3}|20\d\d)"

_HALF = r"\s?([AaPp])\s?\.?\s?[Mm]\b"

_YEAR_FIRST = re.compile(rf"\b{_YEAR}([-/.])(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])\b(?!\.?\d)")
_YEAR_LAST = re.compile(rf"\b{_DAY}([-/.]){_DAY}\2{_YEAR}\b(?!\.?\d)")
_MONTH_DAY = re.compile(rf"\b({_MONTH}) {_DAY}(?:st|nd|rd|th)?\b(?![:.,/-]?\d)(?:,? {_YEAR}\b(?!\.?\d))?")
_DAY_MONTH = re.compile(
    rf"\b(?:the )?(?<![\d.,/]){_DAY}(?:st|nd|rd|th)? (?:of )?({_MONTH})\b(?:,? {_YEAR}\b(?!\.?\d))?"
)
_YEARS = re.compile(rf"(?<![\w.,$/-]){_YEAR}\s?[-–]\s?(\d\d)?(\d\d)\b(?![-/.,]?\d)")
_DECADE = re.compile(r"(?<![\w.])(1[0-9]|20)(\d)0'?s\b")
_SHORT_DECADE = re.compile(
    r"(?<![\w.$])(?:'|(?<=\bthe )|(?<=\b(?:his|her|mid) )|(?<=-)|(?<=ly )|(?<=ate ))([2-9])0'?s\b"
)
_TO = re.compile(rf"(?<=\d)({_HALF})?\s?[-–]\s?(?=\d\d?(?::\d\d|{_HALF}))")
_CLOCK = re.compile(rf"(?<![\d:.])([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?![\d:])(?:{_HALF}|\s?hrs?\b)?")
_HOUR = re.compile(rf"(?<![\d:.,])(1[0-2]|0?[1-9]){_HALF}")


def spoken(text: str) -> str:
    """`text` with its dates, times and decades in words."""
    text = _YEAR_FIRST.sub(lambda date: _date(int(date[3]), int(date[4]), int(date[1])), text)
    text = _YEAR_LAST.sub(_year_last, text)
    text = _MONTH_DAY.sub(lambda date: _date(_MONTHS.index(date[1]) + 1, int(date[2]), int(date[3] or 0)), text)
    text = _DAY_MONTH.sub(_day_month, text)
    text = _YEARS.sub(_years, text)
    text = _DECADE.sub(lambda years: numbers.plural(numbers.year(int(f"{years[1]}{years[2]}0"))), text)
    text = _SHORT_DECADE.sub(lambda years: numbers.plural(numbers.cardinal(int(years[1]) * 10)), text)
    text = _CLOCK.sub(_clock, _TO.sub(lambda joint: f"{joint[1] or ''} to ", text))
    return _HOUR.sub(lambda hour: f"{numbers.cardinal(int(hour[1]))} {hour[2].upper()} M", text)


def _date(month: int, day: int, year: int) -> str:
    said = f"{_MONTHS[month - 1]} {numbers.ordinal(day)}"
    return f"{said}, {numbers.year(year)}" if year else said


def _year_last(date: re.Match[str]) -> str:
    """Month first, as in America, where that is possible; dotted dates have the day first."""
    first, second, year = int(date[1]), int(date[3]), int(date[4])
    day_first = date[2] == "." or first > 12
    month, day = (second, first) if day_first else (first, second)
    return _date(month, day, year) if month <= 12 else date[0]


def _day_month(date: re.Match[str]) -> str:
    said = f"the {numbers.ordinal(int(date[1]))} of {date[2]}"
    return f"{said}, {numbers.year(int(date[3]))}" if date[3] else said


def _years(span: re.Match[str]) -> str:
    """From a year to a year: 1939-45, 1939-1945."""
    last = int(f"{span[2]}{span[3]}") if span[2] else int(span[3])
    ends = numbers.year(last) if span[2] and 1000 <= last < 3000 else numbers.cardinal(last)
    return f"{numbers.year(int(span[1]))} to {ends}"


def _clock(time: re.Match[str]) -> str:
    """Words of 15:30 are "three thirty P M"; the half of the day is said where it is written or certain."""
    hour, minute, second = int(time[1]) % 24, int(time[2]), int(time[3] or 0)
    half = time[4].upper() if time[4] else "P" if hour > 12 else "A" if hour == 0 or time[1][0] == "0" else ""
    said = [numbers.cardinal(hour % 12 or 12)]
    if minute:
        said.append(f"oh {numbers.cardinal(minute)}" if minute < 10 else numbers.cardinal(minute))
    elif not half:
        said.append("o'clock")
    said += [half, "M"] if half else []
    said += [f"and {numbers.cardinal(second)} second{'s' * (second > 1)}"] if second else []
    return " ".join(said)
