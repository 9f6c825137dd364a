"""Small tables written as text, in the code or in `tables/`: lists of words and pairs of words."""

from __future__ import annotations

from pathlib import Path

TABLES = Path(__file__).parent / "tables"
"""Where the tables of the text room live, with their licences."""


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


def pairs(text: str) -> dict[str, str]:
    """A dict from "km=kilometer kWh=kilowatt_hour"; an underscore stands for a space."""
    items = (item.partition("=") for item in text.split())
    return {key.replace("_", " "): value.replace("_", " ") for key, _, value in items}


def lines(name: str) -> list[str]:
    """Lines of a file of `tables/`, without the comments that begin with "#"."""
    text = (TABLES / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]
