"""The tables beside the code, and what is loaded once, however many threads ask for it at the same moment.

`functools.cache` keeps what a function gave, but threads that come before the first of them is done all run it, and
dictionaries and packages are not made for that. Front ends, dictionaries and tables are made by `once`; `lru_cache` is
for functions of their arguments alone, which may run twice without harm.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
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
