"""The gated residual convolution stack of WaveNet (van den Oord et al. 2016), conditioned on a style.

GPT-SoVITS, module/modules.py, `WN`, and its key names.

Legend: B batch, C channels, F frames, G width of the style vector.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sovits_cli.models.layers.weight_norm import WeightNormConv1d

KERNEL = 5
"""Kernel of every gated convolution; the official models never set another, nor a dilation."""


class WaveNet(nn.Module):
    """(B, C, F) and a style (B, G, 1) -> (B, C, F), the sum of the layers' skip outputs."""

    def __init__(self, channels: int, layers: int, style_channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.cond_layer = WeightNormConv1d(style_channels, 2 * channels * layers, 1)
        self.in_layers = nn.ModuleList(
            WeightNormConv1d(channels, 2 * channels, KERNEL, padding=KERNEL // 2) for _ in range(layers)
        )
        self.res_skip_layers = nn.ModuleList(
            WeightNormConv1d(channels, 2 * channels if layer < layers - 1 else channels, 1) for layer in range(layers)
        )

    def forward(self, x: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        """Transform (B, C, F) with `style` (B, G, 1): (B, C, F); `mask` is (B, 1, F), 1 where a frame counts."""
        skip = torch.zeros_like(x)
        styles = self.cond_layer(style).split(2 * self.channels, dim=1)  # one for each layer
        # x ────┬─ conv 5 ─(+ style)─┬─ tanh ────┐
        #       │                    └─ sigmoid ─┴─ * ─ conv 1 ─┬───── residual
        #       └──────────────────────────── + ◄───────────────┤
        #                                     ▼                 └───── skip ─► summed over layers: the result
        #                                     x of the next layer
        for layer, (conv, mix) in enumerate(zip(self.in_layers, self.res_skip_layers, strict=True)):
            signal, gate = (conv(x) + styles[layer]).chunk(2, dim=1)
            mixed = mix(signal.tanh() * gate.sigmoid())
            if layer < len(self.in_layers) - 1:
                residual, mixed = mixed.chunk(2, dim=1)
                x = (x + residual) * mask
            skip = skip + mixed
        return skip * mask
