"""Feature tensors as the official program stores them: one plain tensor a file, written whole or not at all.

Knows nothing of what the numbers mean. Loading never runs code (torch's `weights_only`).
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import torch
from torch import Tensor

from sovits_cli.errors import DatasetError
from sovits_cli.files import atomic


def save(path: Path, tensor: Tensor) -> None:
    """Store a tensor on its own. The same tensor gives the same bytes."""
    buffer = io.BytesIO()
    torch.save(tensor.detach().cpu().contiguous(), buffer)
    with atomic(path) as place:
        place.write_bytes(buffer.getvalue())


def load(path: Path) -> Tensor:
    """Read a tensor, without gradient. Raises DatasetError: missing, broken, or something else than a tensor."""
    return _load(path, mapped=False)


def shape(path: Path) -> tuple[int, ...]:
    """Shape of a stored tensor, without reading its numbers. Raises DatasetError as `load` does."""
    return tuple(_load(path, mapped=True).shape)


def _load(path: Path, *, mapped: bool) -> Tensor:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except FileNotFoundError as error:
        raise DatasetError(f"{path} is missing", hint="run prep again") from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        if mapped:  # files of old torch versions cannot be mapped
            return _load(path, mapped=False)
        raise DatasetError(f"{path} is no feature file", hint=f"delete {path} and run prep again") from error
    if not isinstance(found, Tensor):
        raise DatasetError(
            f"{path} holds a {type(found).__name__}, expected a tensor", hint=f"delete {path} and run prep again"
        )
    return found.detach()
