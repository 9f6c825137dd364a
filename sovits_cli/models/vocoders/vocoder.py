"""What every vocoder has in common: a log-mel spectrogram in, a waveform out. Only for inference.

Legend: B batch, M mel bands, F frames, T samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from torch import Tensor, nn

from sovits_cli.errors import ModelError

Shape = TypeVar("Shape")


class Vocoder(nn.Module):
    """(B, M, F) log-mel -> (B, 1, T) samples in -1..1, T = F * `hop`."""

    hop: int

    def __call__(self, mel: Tensor) -> Tensor:
        """Make samples, as `forward` of the kind says."""
        wave: Tensor = super().__call__(mel)
        return wave

    def for_inference(self) -> nn.Module:
        """Take the fastest form that gives the same sound."""
        raise NotImplementedError


def shape_from(defaults: Shape, config: Mapping[str, Any]) -> Shape:
    """Dimensions with the values that a published `config.json` gives; keys that are no dimensions are ignored.

    Raises:
        ModelError: a value is of another kind than its default.
    """
    said = {item.name: config[item.name] for item in fields(defaults) if config.get(item.name) is not None}  # type: ignore[arg-type]
    return replace(defaults, **{key: _cast(key, value, getattr(defaults, key)) for key, value in said.items()})  # type: ignore[type-var]


def _cast(name: str, value: Any, default: Any) -> Any:
    try:
        return _tupled(value) if isinstance(default, tuple) else type(default)(value)
    except (TypeError, ValueError) as error:
        raise ModelError(f"vocoder configuration: `{name}` is {value!r}, expected like {default!r}") from error


def _tupled(value: Any) -> tuple[Any, ...]:
    return tuple(_tupled(item) if isinstance(item, list | tuple) else int(item) for item in value)
