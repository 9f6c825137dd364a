"""English measures and percentages in words: a number and its unit, "60km/h", "5 kg", "-3°C"."""

from __future__ import annotations

import re

from sovits_cli.text import en_numbers as numbers
from sovits_cli.text.number_signs import POWER_OF_TEN
from sovits_cli.text.wordlists import pairs

_UNITS = pairs(
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
_PER = pairs(
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


def _any(table: dict[str, str]) -> str:
    return "|".join(map(re.escape, sorted(table, key=len, reverse=True)))


_UNIT = rf"({_any(_UNITS)})(?:\^?([23]))?(?:/({_any(_PER)}))?(?![\w^/]|'[a-z])"
_MEASURE = re.compile(rf"(?<![\w.,-])({numbers.WRITTEN})(\s?|-){_UNIT}")
_FRACTION = re.compile(rf"(?<![\w.,/-])(?:(\d{{1,6}})\s+)?(\d{{1,2}})/([1-9]\d?)\s?{_UNIT}")
_SCIENTIFIC = re.compile(rf"(?<![\w.,])({numbers.WRITTEN}){POWER_OF_TEN}([+-]?\d+)(?!\w|\.\d)(?:\s?{_UNIT})?")
_FEET = re.compile(r"(?<![\w.,])(\d{1,2})'\s?(\d{1,2})\"")
_PERCENT = re.compile(rf"(?<![\d.,])({numbers.WRITTEN})\s?%")


def spoken(text: str) -> str:
    """`text` with its measures and percentages in words."""
    text = _FEET.sub(lambda size: f"{numbers.written(size[1])} foot {numbers.written(size[2])}", text)
    return _PERCENT.sub(lambda share: f"{numbers.written(share[1])} percent", _MEASURE.sub(_measure, text))


def composed(text: str) -> str:
    """`text` with what stands for its fractions of a unit and its powers of ten, "2 1/2 kg" and "3e8 m/s"."""
    return _SCIENTIFIC.sub(_scientific, _FRACTION.sub(_fraction, text))


def _fraction(found: re.Match[str]) -> str:
    whole, upper, lower, *unit = found.groups()
    part = numbers.fraction(int(upper), int(lower))
    return f"{numbers.written(whole)} and {part} {_unit(*unit)}" if whole else f"{part} {_unit(*unit, is_one=True)}"


def _scientific(found: re.Match[str]) -> str:
    amount, power, unit, square, per = found.groups()
    said = f"{amount} times ten to the power of {numbers.written(power.lstrip('+'))}"
    return f"{said} {_unit(unit, square, per)}" if unit else said


def _measure(found: re.Match[str]) -> str:
    amount, joint, *unit = found.groups()
    return f"{numbers.written(amount)} {_unit(*unit, is_one=amount == '1' or joint == '-')}"


def _unit(unit: str, power: str | None, per: str | None, *, is_one: bool = False) -> str:
    """The name of a unit as it is said after its number."""
    name = _UNITS[unit] if is_one else _plural(_UNITS[unit])
    said = f"{_POWERS.get(power or '', '')}{name}"
    return f"{said} per {_PER[per]}" if per else said


def _plural(unit: str) -> str:
    """Plural of a unit: "miles per hour", "degrees celsius", "feet"."""
    if unit.startswith("degree"):
        return unit.replace("degree", "degrees", 1)
    head, per, rest = unit.partition(" per ")
    return f"{_PLURALS.get(head) or head + 's'}{per}{rest}"
