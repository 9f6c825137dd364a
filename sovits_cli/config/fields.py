"""Reads the schema as a table: one row per setting, by dotted key. Knows no files and no flags."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from sovits_cli.config.schema import Settings
from sovits_cli.config.values import Section
from sovits_cli.errors import SettingsError

CLOSE = 0.7
"""How alike two names are (0 to 1) when one is taken for a slip of the other."""


@dataclass(frozen=True)
class Setting:
    """One setting.

    Args:
        key: dotted name, "slice.max_sec".
        help: what it does, without range and default.
        default: value when no layer sets another.
        kind: its plain type: bool, int, float, str, Path or tuple.
        choices: the only values allowed, or () for any.
        optional: null is a value.
        expected: what a value must be, in words.
    """

    key: str
    help: str
    default: object
    kind: type
    choices: tuple[str, ...]
    optional: bool
    expected: str


@cache
def table() -> dict[str, Setting]:
    """All settings, in the order of the schema."""
    return {item.key: item for item in _settings(Settings, "")}


@cache
def sections() -> dict[str, str]:
    """Dotted section name -> its one-line description, in the order of the schema."""
    return dict(_sections(Settings, ""))


def setting(key: str, *, where: str = "") -> Setting:
    """Look a key up. Raises SettingsError that names the nearest key; `where` ends its message."""
    if found := table().get(key):
        return found
    raise unknown(key, where=where)


def unknown(key: str, *, where: str = "") -> SettingsError:
    """Make the error for a key that is not in the schema."""
    place = f" ({where})" if where else ""
    if key in sections():
        inside = ", ".join(name for name in table() if name.startswith(f"{key}."))
        return SettingsError(f"{key} is a section, not a setting{place}", hint=f"it holds {inside}")
    return SettingsError(
        f"unknown setting {key}{place}", hint=did_you_mean(key), code="settings.key_unknown", fields={"key": key}
    )


def did_you_mean(key: str) -> str | None:
    """A hint that names the setting nearest to `key`: by its last part, then by its section."""
    section, _, last = key.rpartition(".")
    # the last part counts first: in `training.epochs` it is the section that is wrong, in `slice.max_secs` the name
    near = max(table(), key=lambda name: _likeness(name, section, last))
    if _likeness(near, section, last)[0] >= CLOSE:
        return f"did you mean {near}?"
    near_section = None if section else nearest(key, sections())
    return f"did you mean the section {near_section}?" if near_section else None


def _likeness(name: str, section: str, last: str) -> tuple[float, float]:
    own_section, _, own_last = name.rpartition(".")
    by_last = difflib.SequenceMatcher(None, own_last, last).ratio()
    return by_last, difflib.SequenceMatcher(None, own_section, section).ratio()


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Find the known word most like `word`, None if nothing is close."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=CLOSE)
    return found[0] if found else None


def _settings(section: type[Section], prefix: str) -> Iterable[Setting]:
    for name, info in section.model_fields.items():
        if _is_section(info.annotation):
            yield from _settings(info.annotation, f"{prefix}{name}.")  # type: ignore[arg-type]
        else:
            yield _setting(f"{prefix}{name}", info)


def _sections(section: type[Section], prefix: str) -> Iterable[tuple[str, str]]:
    for name, info in section.model_fields.items():
        if _is_section(info.annotation):
            yield f"{prefix}{name}", (info.annotation.__doc__ or "").strip()
            yield from _sections(info.annotation, f"{prefix}{name}.")  # type: ignore[arg-type]


def _is_section(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _setting(key: str, info: FieldInfo) -> Setting:
    kind, choices, optional = _plain_type(info.annotation)
    expected = _expected(kind, choices, info)
    return Setting(
        key=key,
        help=info.description or "",
        default=info.default,
        kind=kind,
        choices=choices,
        optional=optional,
        expected=expected + (", or null" if optional else ""),
    )


def _expected(kind: type, choices: tuple[str, ...], info: FieldInfo) -> str:
    if choices:
        return f"one of {', '.join(choices)}"
    if any(getattr(item, "pattern", None) for item in info.metadata):
        return info.description or ""  # a pattern says nothing to people; the help of such a field lists the values
    if any(getattr(item, "min_length", None) for item in info.metadata):
        return "a text that is not empty"
    return _WORDS[kind] + _range(info.metadata)


_WORDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Path: "a path",
    tuple: "a list of numbers",
}


def _plain_type(annotation: Any) -> tuple[type, tuple[str, ...], bool]:
    """Reduce an annotation to (plain type, choices, may be null)."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _plain_type(get_args(annotation)[0])
    # `int | Literal["auto"] | None`: the first is what a value usually is, None only says that null is allowed
    if origin in (Union, types.UnionType):
        inner = [part for part in get_args(annotation) if part is not type(None)]
        kind, choices, _ = _plain_type(inner[0])
        return kind, choices, len(inner) < len(get_args(annotation))
    if origin is Literal:
        return str, tuple(str(value) for value in get_args(annotation)), False
    if origin is tuple:
        return tuple, (), False
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return str, tuple(str(member.value) for member in annotation), False
    return annotation, (), False


def _range(metadata: Iterable[object]) -> str:
    """Say the limits of a number in words: ", 1 to 40", ", above 0"."""
    limits = {name: f"{value:,}".replace(",", " ") for name, value in _limits(metadata)}
    match limits:
        case {"ge": low, "le": high}:
            return f", {low} to {high}"
        case {"gt": low, "le": high}:
            return f", above {low} to {high}"
        case {"ge": low, "lt": high}:
            return f", {low} or more, below {high}"
    words = {"ge": "{} or more", "gt": "above {}", "le": "at most {}", "lt": "below {}"}
    return "".join(f", {words[name].format(limit)}" for name, limit in limits.items())


def _limits(metadata: Iterable[object]) -> Iterable[tuple[str, float]]:
    for item in metadata:
        for name in ("ge", "gt", "le", "lt"):
            if (value := getattr(item, name, None)) is not None:
                yield name, value
