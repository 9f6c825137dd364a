"""What weights may be: floating-point numbers, finite, no larger than any training gives, and not zero all over.

A file that was cut, filled up with zeros or read as another type still has the right names and shapes, and gives noise
or NaN instead of speech. Knows no files and no particular networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from sovits_cli.checkpoints.machine import printable
from sovits_cli.errors import ModelError

LARGEST_WEIGHT = 1e6
"""Half precision, which official files have, ends at 65 504. Statistics (buffers) may be larger."""

_BLANK = "holds nothing but zeros"
_HINT = "fetch the file again, or export it again"


def check_types(network: nn.Module, weight: Mapping[str, Tensor], *, source: Path | None) -> None:
    """Refuse whole numbers, truth values and complex numbers where the network has floating-point ones.

    Raises:
        ModelError: naming the first key.
    """
    for key, own in network.state_dict().items():
        value = weight.get(key)
        if value is not None and own.is_floating_point() and not value.is_floating_point():
            raise _unsound(source, key, f"holds {_kind(value)} values, expected floating-point numbers")


def check_values(
    network: nn.Module,
    weight: Mapping[str, Tensor],
    *,
    optional: Sequence[str],
    source: Path | None,
    fresh: Callable[[], nn.Module],
) -> None:
    """Refuse weights that cannot be those of a trained network: one pass over each, half a second for a gigabyte.

    Args:
        weight: tensors by the network's keys; those it does not know are not looked at.
        optional: beginnings of keys whose statistics (buffers) do not matter.
        source: the file, for messages.
        fresh: makes the network with its fresh values, which tell what may be all zero.

    Raises:
        ModelError: naming the first key with NaN, infinite or enormous values, or a matrix of zeros.
    """
    blank = []
    for key, own in network.state_dict(keep_vars=True).items():
        value, is_weight = weight.get(key), isinstance(own, nn.Parameter)
        if value is None or not own.is_floating_point() or (not is_weight and key.startswith(tuple(optional))):
            continue
        if _is_blank(key, value, source, most=LARGEST_WEIGHT if is_weight else math.inf):
            blank.append((key, is_weight))
    if blank:
        _refuse_blank(blank, source, fresh)


def check_tensors(weight: Mapping[str, Tensor], *, source: Path) -> None:
    """Check weights without their network, none of which may be a matrix of zeros. Raises ModelError."""
    for key, value in weight.items():
        if not value.is_floating_point():
            raise _unsound(source, key, f"holds {_kind(value)} values, expected floating-point numbers")
        if _is_blank(key, value, source, most=LARGEST_WEIGHT):
            raise _unsound(source, key, _BLANK)


def _is_blank(key: str, value: Tensor, source: Path | None, *, most: float) -> bool:
    """Whether a tensor is a matrix (or more) of zeros. Raises ModelError for NaN and for values over `most`."""
    largest = _largest(value)
    if not math.isfinite(largest):
        raise _unsound(source, key, "holds values that are no numbers")
    if largest > most:
        raise _unsound(source, key, f"holds values up to {largest:.0e}, expected at most {most:.0e}")
    return largest == 0 and value.ndim > 1 and value.numel() > 0


def _largest(value: Tensor) -> float:
    """The largest magnitude; or, where it is in order, anything from it up to `LARGEST_WEIGHT`; NaN if there is one.

    The root of the sum of squares is no less than any of them, and takes a third of the time.
    """
    flat = value.detach().reshape(-1).float()
    bound = math.sqrt(float(torch.dot(flat, flat)))
    return bound if 0 < bound <= LARGEST_WEIGHT or not flat.numel() else float(flat.abs().max())


def _refuse_blank(blank: Sequence[tuple[str, bool]], source: Path | None, fresh: Callable[[], nn.Module]) -> None:
    """Matrices of zeros are only those that begin so, such as the last layer of a coupling."""
    with torch.random.fork_rng(devices=[]):
        begun = fresh().state_dict()
    for key, is_weight in blank:
        if not is_weight or bool(begun[key].any()):
            raise _unsound(source, key, _BLANK)


def _kind(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _unsound(source: Path | None, key: str, why: str) -> ModelError:
    where = "the weights are" if source is None else f"{source} is"
    return ModelError(f"{where} broken: {printable(key)} {why}", hint=_HINT)
