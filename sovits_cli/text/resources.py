"""What the front ends share: tables beside the code, what is loaded once, and patterns of numbers with signs.

`functools.cache` keeps what a function gave, but threads that come before the first of them is done all run it, and
dictionaries and packages are not made for that. Front ends, dictionaries and tables are made by `once`; `lru_cache` is
for functions of their arguments alone, which may run twice without harm.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from functools import cache, update_wrapper
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_making = threading.RLock()
"""One lock for everything: what is made may ask for other things, in any order, and nothing waits in a circle.

So no module may ask for such a thing while it is imported: that thread would hold the lock of the import.
"""


class once(Generic[P, T]):  # noqa: N801 - a decorator
    """A function that runs once for the same arguments; what it raises is not kept."""

    def __init__(self, make: Callable[P, T]) -> None:
        self._made: Any = cache(make)
        self._known: Any = cache(self._first)
        update_wrapper(self, make)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """What was made, without a lock; the first time, whoever holds it makes it."""
        known: T = self._known(*args, **kwargs)
        return known

    def cache_clear(self) -> None:
        """Forget what was made."""
        self._known.cache_clear()
        self._made.cache_clear()

    def _first(self, *args: P.args, **kwargs: P.kwargs) -> T:
        with _making:
            made: T = self._made(*args, **kwargs)
            return made


# Small tables written as text, in the code or in `tables/`: lists of words and pairs of words.

TABLES = Path(__file__).parent / "tables"
"""Where the tables of the text room live, with their licences."""


def word_set(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


def parse_pairs(text: str) -> dict[str, str]:
    """A dict from "km=kilometer kWh=kilowatt_hour"; an underscore stands for a space."""
    items = (item.partition("=") for item in text.split())
    return {key.replace("_", " "): value.replace("_", " ") for key, _, value in items}


def table_lines(name: str) -> list[str]:
    """Lines of a file of `tables/`, without the comments that begin with "#"."""
    text = (TABLES / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


# Numbers with signs, as Japanese and Korean write them alike: patterns, and what both read from them.

RATE = re.compile(r"(?<=\d)\s?(km|m)/(h|s)(?![A-Za-z])")  # 60km/h, 5 m/s
TIME = re.compile(r"(?<!\d)([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?!\d)")  # 8:30, 15:30:10
FRACTION = re.compile(r"(?<![\d/])(\d+)/(\d+)(?![\d/])")  # 3/4
MINUS = re.compile(r"(?<![A-Za-z\d-])[-−](?=\d)")  # -5
OPERATOR = re.compile(r"(?<=[\w)])\s?([+×÷=])\s?(?=[\w(])|(?<!\w)([+])(?=\d)|([&@])")  # 3 + 5, +5, a & b

MIXED = re.compile(r"(?<=\d)\s?(?=[¼-¾⅐-⅞])")
"""Between a whole number and its fraction, as in 2½; before NFKC makes 21/2 of them."""

POWER_OF_TEN = r"(?:e(?=[+-]?\d\d?(?!\d))|E(?=[+-]\d\d?(?!\d)|\d(?!\d))|[eE](?=[+-]\d{3}))"
"""The e of 1e-5, by what follows it; not that of U+4E00 or of a commit, 612e952."""

SCIENTIFIC = re.compile(rf"(?<![\dA-Za-z.])(-?\d+(?:\.\d+)?){POWER_OF_TEN}\+?(-?\d+)(?![A-Za-z\d])")
"""1e-5: what is multiplied, and the power of ten."""

ELLIPSES = str.maketrans({"…": "\ue000", "‥": "\ue000"})
"""Marks that NFKC would write as full stops; `with_ellipses` brings them back."""

_GROUPED = re.compile(r"(?<!\d)\d{1,3}(?:,\d{3})+(?!\d)")


def unit_pattern(units: Iterable[str]) -> re.Pattern[str]:
    """A sign of a unit after a number, and its power: 5 km2."""
    longest_first = sorted(map(re.escape, units), key=len, reverse=True)
    return re.compile(rf"(?<=\d)\s?({'|'.join(longest_first)})([23])?(?![A-Za-z])")


def money_pattern(currencies: Iterable[str]) -> re.Pattern[str]:
    """A sign of a currency, and the amount: $1,200.50."""
    return re.compile(rf"([{''.join(currencies)}])\s?(\d+(?:,\d{{3}})*(?:\.\d+)?)")


def with_ellipses(text: str) -> str:
    """Text that was translated by `ELLIPSES` and normalised by Unicode, with its ellipses and plain slashes."""
    return text.replace("\ue000", "…").replace("⁄", "/")


def ungrouped(text: str) -> str:
    """Whole numbers without the commas between their thousands."""
    return _GROUPED.sub(lambda number: number[0].replace(",", ""), text)


def amount(written: str) -> str:
    """An amount of money without commas and closing zeros: 1,200.50 -> 1200.5."""
    plain = written.replace(",", "")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def clock(found: re.Match[str]) -> tuple[str, str | None, str | None]:
    """Hour, minute and second of a match of `TIME`, without leading zeros; a full hour has no minute."""
    hour, minute, second = (part and str(int(part)) for part in found.groups())
    return hour, minute if minute != "0" or second else None, second


def operator(found: re.Match[str]) -> str:
    """The sign of a match of `OPERATOR`."""
    return found[1] or found[2] or found[3]
