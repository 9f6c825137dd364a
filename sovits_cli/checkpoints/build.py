"""Networks out of their dimensions and weights, without trusting either: nothing is allocated before both agree.

A config is data from a stranger too: one that asks for a billion layers must cost nothing. Knows no particular model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sovits_cli.checkpoints.report import LoadReport, check, load_into
from sovits_cli.errors import ModelError

N = TypeVar("N", bound=nn.Module)

_RANDOM = (torch.Tensor.normal_, torch.Tensor.uniform_)


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
    network = empty(make, weight, layers=layers, source=source)
    report = check(network, weight, optional=optional, source=source)
    if not report.missing:
        load_into(network, weight, optional=optional, source=source)
    if any(value.is_meta for value in _held(network)):  # it has values of its own that no file gives
        network = make()
        load_into(network, weight, optional=optional, source=source)
    return network.eval(), report


def empty(make: Callable[[], N], weight: Mapping[str, Tensor], *, layers: int, source: Path) -> N:
    """Make a network without memory, to compare its keys and shapes or to give it tensors."""
    if layers > len(weight):
        raise ModelError(
            f"{source} is broken: its config asks for {layers} layers, but it holds {len(weight)} tensors",
            hint="use a file from a source you trust",
        )
    with usable_config(source), torch.device("meta"), _WithoutRandom():
        network = make()
    for module in network.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_meta and buffer.numel() == 0:  # grown on demand
                setattr(module, name, torch.empty_like(buffer, device="cpu"))
    return network


@contextmanager
def usable_config(source: Path) -> Iterator[None]:
    """Turn what goes wrong while dimensions become a network into one line about the file."""
    try:
        yield
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = (str(error).splitlines() or [repr(error)])[0]
        raise ModelError(
            f"{source} is broken: its config gives no network ({reason})",
            hint=f"sovits models inspect {source}",
        ) from error


class _WithoutRandom(TorchFunctionMode):
    """Skips the random filling of weights that are about to be replaced."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        return args[0] if func in _RANDOM else func(*args, **(kwargs or {}))


def _held(network: nn.Module) -> Iterator[Tensor]:
    return chain(network.parameters(), network.buffers())
