"""Writes the commented settings file of `sovits config init`, made from the schema alone."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from sovits_cli.config import fields, files

_HEAD = """\
# Settings of sovits for this folder. Every key is optional: take the # away to change one.
# Order: defaults < user file < this file < SOVITS_... variables < --config files < flags.
# `sovits config show` prints each value and where it came from.
"""

_WIDTH = 110


def commented_settings() -> str:
    """A settings file that holds every key as a comment: its help, range and default."""
    return _HEAD + "".join(_lines())


def _lines() -> Iterator[str]:
    open_sections: list[str] = []
    for row in fields.table().values():
        *sections, last = row.key.split(".")
        while open_sections != sections[: len(open_sections)]:
            open_sections.pop()
        for depth in range(len(open_sections), len(sections)):
            open_sections.append(sections[depth])
            yield from _section(".".join(open_sections), depth)
        margin = "  " * len(sections)
        note = f"{row.help} ({row.expected})"
        yield "".join(f"{margin}# {line}\n" for line in textwrap.wrap(note, _WIDTH - len(margin)))
        yield f"{margin}# {last}: {files.render(row.default)}\n"


def _section(name: str, depth: int) -> Iterator[str]:
    margin = "  " * depth
    yield f"\n{margin}# {fields.sections()[name]}\n{margin}{name.rpartition('.')[2]}:\n"
