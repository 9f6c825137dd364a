"""Vocoders of the flow-matching models: log-mel spectrograms to waveforms; and the table of their kinds.

    BigVGAN v2, v3      24 kHz, 256 samples a frame      published weights keep weight norm, folded on loading
    HiFi-GAN,   v4      48 kHz, 480 samples a frame      published weights are folded

Only for inference. Keys are those of the published checkpoints. Other variants of BigVGAN (Snake, linear scale, "2"
residual blocks) are not built. Knows no file. Legend: B batch, C channels, M mel bands, F frames, T samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits_cli.errors import ModelError
from sovits_cli.models.dimensions import KERNEL, check_vocoder, read_fields
from sovits_cli.models.layers.hifigan import ChannelsLast, Hifigan, HifiganConfig, dilated_pairs
from sovits_cli.models.layers.weight_norm import WeightNormConv1d, WeightNormConvTranspose1d, fold_weight_norm
from sovits_cli.versions import VocoderKind

# BigVGAN (Lee et al. 2023): the stages of HiFi-GAN (`layers/hifigan.py`) with other residual blocks and no activation
# before upsampling. Its activations are periodic, and computed at twice the rate.
TAPS = 12
"""Length of the low-pass filter around each activation."""

CUTOFF, KAISER_BETA = 0.25, 4.663800127934911
"""Of that filter: cut-off in cycles per sample, and the window for a transition of 0.3 and 51 dB:
A = 2.285 (TAPS / 2 - 1) pi 1.2 + 7.95 = 51.02 dB, beta = 0.1102 (A - 8.7) (Kaiser's formulas)."""

DIVISION_EPS = 1e-9

BIGVGAN_ONLY: dict[str, object] = {"resblock": "1", "activation": "snakebeta", "snake_logscale": True}
"""Configuration keys with one value that is built."""


@dataclass(frozen=True)
class BigvganConfig:
    """Dimensions; names and defaults as in the published configuration."""

    num_mels: int = 100
    upsample_rates: tuple[int, ...] = field(default=(4, 4, 2, 2, 2, 2), metadata=KERNEL)
    upsample_kernel_sizes: tuple[int, ...] = field(default=(8, 8, 4, 4, 4, 4), metadata=KERNEL)
    upsample_initial_channel: int = 1536
    resblock_kernel_sizes: tuple[int, ...] = field(default=(3, 7, 11), metadata=KERNEL)
    resblock_dilation_sizes: tuple[tuple[int, ...], ...] = field(
        default=((1, 3, 5), (1, 3, 5), (1, 3, 5)), metadata=KERNEL
    )
    use_tanh_at_final: bool = False
    use_bias_at_final: bool = False

    def __post_init__(self) -> None:
        check_vocoder(self)


class Bigvgan(nn.Module):
    """Upsampling stages, each followed by the mean of some residual blocks with anti-aliased activations."""

    def __init__(self, config: BigvganConfig) -> None:
        super().__init__()
        self.ends_in_tanh = config.use_tanh_at_final
        self.branches = len(config.resblock_kernel_sizes)
        channels = config.upsample_initial_channel
        self.conv_pre = WeightNormConv1d(config.num_mels, channels, 7, padding=3)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        for rate, kernel in zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True):
            upsample = WeightNormConvTranspose1d(
                channels, channels // 2, kernel, stride=rate, padding=(kernel - rate) // 2
            )
            self.ups.append(nn.Sequential(upsample))
            channels //= 2
            for size, dilations in zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True):
                self.resblocks.append(AmpBlock(channels, size, dilations))
        self.activation_post = AntiAliased(channels)
        self.conv_post = WeightNormConv1d(channels, 1, 7, padding=3, bias=config.use_bias_at_final)

    def forward(self, mel: Tensor) -> Tensor:
        """Make samples (B, 1, T) of a log-mel spectrogram (B, M, F)."""
        x = self.conv_pre(mel)
        for stage, upsample in enumerate(self.ups):
            x = upsample(x)
            first, *others = self.resblocks[stage * self.branches : (stage + 1) * self.branches]
            total = first(x)
            for block in others:
                total += block(x)
            x = total / self.branches
        wave: Tensor = self.conv_post(self.activation_post(x))
        return wave.tanh() if self.ends_in_tanh else wave.clamp(-1.0, 1.0)


class AmpBlock(nn.Module):
    """Pairs of convolutions, the first of each pair dilated, an activation before each: keeps the shape."""

    def __init__(self, channels: int, kernel_size: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1, self.convs2 = dilated_pairs(channels, kernel_size, dilations)
        self.activations = nn.ModuleList(AntiAliased(channels) for _ in range(2 * len(dilations)))

    def forward(self, x: Tensor) -> Tensor:
        """Transform (B, C, T) -> (B, C, T)."""
        for index, (dilated, plain) in enumerate(zip(self.convs1, self.convs2, strict=True)):
            first, second = self.activations[2 * index], self.activations[2 * index + 1]
            x = x + plain(second(dilated(first(x))))
        return x


class AntiAliased(nn.Module):
    """SnakeBeta at twice the rate between two low-pass filters, so that its overtones do not fold back."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.act = SnakeBeta(channels)
        self.upsample = _Upsample()
        self.downsample = _Downsample()

    def forward(self, x: Tensor) -> Tensor:
        """Transform (B, C, T) -> (B, C, T)."""
        # level          x           twice the rate        after the activation       low-passed and halved
        #   │  ▆▆▆▆▆▅▃           ▆▆▆▆▆▅▃                 ▆▆▆▆▆▅▅▄▃▃▂▂▁             ▆▆▆▆▆▅▅
        #   └──────────┤         ──────────┼─────────┤   ──────────┼─────────┤     ──────────┤
        #     frequency    f/2             f/2       f   overtones above f/2       they are cut, and
        #                                                have room                 not mirrored below f/2
        out: Tensor = self.downsample(self.act(self.upsample(x)))
        return out


class SnakeBeta(nn.Module):
    """x + sin(a x)^2 / b (Ziyin et al. 2020, Snake, where b is a): what is periodic stays so, what grows too.

    a, the frequency, and b, the inverse height, are learned for each channel and kept as logarithms.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Activate (B, C, T) -> (B, C, T)."""
        a, b = self.alpha.exp()[:, None], self.beta.exp()[:, None]
        return x + (x * a).sin().square() / (b + DIVISION_EPS)


class _Upsample(nn.Module):
    """Twice the samples, channel by channel: (B, C, T) -> (B, C, 2 T).

    A transposed convolution of stride 2 puts a zero between samples and low-passes; a factor of 2 makes up for them.
    """

    filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filter", lowpass_filter())

    def forward(self, x: Tensor) -> Tensor:
        channels, side = x.shape[1], TAPS // 2 - 1
        padded = F.pad(x, (side, side), mode="replicate")
        doubled = F.conv_transpose1d(padded, 2 * self.filter.expand(channels, 1, TAPS), stride=2, groups=channels)
        return doubled[..., 3 * side : -3 * side]


class _Downsample(nn.Module):
    """Half the samples: (B, C, T) -> (B, C, T / 2). The nesting only serves the official key names."""

    def __init__(self) -> None:
        super().__init__()
        self.lowpass = _Lowpass()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.lowpass(x)
        return out


class _Lowpass(nn.Module):
    """The filter, at every other sample only: (B, C, T) -> (B, C, T / 2)."""

    filter: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filter", lowpass_filter())

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        padded = F.pad(x, (TAPS // 2 - 1, TAPS // 2), mode="replicate")
        return F.conv1d(padded, self.filter.expand(channels, 1, TAPS), stride=2, groups=channels)


def lowpass_filter() -> Tensor:
    """The filter (1, 1, `TAPS`): a sinc in a Kaiser window, of sum 1."""
    offsets = np.arange(TAPS) - TAPS / 2 + 0.5
    taps = np.sinc(2 * CUTOFF * offsets) * np.kaiser(TAPS, KAISER_BETA)
    return torch.from_numpy((taps / taps.sum()).astype(np.float32)).view(1, 1, TAPS)


def refuse_unbuilt(config: Mapping[str, Any]) -> None:
    """Raise ModelError for variants of BigVGAN that are not built."""
    for key, only in BIGVGAN_ONLY.items():
        if config.get(key, only) != only:
            raise ModelError(
                f"vocoder configuration: `{key}` is {config[key]!r}, only {only!r} is built",
                code="model.bigvgan_kind",
            )


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
