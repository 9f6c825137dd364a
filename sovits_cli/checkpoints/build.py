"""Networks out of their dimensions and weights, without trusting either: nothing large is made unless both agree.

A config is data from a stranger too: one that asks for a billion layers must cost nothing. Knows no particular model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sovits_cli.checkpoints.installed import named_if_pulled
from sovits_cli.checkpoints.report import LoadReport, check, load_into
from sovits_cli.errors import ModelError
from sovits_cli.models.dimensions import DimensionError

N = TypeVar("N", bound=nn.Module)

_RANDOM = (torch.Tensor.normal_, torch.Tensor.uniform_, nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_)
_MAKERS = (torch.empty, torch.zeros, torch.ones, torch.randn, torch.rand)
_SPARE_VALUES, _SPARE_TIMES = 16 << 20, 4
"""A network may make this many values, and so many times those of its file, while it is built."""


def build(
    make: Callable[[], N],
    weight: Mapping[str, Tensor],
    *,
    layers: int,
    source: Path,
    optional: Sequence[str] = (),
) -> tuple[N, LoadReport]:
    """Make a network and load it: float32, on the CPU, in evaluation mode.

    Args:
        make: builds the network from its dimensions.
        weight: tensors of its keys, in any precision.
        layers: how many layers the dimensions ask for.
        source: the file, for messages.
        optional: beginnings of keys that may be missing (fresh values stay) or left over.

    Raises:
        ModelError: weights and dimensions contradict each other.
    """
    with named_if_pulled(source):
        network = unfilled(make, weight, layers=layers, source=source)
        report = check(network, weight, optional=optional, source=source)
        if report.missing:  # their fresh values are wanted
            network = make()
        load_into(network, weight, optional=optional, source=source, replace=not report.missing, fresh=make)
    return network.eval(), report


def unfilled(make: Callable[[], N], weight: Mapping[str, Tensor], *, layers: int, source: Path) -> N:
    """Make a network whose weights are not filled, to compare keys and shapes with, or to give it tensors.

    It may not be larger than the weights account for.
    """
    if layers > len(weight):
        raise ModelError(
            f"{source} is broken: its config asks for {layers} layers, but it holds {len(weight)} tensors",
            hint="use a file from a source you trust",
        )
    budget = _SPARE_VALUES + _SPARE_TIMES * sum(value.numel() for value in weight.values())
    with usable_config(source), _Frugal(budget):
        return make()


@contextmanager
def usable_config(source: Path) -> Iterator[None]:
    """Turn what goes wrong while dimensions become a network into one line about the file."""
    try:
        yield
    except DimensionError as error:
        raise ModelError(f"{source} is broken: {error.message}", hint=f"sovits models inspect {source}") from error
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = (str(error).splitlines() or [repr(error)])[0]
        raise ModelError(
            f"{source} is broken: its config gives no network ({reason})",
            hint=f"sovits models inspect {source}",
        ) from error


class _Frugal(TorchFunctionMode):
    """Lets tensors be made up to a budget of values, and skips filling them at random."""

    def __init__(self, budget: int) -> None:
        super().__init__()
        self._left = budget

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in _RANDOM:
            return args[0] if args else (kwargs or {})["tensor"]
        if func in _MAKERS:
            self._left -= prod(args[0] if isinstance(args[0], Sequence) else args)
            if self._left < 0:
                raise ValueError("it is far larger than its weights")
        return func(*args, **(kwargs or {}))
