"""The HiFi-GAN stack: frames to a waveform by transposed convolutions, each followed by residual blocks.

Used by the decoder of the acoustic models and as the vocoder of mel spectrograms (Kong et al. 2020).
Legend: B batch, C channels, F frames, T samples, G width of a condition.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits_cli.models.dimensions import KERNEL, check_vocoder
from sovits_cli.models.layers.weight_norm import WeightNormConv1d, WeightNormConvTranspose1d

SLOPE = 0.1
LAST_SLOPE = 0.01
"""Before the last convolution the official code falls back to the framework's default slope."""


@dataclass(frozen=True)
class HifiganShape:
    """Dimensions of a stack; names as in official configurations.

    Args:
        initial_channel: channels of the frames.
        upsample_initial_channel: width before the first upsampling, halved by each.
        is_bias: whether the last convolution has a bias.
    """

    initial_channel: int
    upsample_rates: tuple[int, ...] = field(metadata=KERNEL)
    upsample_kernel_sizes: tuple[int, ...] = field(metadata=KERNEL)
    upsample_initial_channel: int
    resblock_kernel_sizes: tuple[int, ...] = field(default=(3, 7, 11), metadata=KERNEL)
    resblock_dilation_sizes: tuple[tuple[int, ...], ...] = field(
        default=((1, 3, 5), (1, 3, 5), (1, 3, 5)), metadata=KERNEL
    )
    is_bias: bool = False

    def __post_init__(self) -> None:
        check_vocoder(self)

    @property
    def hop(self) -> int:
        """Samples per frame."""
        return prod(self.upsample_rates)


class Hifigan(nn.Module):
    """Upsampling stages, each followed by the mean of some residual blocks.

    Nothing but the convolutions depends on the number of axes, which `ChannelsLast` makes use of.
    """

    def __init__(self, shape: HifiganShape) -> None:
        super().__init__()
        channels = shape.upsample_initial_channel
        self.branches = len(shape.resblock_kernel_sizes)
        self.conv_pre = nn.Conv1d(shape.initial_channel, channels, 7, padding=3)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        for rate, kernel in zip(shape.upsample_rates, shape.upsample_kernel_sizes, strict=True):
            self.ups.append(
                WeightNormConvTranspose1d(channels, channels // 2, kernel, stride=rate, padding=(kernel - rate) // 2)
            )
            channels //= 2
            for size, dilations in zip(shape.resblock_kernel_sizes, shape.resblock_dilation_sizes, strict=True):
                self.resblocks.append(ResBlock(channels, size, dilations))
        self.conv_post = nn.Conv1d(channels, 1, 7, padding=3, bias=shape.is_bias)

    def wave_of(self, x: Tensor) -> Tensor:
        """Upsample what `conv_pre` gave, (B, C, F), to samples (B, 1, T) in -1..1."""
        for stage, upsample in enumerate(self.ups):
            x = upsample(F.leaky_relu(x, SLOPE))
            first, *others = self.resblocks[stage * self.branches : (stage + 1) * self.branches]
            total = first(x)
            for block in others:
                total += block(x)
            x = total / self.branches
        return torch.tanh(self.conv_post(F.leaky_relu(x, LAST_SLOPE)))


class ResBlock(nn.Module):
    """Pairs of convolutions, the first of each pair dilated, each pair added to its input: keeps the shape."""

    def __init__(self, channels: int, kernel_size: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1, self.convs2 = dilated_pairs(channels, kernel_size, dilations)

    def forward(self, x: Tensor) -> Tensor:
        """Transform (B, C, T)."""
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            x = plain(F.leaky_relu_(dilated(F.leaky_relu(x, SLOPE)), SLOPE)).add_(x)
        return x


def dilated_pairs(channels: int, kernel_size: int, dilations: tuple[int, ...]) -> tuple[nn.ModuleList, nn.ModuleList]:
    """Make the convolutions of a residual block: one with each dilation, and as many without; all keep the length."""
    dilated = nn.ModuleList(
        WeightNormConv1d(channels, channels, kernel_size, dilation=dilation, padding=dilation * (kernel_size - 1) // 2)
        for dilation in dilations
    )
    plain = nn.ModuleList(
        WeightNormConv1d(channels, channels, kernel_size, padding=(kernel_size - 1) // 2) for _ in dilations
    )
    return dilated, plain
