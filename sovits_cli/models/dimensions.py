"""The one place where the numbers of a configuration are checked: each has a type and a range, in every network.

A configuration comes out of a file, and so from a stranger: its values become sizes, loops and divisions. A field of a
dataclass of dimensions has its range where it is defined (`bounds`); without one, a whole number is a `SIZE`.
Knows no network.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Protocol

from sovits_cli.errors import ModelError

SIZE = (1, 1 << 16)
"""Channels, rows of a table, samples of a window."""

MAX_VALUES = 16
"""Length of a list of numbers."""

VOCODER = "vocoder configuration"
"""What a vocoder's dimensions are called in messages."""

_EXACT = 2.0**53
"""Below it a float holds every whole number."""

_INTEGER, _NUMBER, _LIST = "int", "float", "tuple["
_OTHERS = {"str": (str, "a text"), "bool": (bool, "true or false")}
"""Annotations that a field may have."""


class DimensionError(ModelError):
    """Dimensions that make no network. Whoever knows the file they come from adds its name."""

    code = "model.dimensions"


def bounds(low: float, high: float) -> dict[str, Any]:
    """Metadata of a dataclass field: its range, both ends included; in a list, that of each value."""
    return {"bounds": (low, high)}


LAYERS = bounds(1, 256)
DROPOUT = bounds(0, 0.99)
KERNEL = bounds(1, 1024)
RATE_HZ = bounds(8_000, 192_000)
ABSENT_OR_SIZE = bounds(0, SIZE[1])


def read_fields(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Read the values of a dataclass's fields out of a mapping; other keys, and nulls, are ignored.

    Lists become tuples, and a whole number may be written as 3.0; a value of another type is left to `check_fields`.

    Raises:
        DimensionError: it is no mapping.
    """
    if not isinstance(values, Mapping):
        raise DimensionError(f"{reprlib.repr(values)} is no section of a configuration")
    known = {item.name: str(item.type) for item in fields(kind)}
    return {
        name: _plain(values[name], whole=_INTEGER in annotation)
        for name, annotation in known.items()
        if values.get(name) is not None
    }


def check_fields(config: Any, name: str) -> None:
    """Check every field of a dataclass of dimensions.

    Args:
        config: the dataclass.
        name: what it is called in messages.

    Raises:
        DimensionError: naming the field, its value and its range.
    """
    for item in fields(config):
        value = getattr(config, item.name)
        problem = _problem(value, str(item.type), item.metadata.get("bounds"))
        if problem is not None:
            raise DimensionError(f"{name}: `{item.name}` is {reprlib.repr(value)}, expected {problem}")


def check_relations(name: str, relations: Mapping[str, bool]) -> None:
    """Raise DimensionError for the first relation between checked dimensions that does not hold.

    Args:
        name: what the dimensions are called in messages.
        relations: whether each holds, by the sentence for the message if not.
    """
    broken = next((sentence for sentence, holds in relations.items() if not holds), None)
    if broken is not None:
        raise DimensionError(f"{name}: {broken}")


class Upsampled(Protocol):
    """The dimensions of a HiFi-GAN or BigVGAN stack, by their official names."""

    @property
    def upsample_rates(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def upsample_kernel_sizes(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def upsample_initial_channel(self) -> int: ...  # noqa: D102
    @property
    def resblock_kernel_sizes(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def resblock_dilation_sizes(self) -> tuple[tuple[int, ...], ...]: ...  # noqa: D102


def upsampling_relations(config: Upsampled) -> dict[str, bool]:
    """Relations between the dimensions of a HiFi-GAN stack, for `check_relations`.

    A transposed convolution of kernel k, stride r and padding (k - r) / 2 gives r times the frames exactly, if k - r
    is even; each of the stages halves the channels.
    """
    rates, kernels = config.upsample_rates, config.upsample_kernel_sizes
    return {
        "`upsample_rates` and `upsample_kernel_sizes` differ in length": len(rates) == len(kernels),
        "`upsample_kernel_sizes` must be the `upsample_rates` or more by an even number": all(
            kernel >= rate and (kernel - rate) % 2 == 0 for rate, kernel in zip(rates, kernels, strict=False)
        ),
        "`upsample_initial_channel` cannot be halved by each of `upsample_rates`": (
            config.upsample_initial_channel >> len(rates) >= 1
        ),
        "`resblock_kernel_sizes` and `resblock_dilation_sizes` differ in length": (
            len(config.resblock_kernel_sizes) == len(config.resblock_dilation_sizes)
        ),
        "`resblock_kernel_sizes` must be odd": all(kernel % 2 for kernel in config.resblock_kernel_sizes),
    }


def check_vocoder(config: Upsampled) -> None:
    """Check the dimensions of a vocoder, which is such a stack alone. Raises DimensionError."""
    check_fields(config, VOCODER)
    check_relations(VOCODER, upsampling_relations(config))


def _plain(value: Any, *, whole: bool) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_plain(item, whole=whole) for item in value)
    if whole and isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value


def _problem(value: Any, annotation: str, limits: tuple[float, float] | None) -> str | None:
    """What was expected of a value of this annotation; None if it is that."""
    if annotation.startswith(_LIST):
        inner = annotation.removeprefix(_LIST).removesuffix(", ...]")
        max_values = SIZE[1] if inner == "str" else MAX_VALUES
        if not isinstance(value, tuple) or not 1 <= len(value) <= max_values:
            return f"a list of 1 to {max_values} values"
        return next((f"in it {problem}" for item in value if (problem := _problem(item, inner, limits))), None)
    if annotation not in (_INTEGER, _NUMBER):
        kind, words = _OTHERS[annotation]
        return None if isinstance(value, kind) else words
    low, high = limits or SIZE
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and (annotation == _NUMBER or isinstance(value, int)) and low <= value <= high:  # NaN is not
        return None
    return f"a {'whole ' if annotation == _INTEGER else ''}number from {low} to {high}"
