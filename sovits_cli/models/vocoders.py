"""Vocoders of the flow-matching models: log-mel spectrograms to waveforms; and the table of their kinds.

    BigVGAN v2, v3      24 kHz, 256 samples a frame      published weights keep weight norm, folded on loading
    HiFi-GAN,   v4      48 kHz, 480 samples a frame      published weights are folded

Only for inference. Legend: B batch, M mel bands, F frames, T samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from typing import Any, TypeVar

from torch import Tensor, nn

from sovits_cli.models.bigvgan import Bigvgan, BigvganConfig, refuse_unbuilt
from sovits_cli.models.dimensions import read_fields
from sovits_cli.models.layers.hifigan import ChannelsLast, Hifigan, HifiganConfig
from sovits_cli.models.layers.weight_norm import fold_weight_norm
from sovits_cli.versions import VocoderKind

PUBLISHED_HIFIGAN = HifiganConfig(
    initial_channel=100,
    upsample_rates=(10, 6, 2, 2, 2),
    upsample_kernel_sizes=(20, 12, 4, 4, 4),
    upsample_initial_channel=512,
    is_bias=True,
)
"""Of the published file, which holds no configuration."""

_Config = TypeVar("_Config")


class Vocoder(nn.Module):
    """(B, M, F) log-mel -> (B, 1, T) samples in -1..1, T = F * `hop`."""

    hop: int

    def __call__(self, mel: Tensor) -> Tensor:
        """Make samples (B, 1, T) of `mel` (B, M, F), see `forward` of the kind."""
        wave: Tensor = super().__call__(mel)
        return wave

    def for_inference(self) -> nn.Module:
        """Take the fastest form that gives the same sound."""
        raise NotImplementedError


class BigvganVocoder(Bigvgan, Vocoder):
    """BigVGAN as published: the network is in `bigvgan.py`."""

    def __init__(self, config: BigvganConfig | None = None) -> None:
        config = config or BigvganConfig()
        super().__init__(config)
        self.hop = prod(config.upsample_rates)

    def for_inference(self) -> nn.Module:
        """Fold weight norm."""
        fold_weight_norm(self)
        return self


class HifiganVocoder(Hifigan, Vocoder):
    """The HiFi-GAN stack with plain convolutions and no style."""

    def __init__(self, config: HifiganConfig = PUBLISHED_HIFIGAN) -> None:
        super().__init__(config)
        self.hop = config.hop
        fold_weight_norm(self)

    def forward(self, mel: Tensor) -> Tensor:
        """Make samples (B, 1, T) of a log-mel spectrogram (B, M, F)."""
        return self.synthesize(self.conv_pre(mel))

    def for_inference(self) -> nn.Module:
        """Channels-last on a CPU, where it was measured to pay."""
        return ChannelsLast(self) if self.conv_pre.weight.device.type == "cpu" else self


def config_from(defaults: _Config, values: Mapping[str, Any]) -> _Config:
    """Dimensions with the values that a published `config.json` gives; keys that are no dimensions are ignored.

    Raises:
        DimensionError: a value is of another type, or out of its range.
    """
    return replace(defaults, **read_fields(type(defaults), values))  # type: ignore[type-var]


def _bigvgan(values: Mapping[str, Any]) -> Vocoder:
    refuse_unbuilt(values)
    return BigvganVocoder(config_from(BigvganConfig(), values))


def _hifigan(values: Mapping[str, Any]) -> Vocoder:
    return HifiganVocoder(config_from(PUBLISHED_HIFIGAN, values))


VOCODERS: dict[VocoderKind, Callable[[Mapping[str, Any]], Vocoder]] = {
    VocoderKind.BIGVGAN: _bigvgan,
    VocoderKind.HIFIGAN: _hifigan,
}
"""Each makes the network that a configuration asks for (empty: the published one). Raises ModelError."""
