"""What every vocoder has in common: a log-mel spectrogram in, a waveform out. Only for inference.

Legend: B batch, M mel bands, F frames, T samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from torch import Tensor, nn

from sovits_cli.models.dimensions import taken

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
        DimensionError: a value is of another type, or out of its range.
    """
    return replace(defaults, **taken(type(defaults), config))  # type: ignore[type-var]
