"""Configurations out of checkpoints, made plain: dictionaries, lists, text, numbers; of bounded size and depth.

A pickle may hold a list that contains itself, or one shared so often that walking it never ends.
"""

from __future__ import annotations

from pathlib import Path

from sovits_cli.checkpoints.machine import Name
from sovits_cli.errors import ModelError

MAX_VALUES = 10_000
MAX_DEPTH = 16


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

    def copy(self, value: object, *, depth: int) -> object:
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            raise ModelError(
                f"{self._path}: its config is larger than any model needs", hint="use a file from a source you trust"
            )
        if isinstance(value, dict):
            return {str(key): self.copy(item, depth=depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.copy(item, depth=depth + 1) for item in value]
        if isinstance(value, Name):
            return value.name
        if value is None or isinstance(value, bool | float | str) or self._is_number(value):
            return value
        raise ModelError(f"{self._path}: its config holds a {type(value).__name__}, expected plain values")

    @staticmethod
    def _is_number(value: object) -> bool:
        return isinstance(value, int) and value.bit_length() <= 64
