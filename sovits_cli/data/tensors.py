"""Feature tensors as the official program stores them: one plain tensor a file, written whole or not at all.

Knows nothing of what the numbers mean. Loading never runs code (`checkpoints/safe.py`).
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from sovits_cli.checkpoints import torch_io
from sovits_cli.checkpoints.safe import load_pickle
from sovits_cli.errors import DatasetError, ModelError


def save(path: Path, tensor: Tensor) -> None:
    """Store a tensor on its own. The same tensor gives the same bytes."""
    torch_io.save(path, tensor.detach().cpu().contiguous())


def load(path: Path) -> Tensor:
    """Read a tensor, without gradient.

    Raises:
        DatasetError: missing, broken, something else than a tensor, or with values that are no numbers, which would
            spoil a training step without saying whose they are.
    """
    found = _mapped(path).clone()
    if found.is_floating_point() and not bool(found.isfinite().all()):
        raise DatasetError(
            f"{path.parent.name}/{path.name} holds values that are no numbers (NaN, infinity)",
            hint=f"delete {path} and run prep again",
        )
    return found


def shape(path: Path) -> tuple[int, ...]:
    """Shape of a stored tensor, without reading its numbers. Raises DatasetError as `load` does."""
    return tuple(_mapped(path).shape)


def _mapped(path: Path) -> Tensor:
    """A view of the file's bytes, which are read when used."""
    if not path.is_file():
        raise DatasetError(f"{path} is missing", hint="run prep again")
    try:
        found = load_pickle(path)
    except ModelError as error:
        raise DatasetError(f"{path} is no feature file", hint=f"delete {path} and run prep again") from error
    if not isinstance(found, Tensor):
        raise DatasetError(
            f"{path} holds a {type(found).__name__}, expected a tensor", hint=f"delete {path} and run prep again"
        )
    return found
