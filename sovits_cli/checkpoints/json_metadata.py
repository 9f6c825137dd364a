"""Configurations out of model files, made plain: dictionaries, lists, text, numbers; of bounded size and depth.

A pickle may hold a list that contains itself, or one shared so often that walking it never ends.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sovits_cli.checkpoints.bundle import naming_pulled_model
from sovits_cli.checkpoints.regular_files import read_text_file
from sovits_cli.checkpoints.restricted_unpickler import GlobalName
from sovits_cli.errors import ModelError
from sovits_cli.files import parse_json

MAX_CONFIG_VALUES = 10_000
MAX_CONFIG_DEPTH = 16
MAX_CONFIG_CHARACTERS = 1 << 20


def plain_config(config: object, path: Path) -> dict[str, object]:
    """Copy a configuration read from `path`; tuples become lists, keys become text.

    Raises:
        ModelError: it is no dictionary, too large or too deep, or holds something that is not plain.
    """
    copied = _Copier(path).copy(config, depth=0)
    if not isinstance(copied, dict):
        raise ModelError(f"{path}: its config is a {type(config).__name__}, expected a dictionary")
    return copied


# A pickle can say in 9 bytes what takes for ever to walk, by naming a list twice in a list, that one twice, and so on:
#
#   l0 = []   l1 = [l0, l0]   l2 = [l1, l1]   ...   l60: 2^60 empty lists
#
# so every visit counts, also of what was visited before.
class _Copier:
    """Copies one configuration within a budget."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._left = MAX_CONFIG_VALUES
        self._characters = MAX_CONFIG_CHARACTERS

    def copy(self, value: object, *, depth: int) -> object:
        self._left -= 1
        if self._left < 0 or depth > MAX_CONFIG_DEPTH:
            raise self._too_large()
        if isinstance(value, dict):
            return {self._text(str(key)): self.copy(item, depth=depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.copy(item, depth=depth + 1) for item in value]
        if isinstance(value, GlobalName):
            return value.name
        if isinstance(value, str):
            return self._text(value)
        if value is None or isinstance(value, bool | float) or small_int(value) is not None:
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


def small_int(value: object) -> int | None:
    """A whole number out of a file, or None for anything else, also for one of more than 64 bits."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 64 else None


MAX_JSON_BYTES = 16 << 20
"""A configuration takes 1 kB, the vocabulary of 21 000 words 0.4 MB."""


def read_json_object(path: Path, *, max_bytes: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        ModelError: it is missing, too large, no JSON, or no object; a pulled file is named by its model.
    """
    with naming_pulled_model(path):
        try:
            found = parse_json(read_text_file(path, "a JSON file", max_bytes=max_bytes))
        except ValueError as error:
            raise ModelError(f"{path} cannot be read: {error}", hint=f"mend or remove {path.parent}") from error
        if not isinstance(found, dict):
            raise ModelError(f"{path} is no JSON object", hint=f"mend or remove {path.parent}")
        return found
