"""English dates, times of day, sums of money, measures and percentages in words."""

from __future__ import annotations

import re

from sovits_cli.text import en_numbers as numbers
from sovits_cli.text.resources import POWER_OF_TEN, parse_pairs

# Dates, times of day and decades.

_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_MONTH = "|".join(_MONTHS)
_DAY = r"(0?[1-9]|[12]\d|3[01])"
_YEAR = r"(1\d{3}|20\d\d)"

_HALF = r"\s?([AaPp])\s?\.?\s?[Mm]\b"

_YEAR_FIRST = re.compile(rf"\b{_YEAR}([-/.])(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])\b(?!\.?\d)")  # 2024-01-05
_YEAR_LAST = re.compile(rf"\b{_DAY}([-/.]){_DAY}\2{_YEAR}\b(?!\.?\d)")  # 1/5/2024, 05.01.2024
# January 5th, 2024
_MONTH_DAY = re.compile(rf"\b({_MONTH}) {_DAY}(?:st|nd|rd|th)?\b(?![:.,/-]?\d)(?:,? {_YEAR}\b(?!\.?\d))?")
# the 5th of January 2024, 5 January
_DAY_MONTH = re.compile(
    rf"\b(?:the )?(?<![\d.,/]){_DAY}(?:st|nd|rd|th)? (?:of )?({_MONTH})\b(?:,? {_YEAR}\b(?!\.?\d))?"
)
_YEARS = re.compile(rf"(?<![\w.,$/-]){_YEAR}\s?[-–]\s?(\d\d)?(\d\d)\b(?![-/.,]?\d)")  # 1939-45, 1939–1945
_DECADE = re.compile(r"(?<![\w.])(1[0-9]|20)(\d)0'?s\b")  # 1980s, 1980's
# the 80s, '80s, mid-80s
_SHORT_DECADE = re.compile(
    r"(?<![\w.$])(?:'|(?<=\bthe )|(?<=\b(?:his|her|mid) )|(?<=-)|(?<=ly )|(?<=ate ))([2-9])0'?s\b"
)
_TO = re.compile(rf"(?<=\d)({_HALF})?\s?[-–]\s?(?=\d\d?(?::\d\d|{_HALF}))")  # 9-11:30, 9 am – 5 pm
# 15:30, 15:30:10, 3:30 pm, 15:30 hrs
_CLOCK = re.compile(rf"(?<![\d:.])([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?![\d:])(?:{_HALF}|\s?hrs?\b)?")
_HOUR = re.compile(rf"(?<![\d:.,])(1[0-2]|0?[1-9]){_HALF}")  # 3 p.m., 11am


def write_out_dates(text: str) -> str:
    """`text` with its dates, times and decades in words."""
    text = _YEAR_FIRST.sub(lambda date: _date(int(date[3]), int(date[4]), int(date[1])), text)
    text = _YEAR_LAST.sub(_year_last, text)
    text = _MONTH_DAY.sub(lambda date: _date(_MONTHS.index(date[1]) + 1, int(date[2]), int(date[3] or 0)), text)
    text = _DAY_MONTH.sub(_day_month, text)
    text = _YEARS.sub(_years, text)
    text = _DECADE.sub(lambda years: numbers.plural(numbers.year_words(int(f"{years[1]}{years[2]}0"))), text)
    text = _SHORT_DECADE.sub(lambda years: numbers.plural(numbers.cardinal(int(years[1]) * 10)), text)
    text = _CLOCK.sub(_clock, _TO.sub(lambda joint: f"{joint[1] or ''} to ", text))
    return _HOUR.sub(lambda hour: f"{numbers.cardinal(int(hour[1]))} {hour[2].upper()} M", text)


def _date(month: int, day: int, year: int) -> str:
    words = f"{_MONTHS[month - 1]} {numbers.ordinal(day)}"
    return f"{words}, {numbers.year_words(year)}" if year else words


def _year_last(date: re.Match[str]) -> str:
    """Month first, as in America, where that is possible; dotted dates have the day first."""
    first, second, year = int(date[1]), int(date[3]), int(date[4])
    day_first = date[2] == "." or first > 12
    month, day = (second, first) if day_first else (first, second)
    return _date(month, day, year) if month <= 12 else date[0]


def _day_month(date: re.Match[str]) -> str:
    words = f"the {numbers.ordinal(int(date[1]))} of {date[2]}"
    return f"{words}, {numbers.year_words(int(date[3]))}" if date[3] else words


def _years(span: re.Match[str]) -> str:
    """From a year to a year: 1939-45, 1939-1945."""
    last = int(f"{span[2]}{span[3]}") if span[2] else int(span[3])
    ends = numbers.year_words(last) if span[2] and 1000 <= last < 3000 else numbers.cardinal(last)
    return f"{numbers.year_words(int(span[1]))} to {ends}"


def _clock(time: re.Match[str]) -> str:
    """Words of 15:30 are "three thirty P M"; the half of the day is named where it is written or certain."""
    hour, minute, second = int(time[1]) % 24, int(time[2]), int(time[3] or 0)
    half = time[4].upper() if time[4] else "P" if hour > 12 else "A" if hour == 0 or time[1][0] == "0" else ""
    words = [numbers.cardinal(hour % 12 or 12)]
    if minute:
        words.append(f"oh {numbers.cardinal(minute)}" if minute < 10 else numbers.cardinal(minute))
    elif not half:
        words.append("o'clock")
    words += [half, "M"] if half else []
    words += [f"and {numbers.cardinal(second)} second{'s' * (second > 1)}"] if second else []
    return " ".join(words)


# Sums of money.

_MAGNITUDES = parse_pairs(
    "k=thousand K=thousand m=million M=million mn=million b=billion B=billion bn=billion T=trillion tn=trillion "
    "hundred=hundred thousand=thousand million=million billion=billion trillion=trillion"
)
_MAGNITUDE = "|".join(sorted(_MAGNITUDES, key=len, reverse=True))
_CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "", ""),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₩": ("won", "won", "", ""),
    "₽": ("ruble", "rubles", "kopeck", "kopecks"),
    "¢": ("cent", "cents", "", ""),
    "USD": ("U S dollar", "U S dollars", "cent", "cents"),
    "EUR": ("euro", "euros", "cent", "cents"),
    "GBP": ("pound", "pounds", "penny", "pence"),
}
_DOLLARS = {"US": "U S ", "A": "Australian ", "C": "Canadian ", "NZ": "New Zealand ", "HK": "Hong Kong "}
_SIGN = r"[$£€¥₹₩₽]"
# $5, -$1,200.50, US$5 million, $5-10k, £-3
_BEFORE = re.compile(
    rf"(-?)(?:\b({'|'.join(_DOLLARS)}))?({_SIGN})\s?(-?)({numbers.WRITTEN})"
    rf"(?:\s?[-–]\s?{_SIGN}?({numbers.WRITTEN}))?(?:[\s-]?({_MAGNITUDE})\b)?"
)
# 5 €, 3.5 million €, 50¢, 20 USD
_AFTER = re.compile(rf"(?<![\d.,])({numbers.WRITTEN})(?:\s?({_MAGNITUDE}))?\s?({_SIGN}|¢|(?:USD|EUR|GBP)\b)")


def write_out_money(text: str) -> str:
    """`text` with its sums of money in words, the sign before or after the number."""
    text = _BEFORE.sub(_sign_first, text)
    return _AFTER.sub(lambda sum_: _sum(sum_[1], _MAGNITUDES.get(sum_[2] or "", ""), _CURRENCIES[sum_[3]]), text)


def _sign_first(found: re.Match[str]) -> str:
    one, many, part, parts = _CURRENCIES[found[3]]
    prefix = _DOLLARS.get(found[2] or "", "")
    words = _sum(found[5], _MAGNITUDES.get(found[7] or "", ""), (prefix + one, prefix + many, part, parts), found[6])
    return f"negative {words}" if found[1] or found[4] else words


def _sum(amount: str, magnitude: str, names: tuple[str, str, str, str], upper: str | None = None) -> str:
    one, many, part, parts = names
    if upper:
        return " ".join(
            filter(None, [numbers.number_words(amount), "to", numbers.number_words(upper), magnitude, many])
        )
    whole, _, fraction = amount.replace(",", "").partition(".")
    if magnitude or not part or len(fraction) not in {0, 1, 2}:
        return " ".join(
            filter(None, [numbers.number_words(amount), magnitude, one if amount == "1" and not magnitude else many])
        )
    units, rest = int(whole or "0") if len(whole) <= numbers.MAX_DIGITS else 0, int(fraction.ljust(2, "0"))
    words = [f"{numbers.number_words(whole)} {one if units == 1 else many}"] if units or not rest else []
    words += [f"{numbers.cardinal(rest)} {part if rest == 1 else parts}"] if rest else []
    return " and ".join(words)


# Measures and percentages: a number and its unit, "60km/h", "5 kg", "-3°C".

_UNITS = parse_pairs(
    "km=kilometer m=meter cm=centimeter mm=millimeter μm=micrometer nm=nanometer mi=mile ft=foot yd=yard yds=yard "
    "lb=pound lbs=pound oz=ounce kg=kilogram g=gram mg=milligram μg=microgram L=liter l=liter ml=milliliter "
    "mL=milliliter gal=gallon tbsp=tablespoon tsp=teaspoon h=hour hr=hour hrs=hour min=minute mins=minute "
    "s=second sec=second secs=second ms=millisecond μs=microsecond ns=nanosecond Hz=hertz kHz=kilohertz "
    "MHz=megahertz GHz=gigahertz W=watt kW=kilowatt MW=megawatt kWh=kilowatt_hour V=volt mV=millivolt kV=kilovolt "
    "mA=milliamp Ω=ohm mAh=milliamp_hour kJ=kilojoule cal=calorie kcal=kilocalorie Pa=pascal kPa=kilopascal "
    "dB=decibel KB=kilobyte kB=kilobyte MB=megabyte GB=gigabyte TB=terabyte px=pixel °C=degree_celsius "
    "°F=degree_fahrenheit °=degree mph=mile_per_hour kph=kilometer_per_hour rpm=revolution_per_minute "
    "bpm=beat_per_minute fps=frame_per_second kbps=kilobit_per_second Mbps=megabit_per_second "
    "Gbps=gigabit_per_second"
)
_PER = parse_pairs(
    "h=hour hr=hour s=second sec=second min=minute kg=kilogram m=meter L=liter l=liter day=day week=week "
    "month=month year=year"
)
_POWERS = {"2": "square ", "3": "cubic "}
_PLURALS = {
    "foot": "feet",
    "hertz": "hertz",
    "kilohertz": "kilohertz",
    "megahertz": "megahertz",
    "gigahertz": "gigahertz",
}


def _any_of(table: dict[str, str]) -> str:
    return "|".join(map(re.escape, sorted(table, key=len, reverse=True)))


_UNIT = rf"({_any_of(_UNITS)})(?:\^?([23]))?(?:/({_any_of(_PER)}))?(?![\w^/]|'[a-z])"
_MEASURE = re.compile(rf"(?<![\w.,-])({numbers.WRITTEN})(\s?|-){_UNIT}")  # 5 kg, 60km/h, 5-km, 20 m^2
_UNIT_FRACTION = re.compile(rf"(?<![\w.,/-])(?:(\d{{1,6}})\s+)?(\d{{1,2}})/([1-9]\d?)\s?{_UNIT}")  # 1/2 kg, 2 1/2 cm
# 3e8 m/s, 1.5E-3
_SCIENTIFIC = re.compile(rf"(?<![\w.,])({numbers.WRITTEN}){POWER_OF_TEN}([+-]?\d+)(?!\w|\.\d)(?:\s?{_UNIT})?")
_FEET = re.compile(r"(?<![\w.,])(\d{1,2})'\s?(\d{1,2})\"")  # 5'11"
_PERCENT = re.compile(rf"(?<![\d.,])({numbers.WRITTEN})\s?%")  # 12.5 %


def write_out_measures(text: str) -> str:
    """`text` with its measures and percentages in words."""
    text = _FEET.sub(lambda size: f"{numbers.number_words(size[1])} foot {numbers.number_words(size[2])}", text)
    return _PERCENT.sub(lambda share: f"{numbers.number_words(share[1])} percent", _MEASURE.sub(_measure, text))


def write_out_unit_fractions(text: str) -> str:
    """`text` with what stands for its fractions of a unit and its powers of ten, "2 1/2 kg" and "3e8 m/s"."""
    return _SCIENTIFIC.sub(_scientific, _UNIT_FRACTION.sub(_fraction, text))


def _fraction(found: re.Match[str]) -> str:
    whole, upper, lower, *unit = found.groups()
    part = numbers.fraction_words(int(upper), int(lower))
    return (
        f"{numbers.number_words(whole)} and {part} {_unit(*unit)}" if whole else f"{part} {_unit(*unit, is_one=True)}"
    )


def _scientific(found: re.Match[str]) -> str:
    amount, power, unit, square, per = found.groups()
    words = f"{amount} times ten to the power of {numbers.number_words(power.lstrip('+'))}"
    return f"{words} {_unit(unit, square, per)}" if unit else words


def _measure(found: re.Match[str]) -> str:
    amount, joint, *unit = found.groups()
    return f"{numbers.number_words(amount)} {_unit(*unit, is_one=amount == '1' or joint == '-')}"


def _unit(unit: str, power: str | None, per: str | None, *, is_one: bool = False) -> str:
    """The name of a unit as it is read after its number."""
    name = _UNITS[unit] if is_one else _plural(_UNITS[unit])
    words = f"{_POWERS.get(power or '', '')}{name}"
    return f"{words} per {_PER[per]}" if per else words


def _plural(unit: str) -> str:
    """Plural of a unit: "miles per hour", "degrees celsius", "feet"."""
    if unit.startswith("degree"):
        return unit.replace("degree", "degrees", 1)
    head, per, rest = unit.partition(" per ")
    return f"{_PLURALS.get(head) or head + 's'}{per}{rest}"
