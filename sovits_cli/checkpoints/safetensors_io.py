"""Our own model files: safetensors, with one JSON object beside the tensors (kind, version, config, ...).

And what such an object, or the configuration in a torch file, may hold: plain values of bounded size and depth.
Knows nothing of what the tensors are for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialised
from torch import Tensor

from sovits_cli.checkpoints.restricted_unpickler import GlobalName, printable
from sovits_cli.checkpoints.zip_archive import MAX_ENTRIES
from sovits_cli.errors import ModelError
from sovits_cli.files import atomic, open_regular_file, parse_json

#   8 bytes N | N bytes of JSON: {key: {dtype, shape, data_offsets}, ..., "__metadata__": {text: text}} | tensors
#
# Nothing in it can run. The header is bounded before the library reads it, our metadata before it is parsed.
METADATA_KEY = "sovits"
"""Safetensors metadata maps text to text; ours is JSON under this key."""

MAX_HEADER_BYTES = 16 << 20
"""The header says names, types and shapes; that of a model with 3000 tensors takes 0.3 MB."""

MAX_METADATA_CHARACTERS = 1 << 20

_LENGTH_BYTES = 8
"""The file begins with the length of its header."""

MAX_CONFIG_VALUES = 10_000

MAX_CONFIG_DEPTH = 16

MAX_CONFIG_CHARACTERS = 1 << 20


def save_safetensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write tensors (as they are, on the CPU) and plain metadata (`about`); the file appears whole or not at all.

    The format knows no shared memory: tied weights are written under each of their names.
    """
    held = _untied({key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()})
    body = serialised(held, {METADATA_KEY: json.dumps(dict(about), ensure_ascii=False)})
    with atomic(path, follow_links=False) as temporary:
        temporary.write_bytes(body)


def load_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a safetensors file: tensors on the CPU, and our metadata (empty where another program wrote the file).

    Raises:
        ModelError: missing, damaged, or metadata that is no JSON object.
    """
    with _opened(path) as file:
        names = file.keys()
        if len(names) > MAX_ENTRIES:
            raise ModelError(
                f"{path} holds {len(names)} tensors: expected at most {MAX_ENTRIES}", hint="name a model file"
            )
        return {name: file.get_tensor(name) for name in names}, _metadata(path, file)


def read_metadata(path: Path) -> dict[str, Any]:
    """Read only the metadata of a safetensors file."""
    with _opened(path) as file:
        return _metadata(path, file)


def _untied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy the tensors that lie in the memory of one before them."""
    taken: set[int] = set()
    own: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        # Two names of one memory (tied weights) are an error to the library: the second gets a copy.
        memory = tensor.untyped_storage().data_ptr()
        own[key] = tensor.clone() if memory in taken else tensor
        taken.add(memory)
    return own


def _metadata(path: Path, file: Any) -> dict[str, Any]:
    raw = (file.metadata() or {}).get(METADATA_KEY, "{}")
    if len(raw) > MAX_METADATA_CHARACTERS:
        raise ModelError(f"{path} is broken: its metadata has {len(raw)} characters", hint="name a model file")
    try:
        found = parse_json(raw)
    except ValueError as error:
        raise ModelError(f"{path} is broken: its metadata is no JSON", hint="fetch or copy the file again") from error
    if not isinstance(found, dict):
        raise ModelError(f"{path} is broken: its metadata is no JSON object", hint="fetch or copy the file again")
    return found


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file with the safetensors library, whose errors become ours, after a look at what its header claims."""
    with open_regular_file(path, "a model file") as file:
        claimed = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    try:
        if claimed > MAX_HEADER_BYTES:
            raise SafetensorError(f"its header claims {claimed} bytes")
        with safe_open(path, framework="pt") as opened:
            yield opened
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{path} is no readable safetensors file: {printable(str(error))}", hint="fetch or copy the file again"
        ) from error


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
