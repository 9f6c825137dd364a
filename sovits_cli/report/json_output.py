"""Results and errors as JSON for machines. Knows no terminal."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from sovits_cli.errors import SovitsError


def plain(value: object) -> object:
    """Reduce a result (dataclasses, paths, enums, arrays, sets) to what JSON knows.

    A field of a dataclass with the metadata `json=False` stays out.

    Errors: TypeError for anything else, a bug of the caller.
    """
    if value is None or (isinstance(value, bool | int | str) and not isinstance(value, Enum)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None  # JSON has neither NaN nor infinity
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        shown = [item.name for item in dataclasses.fields(value) if item.metadata.get("json", True)]
        return {name: plain(getattr(value, name)) for name in shown}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=str)  # the same in every run
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if callable(to_list := getattr(value, "tolist", None)):  # numpy and torch, neither of which is imported for it
        return plain(to_list())
    raise TypeError(f"{type(value).__name__} has no JSON form")


def dumps(value: object) -> str:
    """One result as one JSON document of one line."""
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False)


def error_object(error: SovitsError, hint: str | None) -> dict[str, object]:
    """An error as the JSON object that takes the place of the result; `hint` is what the terminal shows."""
    return {
        "error": {
            "type": type(error).__name__,
            "code": error.code,
            "fields": error.fields,
            "message": error.message,
            "hint": hint,
            "exit_code": error.exit_code,
        }
    }
