"""The HiFi-GAN generator inside the official acoustic models: latent frames to a waveform (Kong et al. 2020).

Legend: B batch, Z latent width, F frames, C channels, T samples, G width of the style vector.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits_cli.models.layers.channels_last import ChannelsLast
from sovits_cli.models.layers.weight_norm import WeightNormConv1d, WeightNormConvTranspose1d
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.decoder import Decoder

SLOPE = 0.1
LAST_SLOPE = 0.01
"""Before the last convolution the official code falls back to the framework's default slope."""


class Generator(Decoder):
    """Upsampling stages, each followed by the mean of some residual blocks.

    Nothing but the convolutions depends on the number of axes, which `ChannelsLast` makes use of.
    """

    def __init__(self, config: SovitsConfig) -> None:
        super().__init__()
        channels = config.upsample_initial_channel
        self.branches = len(config.resblock_kernel_sizes)
        self.conv_pre = nn.Conv1d(config.inter_channels, channels, 7, padding=3)
        self.cond = nn.Conv1d(config.gin_channels, channels, 1)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        for rate, kernel in zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True):
            self.ups.append(
                WeightNormConvTranspose1d(channels, channels // 2, kernel, stride=rate, padding=(kernel - rate) // 2)
            )
            channels //= 2
            for size, dilations in zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True):
                self.resblocks.append(ResBlock(channels, size, dilations))
        self.conv_post = nn.Conv1d(channels, 1, 7, padding=3, bias=False)

    def forward(self, z: Tensor, ge: Tensor) -> Tensor:
        """Decode latents (B, Z, F) to samples in -1..1."""
        x = self.conv_pre(z) + self.cond(ge)
        for stage, upsample in enumerate(self.ups):
            x = upsample(F.leaky_relu(x, SLOPE))
            first, *others = self.resblocks[stage * self.branches : (stage + 1) * self.branches]
            total = first(x)
            for block in others:
                total += block(x)
            x = total / self.branches
        return torch.tanh(self.conv_post(F.leaky_relu(x, LAST_SLOPE)))

    def for_inference(self) -> nn.Module:
        """Channels-last on a CPU, where it was measured to pay."""
        return ChannelsLast(self) if self.conv_pre.weight.device.type == "cpu" else self


class ResBlock(nn.Module):
    """Pairs of convolutions, the first of each pair dilated, each pair added to its input: keeps the shape."""

    def __init__(self, channels: int, kernel_size: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(
            WeightNormConv1d(
                channels, channels, kernel_size, dilation=dilation, padding=dilation * (kernel_size - 1) // 2
            )
            for dilation in dilations
        )
        self.convs2 = nn.ModuleList(
            WeightNormConv1d(channels, channels, kernel_size, padding=(kernel_size - 1) // 2) for _ in dilations
        )

    def forward(self, x: Tensor) -> Tensor:
        """Transform (B, C, T)."""
        for dilated, plain in zip(self.convs1, self.convs2, strict=True):
            x = plain(F.leaky_relu_(dilated(F.leaky_relu(x, SLOPE)), SLOPE)).add_(x)
        return x
