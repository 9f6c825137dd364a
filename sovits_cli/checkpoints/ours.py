"""Our own model files: safetensors, with one JSON object beside the tensors (kind, version, config, ...).

Knows nothing of what the tensors are for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from safetensors.torch import save as serialised
from torch import Tensor

from sovits_cli.errors import ModelError
from sovits_cli.files import atomic

METADATA_KEY = "sovits"
"""Safetensors metadata maps text to text; ours is JSON under this key."""


def save(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> None:
    """Write tensors (as they are, on the CPU) and plain metadata; the file appears whole or not at all."""
    held = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    body = serialised(held, {METADATA_KEY: json.dumps(dict(metadata), ensure_ascii=False)})
    with atomic(path) as temporary:
        temporary.write_bytes(body)


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read a safetensors file: tensors on the CPU, and our metadata (empty where another program wrote the file).

    Raises:
        ModelError: missing, damaged, or metadata that is no JSON object.
    """
    with _translated(path):
        return load_file(path), metadata(path)


def metadata(path: Path) -> dict[str, Any]:
    """Read only the metadata of a safetensors file."""
    with _translated(path), safe_open(path, framework="pt") as file:
        raw = (file.metadata() or {}).get(METADATA_KEY, "{}")
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is broken: its metadata is no JSON", hint="fetch or copy the file again") from error
    if not isinstance(found, dict):
        raise ModelError(f"{path} is broken: its metadata is no JSON object", hint="fetch or copy the file again")
    return found


class _translated:  # noqa: N801  reads as a verb where it is used
    """Turns the errors of the safetensors library into ours."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        if not self._path.is_file():
            raise ModelError(f"{self._path} does not exist: expected a model file", hint="sovits models list")

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, SafetensorError | OSError):
            raise ModelError(
                f"{self._path} is no readable safetensors file: {error}", hint="fetch or copy the file again"
            ) from error
