"""Writes the text of settings files: a new one with every key as a comment, or one value changed in an old one.

A change leaves every other character, comments above all, as it is. Where to cut and insert is told by the positions
that the YAML parser keeps; the new text is read again, and refused if it does not hold exactly the values meant:

    data:              root mapping -> entry "data" -> mapping -> entry "max_sec"
      max_sec: 54      start_mark and end_mark of the node of 54 are cut out, "20" is put in
      # few clips      a comment belongs to no node, and stays
    ^ a key that is missing goes on a line of its own, after the last value of the innermost mapping that is there
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from sovits_cli.config import fields, files
from sovits_cli.errors import SettingsError

INDENT = 2

_WIDTH = 110
"""Columns of a commented settings file."""


@dataclass(frozen=True)
class _Place:
    """How far a key exists: the innermost mapping, its entry on the way (if any), and the parts still missing."""

    mapping: yaml.MappingNode
    entry: tuple[yaml.ScalarNode, yaml.Node] | None
    missing: tuple[str, ...]


def set_value(text: str, key: str, value: object, name: str) -> str:
    """Set a key in the text of a settings file.

    Args:
        text: YAML.
        key: dotted name.
        value: what `files.render` can write.
        name: the file, as errors name it.

    Raises:
        SettingsError: the text is not YAML, or is written in a way that cannot be edited.
    """
    root = files.compose(text, name)
    new = _changed(text, _find(root, key), value) if root else _ended(text) + _lines(key.split("."), value, 0)
    return _checked(new, {**_values(text, name), key: value}, key, name)


def unset_value(text: str, key: str, name: str) -> str:
    """Take `key` out of YAML `text`. Raises SettingsError if it is not there."""
    values = _values(text, name)
    root = files.compose(text, name)
    if root is None or key not in values:
        raise SettingsError(f"{key} is not set in {name}", code="settings.key_unset", fields={"key": key, "path": name})
    place = _find(root, key)
    new = _without_item(text, place) if place.mapping.flow_style else _without_lines(text, place)
    return _checked(new, {k: v for k, v in values.items() if k != key}, key, name)


def _find(root: yaml.MappingNode, key: str) -> _Place:
    """Go down from the root by the parts of a key as far as there are mappings."""
    mapping, parts = root, key.split(".")
    for index, part in enumerate(parts):
        entry = next((pair for pair in mapping.value if pair[0].value == part), None)
        if entry is None or not isinstance(entry[1], yaml.MappingNode):
            # an entry that is there needs no part of the key any more; one that is not is the first missing part
            return _Place(mapping, entry, tuple(parts[index + (entry is not None) :]))
        mapping = entry[1]
    return _Place(mapping, None, ())


def _changed(text: str, place: _Place, value: object) -> str:
    if place.entry is None:
        return _inserted(text, place, value)
    key_node, value_node = place.entry
    if place.missing:  # a section without a value: its keys go below it
        column = key_node.start_mark.column + INDENT
        return _insert_lines(text, value_node.end_mark.index, _lines(place.missing, value, column))
    start, end = value_node.start_mark.index, _end(value_node)
    if start == end:  # `rate:` alone: the empty value begins right after the colon
        return f"{text[:start]} {files.render(value)}{text[end:]}"
    return text[:start] + files.render(value) + text[end:]


def _inserted(text: str, place: _Place, value: object) -> str:
    if place.mapping.flow_style:  # {a: 1} -> {a: 1, b: {c: 2}}: before the closing brace, sections as braces too
        end = place.mapping.end_mark.index - 1
        comma = ", " if place.mapping.value else ""
        body = files.render(value)
        for part in reversed(place.missing[1:]):
            body = f"{{{part}: {body}}}"
        return f"{text[:end].rstrip()}{comma}{place.missing[0]}: {body}{text[end:]}"
    last = place.mapping.value[-1][1]
    return _insert_lines(text, _end(last), _lines(place.missing, value, place.mapping.start_mark.column))


def _insert_lines(text: str, after: int, lines: str) -> str:
    """Put whole lines after the line that holds position `after`."""
    end_of_line = text.find("\n", after)
    if end_of_line < 0:
        return _ended(text) + lines
    return text[: end_of_line + 1] + lines + text[end_of_line + 1 :]


def _lines(parts: tuple[str, ...] | list[str], value: object, column: int) -> str:
    *sections, last = parts
    lines = [f"{' ' * (column + INDENT * depth)}{section}:\n" for depth, section in enumerate(sections)]
    return "".join(lines) + f"{' ' * (column + INDENT * len(sections))}{last}: {files.render(value)}\n"


def _without_lines(text: str, place: _Place) -> str:
    key_node, value_node = _entry(place)
    start = text.rfind("\n", 0, key_node.start_mark.index) + 1
    end = text.find("\n", _end(value_node))
    return text[:start] + (text[end + 1 :] if end >= 0 else "")


def _without_item(text: str, place: _Place) -> str:
    key_node, value_node = _entry(place)
    before, after = text[: key_node.start_mark.index], text[_end(value_node) :]
    # one comma goes with the item: the one after it, or before it where it was the last
    if comma := re.match(r"\s*,\s*", after):
        return before + after[comma.end() :]
    return re.sub(r"\s*,\s*$", "", before) + after


def _entry(place: _Place) -> tuple[yaml.ScalarNode, yaml.Node]:
    if place.entry is None:
        raise AssertionError("only called for a key that is there")
    return place.entry


def _end(node: yaml.Node) -> int:
    """Where a value ends; the parser counts the lines after a block list as part of it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _values(text: str, name: str) -> dict[str, object]:
    return {entry.key: entry.value for entry in files.entries(text, name)}


def _checked(new: str, wanted: dict[str, object], key: str, name: str) -> str:
    """Give `new` if it holds what was meant. An empty section reads as null, and may come and go."""
    try:
        found = _values(new, name)
    except SettingsError:
        found = {}  # what cannot be read is not what was meant
    meant = {k: _plain(v) for k, v in wanted.items() if v is not None or k in found or k == key}
    if {k: v for k, v in found.items() if v is not None or k in wanted} != meant:
        raise SettingsError(f"{name}: {key} cannot be changed in the way this file is written", hint=f"edit {name}")
    return new


def _plain(value: object) -> object:
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def commented_settings() -> str:
    """A settings file that holds every key as a comment: its help, range and default."""
    return "".join(_commented_lines())


def _commented_lines() -> Iterator[str]:
    open_sections: list[str] = []
    for setting in fields.table().values():
        *sections, last = setting.key.split(".")
        while open_sections != sections[: len(open_sections)]:
            open_sections.pop()
        for depth in range(len(open_sections), len(sections)):
            open_sections.append(sections[depth])
            yield from _commented_section(".".join(open_sections), depth)
        margin = "  " * len(sections)
        note = f"{setting.help} ({setting.expected})"
        yield "".join(f"{margin}# {line}\n" for line in textwrap.wrap(note, _WIDTH - len(margin)))
        yield f"{margin}# {last}: {files.render(setting.default)}\n"


def _commented_section(name: str, depth: int) -> Iterator[str]:
    margin = "  " * depth
    yield f"\n{margin}# {fields.sections()[name]}\n{margin}{name.rpartition('.')[2]}:\n"
