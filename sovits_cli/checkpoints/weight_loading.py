"""Weights into a network: built within bounds, every key accounted for, every value sound.

    file -> config + weight --build_uninitialised--> keys, shapes --check_keys--> values --check_values--> load_weights

Nothing is ever left out in silence, and nothing large is made unless configuration and weights agree. A file that was
cut, filled up with zeros or read as another type still has the right names and shapes, and gives noise or NaN instead
of speech. Knows no particular network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sovits_cli.checkpoints.bundle import naming_pulled_model
from sovits_cli.checkpoints.restricted_unpickler import printable
from sovits_cli.errors import ModelError
from sovits_cli.models.dimensions import DimensionError

_SHOWN = 3
"""Keys named in a message; the rest are counted."""

MAX_WEIGHT = 1e6
"""Half precision, which official files have, ends at 65 504. Statistics (buffers) may be larger."""

_BLANK = "holds nothing but zeros"

_HINT = "fetch the file again, or export it again"

N = TypeVar("N", bound=nn.Module)

_RANDOM = (torch.Tensor.normal_, torch.Tensor.uniform_, nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_)

_FACTORIES = (torch.empty, torch.zeros, torch.ones, torch.randn, torch.rand)

_SPARE_VALUES, _SPARE_TIMES = 16 << 20, 4
"""A network may make this many values, and so many times those of its file, while it is built."""


@dataclass(frozen=True)
class ShapeMismatch:
    """A key whose shape in the file is not the one of the network."""

    key: str
    found: tuple[int, ...]
    expected: tuple[int, ...]

    def __str__(self) -> str:
        return f"{printable(self.key)} {list(self.found)} where {list(self.expected)} was expected"


@dataclass(frozen=True)
class LoadReport:
    """What did not fit: keys the network needs, keys it does not know, keys of another shape."""

    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[ShapeMismatch, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every key of file and network found its partner."""
        return not (self.missing or self.unexpected or self.mismatched)

    def without(self, optional: Sequence[str]) -> LoadReport:
        """Leave out the missing and unexpected keys that start with one of these. Shapes are never optional."""
        prefixes = tuple(optional)
        return LoadReport(
            missing=tuple(key for key in self.missing if not key.startswith(prefixes)),
            unexpected=tuple(key for key in self.unexpected if not key.startswith(prefixes)),
            mismatched=self.mismatched,
        )

    def __str__(self) -> str:
        """One line: `2 missing (a, b), 1 unexpected (c)`."""
        groups = (("missing", self.missing), ("unexpected", self.unexpected), ("of another shape", self.mismatched))
        parts = [f"{len(keys)} {name} ({_listed(keys)})" for name, keys in groups if keys]
        return ", ".join(parts) or "all keys fit"


def compare_keys(module: nn.Module, weight: Mapping[str, Tensor]) -> LoadReport:
    """Compare keys and shapes without loading anything."""
    expected = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in weight.items()}
    return LoadReport(
        missing=tuple(key for key in expected if key not in found),
        unexpected=tuple(key for key in found if key not in expected),
        mismatched=tuple(
            ShapeMismatch(key, found[key], shape)
            for key, shape in expected.items()
            if key in found and found[key] != shape
        ),
    )


def load_weights(
    module: nn.Module,
    weight: Mapping[str, Tensor],
    *,
    optional: Sequence[str] = (),
    source: Path | None = None,
    replace: bool = False,
    fresh: Callable[[], nn.Module] | None = None,
) -> LoadReport:
    """Copy weights into a network, in the network's own precision.

    Args:
        optional: beginnings of keys that may be missing (they keep their values) or left over (they are not used).
        source: the file, for messages.
        replace: the network takes float32 copies in place of its own tensors, which spares filling those first.
        fresh: makes the network with its fresh values; None: those are in it.

    Returns:
        Everything that did not fit, optional keys included.

    Raises:
        ModelError: a key that is not optional is missing or left over, any shape differs, or values are unsound.
    """
    report = check_keys(module, weight, optional=optional, source=source)
    left_over = set(report.unexpected)
    used = {key: value for key, value in weight.items() if key not in left_over}
    check_dtypes(module, used, source=source)
    own = {
        key: value.to(torch.float32 if value.is_floating_point() else value.dtype, copy=replace)
        for key, value in used.items()
    }
    check_values(module, own, optional=optional, source=source, fresh=fresh or (lambda: module))
    module.load_state_dict(own, strict=False, assign=replace)
    return report


def check_keys(
    module: nn.Module,
    weight: Mapping[str, Tensor],
    *,
    optional: Sequence[str] = (),
    source: Path | None = None,
) -> LoadReport:
    """Compare keys and shapes, and raise what `load_weights` would raise of them, without loading.

    Args:
        module: the network.
        weight: tensors by its keys.
        optional: beginnings of keys that may be missing or left over.
        source: the file, for messages.
    """
    report = compare_keys(module, weight)
    problems = report.without(optional)
    if not problems.complete:
        where = "the weights" if source is None else str(source)
        raise ModelError(
            f"{where} does not fit {_article(type(module).__name__)}: {problems}",
            code="model.unfit",
            fields={"path": source or "FILE"},
        )
    return report


def _listed(keys: Sequence[object]) -> str:
    shown = ", ".join(str(key) if isinstance(key, ShapeMismatch) else printable(str(key)) for key in keys[:_SHOWN])
    return shown if len(keys) <= _SHOWN else f"{shown}, …"


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "AEIOU" else f"a {noun}"


def check_dtypes(network: nn.Module, weight: Mapping[str, Tensor], *, source: Path | None) -> None:
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
        if _is_blank(key, value, source, most=MAX_WEIGHT if is_weight else math.inf):
            blank.append((key, is_weight))
    if blank:
        _refuse_blank(blank, source, fresh)


def check_tensors(weight: Mapping[str, Tensor], *, source: Path) -> None:
    """Check weights without their network, none of which may be a matrix of zeros. Raises ModelError."""
    for key, value in weight.items():
        if not value.is_floating_point():
            raise _unsound(source, key, f"holds {_kind(value)} values, expected floating-point numbers")
        if _is_blank(key, value, source, most=MAX_WEIGHT):
            raise _unsound(source, key, _BLANK)


def _is_blank(key: str, value: Tensor, source: Path | None, *, most: float) -> bool:
    """Whether a tensor is a matrix (or more) of zeros. Raises ModelError for NaN and for values over `most`."""
    largest = _largest(value)
    if not math.isfinite(largest):
        raise _unsound(source, key, "holds NaN or infinite values")
    if largest > most:
        raise _unsound(source, key, f"holds values up to {largest:.0e}, expected at most {most:.0e}")
    return largest == 0 and value.ndim > 1 and value.numel() > 0


def _largest(value: Tensor) -> float:
    """The largest magnitude; or, where it is in order, anything from it up to `LARGEST_WEIGHT`; NaN if there is one.

    The root of the sum of squares is no less than any of them, and takes a third of the time.
    """
    # max |x| <= sqrt(sum x^2): where the root, one pass of a dot product, is small enough, no value can be too large.
    # NaN and infinity survive the sum; a sum that overflows, or is zero by underflow, is looked at exactly.
    flat = value.detach().reshape(-1).float()
    bound = math.sqrt(float(torch.dot(flat, flat)))
    return bound if 0 < bound <= MAX_WEIGHT or not flat.numel() else float(flat.abs().max())


def _refuse_blank(blank: Sequence[tuple[str, bool]], source: Path | None, fresh: Callable[[], nn.Module]) -> None:
    """Matrices of zeros are only those that begin so, such as the last layer of a coupling."""
    with torch.random.fork_rng(devices=[]):
        # Some layers begin as zeros (the last of a coupling, so that it starts as the identity): those may stay so.
        begun = fresh().state_dict()
    for key, is_weight in blank:
        if not is_weight or bool(begun[key].any()):
            raise _unsound(source, key, _BLANK)


def _kind(value: Tensor) -> str:
    return str(value.dtype).removeprefix("torch.")


def _unsound(source: Path | None, key: str, why: str) -> ModelError:
    where = "the weights are" if source is None else f"{source} is"
    return ModelError(f"{where} broken: {printable(key)} {why}", hint=_HINT)


def build_network(
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
    with naming_pulled_model(source):
        network = build_uninitialised(make, weight, layers=layers, source=source)
        report = check_keys(network, weight, optional=optional, source=source)
        if report.missing:  # their fresh values are wanted
            network = make()
        load_weights(network, weight, optional=optional, source=source, replace=not report.missing, fresh=make)
    return network.eval(), report


def build_uninitialised(make: Callable[[], N], weight: Mapping[str, Tensor], *, layers: int, source: Path) -> N:
    """Make a network whose weights are not filled, to compare keys and shapes with, or to give it tensors.

    It may not be larger than the weights account for.

    Args:
        make: builds the network from its dimensions.
        weight: tensors of its keys.
        layers: how many layers the dimensions ask for.
        source: the file, for messages.
    """
    if layers > len(weight):
        raise ModelError(
            f"{source} is broken: its config asks for {layers} layers, but it holds {len(weight)} tensors",
            hint="use a file from a source you trust",
        )
    # A config of a few bytes may ask for a billion layers. Layers are counted against the tensors in the file, and
    # values against the values there: whoever wants a large network has to bring its weights.
    budget = _SPARE_VALUES + _SPARE_TIMES * sum(value.numel() for value in weight.values())
    with config_errors(source), _AllocationLimit(budget):
        return make()


@contextmanager
def config_errors(source: Path) -> Iterator[None]:
    """Turn what goes wrong while dimensions become a network into one line about the file."""
    try:
        yield
    except DimensionError as error:
        raise ModelError(f"{source} is broken: {error.message}", code="model.unfit", fields={"path": source}) from error
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = (str(error).splitlines() or [repr(error)])[0]
        raise ModelError(
            f"{source} is broken: its config gives no network ({reason})",
            code="model.unfit",
            fields={"path": source},
        ) from error


class _AllocationLimit(TorchFunctionMode):
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
        # Filling 300 million values at random takes longer than reading them, and they are replaced anyway.
        if func in _RANDOM:
            return args[0] if args else (kwargs or {})["tensor"]
        if func in _FACTORIES:
            self._left -= prod(args[0] if isinstance(args[0], Sequence) else args)
            if self._left < 0:
                raise ValueError("it is far larger than its weights")
        return func(*args, **(kwargs or {}))
