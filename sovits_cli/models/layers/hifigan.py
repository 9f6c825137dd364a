"""The HiFi-GAN stack: frames to a waveform by transposed convolutions, each followed by residual blocks.

Used by the decoder of the acoustic models and as the vocoder of mel spectrograms (Kong et al. 2020); GPT-SoVITS,
module/models.py, `Generator`.

Legend: B batch, C channels, F frames, T samples.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

import torch
from torch import Tensor, nn
from torch import channels_last as CHANNELS_LAST
from torch.nn import functional as F

from sovits_cli.models.dimensions import KERNEL, check_vocoder
from sovits_cli.models.layers.weight_norm import WeightNormConv1d, WeightNormConvTranspose1d

SLOPE = 0.1
LAST_SLOPE = 0.01
"""Before the last convolution the official `Generator.forward` gives no slope and gets torch's default."""


@dataclass(frozen=True)
class HifiganConfig:
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

    def __init__(self, config: HifiganConfig) -> None:
        super().__init__()
        channels = config.upsample_initial_channel
        self.branches = len(config.resblock_kernel_sizes)
        self.conv_pre = nn.Conv1d(config.initial_channel, channels, 7, padding=3)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        for rate, kernel in zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True):
            self.ups.append(
                WeightNormConvTranspose1d(channels, channels // 2, kernel, stride=rate, padding=(kernel - rate) // 2)
            )
            channels //= 2
            for size, dilations in zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True):
                self.resblocks.append(ResBlock(channels, size, dilations))
        self.conv_post = nn.Conv1d(channels, 1, 7, padding=3, bias=config.is_bias)

    def synthesize(self, x: Tensor) -> Tensor:
        """Upsample what `conv_pre` gave, (B, C, F), to samples (B, 1, T) in -1..1, T = F times the rates."""
        # one stage, its shapes those of the 48 kHz vocoder's first:
        #                                         ┌─ block, kernel 3 ──┐
        # (B, 512, F) ─ transposed conv, x 10 ────┼─ block, kernel 7 ──┼─ mean ─ (B, 256, 10 F)
        #                                         └─ block, kernel 11 ─┘
        # Each block looks further by dilated convolutions; their mean is the paper's multi-receptive field fusion.
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
        """Transform (B, C, F) -> (B, C, F)."""
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            x = plain(F.leaky_relu_(dilated(F.leaky_relu(x, SLOPE)), SLOPE)).add_(x)
        return x


def dilated_pairs(channels: int, kernel_size: int, dilations: tuple[int, ...]) -> tuple[nn.ModuleList, nn.ModuleList]:
    """Make the convolutions of a residual block: one with each dilation, and as many without; all keep the length.

    A dilated kernel of 3 sees, for dilations 1, 3 and 5 (official):  x x x    x . . x . . x    x . . . . x . . . . x
    """
    dilated = nn.ModuleList(
        WeightNormConv1d(channels, channels, kernel_size, dilation=dilation, padding=dilation * (kernel_size - 1) // 2)
        for dilation in dilations
    )
    plain = nn.ModuleList(
        WeightNormConv1d(channels, channels, kernel_size, padding=(kernel_size - 1) // 2) for _ in dilations
    )
    return dilated, plain


class ChannelsLast(nn.Module):
    """Runs `module`, made of 1-D convolutions and elementwise steps, in channels-last memory; takes the module over.

    1-D convolutions become 2-D ones over (B, C, 1, F): the same numbers, 12 to 32 % faster on a CPU (measured for
    oneDNN with AVX-512 in float32). Only for inference: the parameters change their shape.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        _make_2d(module)
        self.module = module

    def forward(self, *inputs: Tensor) -> Tensor:
        """Call the module on tensors (B, C, F); its result is (B, C', F')."""
        wide = (x[:, :, None].contiguous(memory_format=CHANNELS_LAST) for x in inputs)
        out: Tensor = self.module(*wide)
        return out[:, :, 0]


def _make_2d(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.Conv1d | nn.ConvTranspose1d):
            setattr(module, name, _as_2d(child))
        else:
            _make_2d(child)


def _as_2d(conv: nn.Conv1d | nn.ConvTranspose1d) -> nn.Module:
    kind = nn.ConvTranspose2d if isinstance(conv, nn.ConvTranspose1d) else nn.Conv2d
    wide = kind(
        conv.in_channels,
        conv.out_channels,
        (1, conv.kernel_size[0]),
        stride=(1, conv.stride[0]),
        padding=(0, int(conv.padding[0])),
        dilation=(1, conv.dilation[0]),
        groups=conv.groups,
        device="meta",
    )
    weight = conv.weight.detach()[:, :, None].contiguous(memory_format=CHANNELS_LAST)
    wide.weight = nn.Parameter(weight, requires_grad=False)
    wide.bias = conv.bias
    return wide
