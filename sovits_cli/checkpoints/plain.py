"""Configurations out of checkpoints, made plain: dictionaries, lists, text, numbers; of bounded size and depth.

A pickle may hold a list that contains itself, or one shared so often that walking it never ends.
"""

from __future__ import annotations

from pathlib import Path

from sovits_cli.checkpoints.machine import Name
from sovits_cli.errors import ModelError

MAX_VALUES = 10_000
MAX_DEPTH = 16
MAX_CHARACTERS = 1 << 20


def plain(config: object, path: Path) -> dict[str, object]:
    """Copy a configuration read from `path`; tuples become lists, keys become text.

    Raises:
        ModelError: it is no dictionary, too large or too deep, or holds something that is not plain.
    """
    copied = _Copier(path).copy(config, depth=0)
    if not isinstance(copied, dict):
        raise ModelError(f"{path}: its config is a {type(config).__name__}, expected a dictionary")
    return copied


class _Copier:
    """Copies one configuration within a budget."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._left = MAX_VALUES
        self._characters = MAX_CHARACTERS

    def copy(self, value: object, *, depth: int) -> object:
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            raise self._too_large()
        if isinstance(value, dict):
            return {self._text(str(key)): self.copy(item, depth=depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.copy(item, depth=depth + 1) for item in value]
        if isinstance(value, Name):
            return value.name
        if isinstance(value, str):
            return self._text(value)
        if value is None or isinstance(value, bool | float) or whole_number(value) is not None:
            return value
        raise ModelError(f"{self._path}: its config holds a {type(value).__name__}, expected plain values")

    def _text(self, text: str) -> str:
        """Pass a text on; one that is named many times counts each time, as it would be written."""
        self._characters -= len(text)
        if self._characters < 0:
            raise self._too_large()
        return text

    def _too_large(self) -> ModelError:
        return ModelError(
            f"{self._path}: its config is larger than any model needs", hint="use a file from a source you trust"
        )


def whole_number(value: object) -> int | None:
    """A whole number out of a file, or None for anything else, also for one of more than 64 bits."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 64 else None
