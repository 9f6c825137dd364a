"""The gated residual convolution stack of WaveNet, conditioned on one vector per row; official key names."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sovits_cli.models.layers.weight_norm import WeightNormConv1d

KERNEL = 5
"""Kernel of every gated convolution; the official models never set another, nor a dilation."""


class GatedStack(nn.Module):
    """(B, C, F) and a condition (B, G, 1) -> (B, C, F), the sum of the layers' skip outputs."""

    def __init__(self, channels: int, layers: int, condition_channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.cond_layer = WeightNormConv1d(condition_channels, 2 * channels * layers, 1)
        self.in_layers = nn.ModuleList(
            WeightNormConv1d(channels, 2 * channels, KERNEL, padding=KERNEL // 2) for _ in range(layers)
        )
        self.res_skip_layers = nn.ModuleList(
            WeightNormConv1d(channels, 2 * channels if layer < layers - 1 else channels, 1) for layer in range(layers)
        )

    def forward(self, x: Tensor, places: Tensor, condition: Tensor) -> Tensor:
        """Transform (B, C, F); `places` is (B, 1, F), 1 where kept."""
        skip = torch.zeros_like(x)
        conditions = self.cond_layer(condition).split(2 * self.channels, dim=1)
        for layer, (gate, mix) in enumerate(zip(self.in_layers, self.res_skip_layers, strict=True)):
            signal, valve = (gate(x) + conditions[layer]).chunk(2, dim=1)
            mixed = mix(signal.tanh() * valve.sigmoid())
            if layer < len(self.in_layers) - 1:
                residual, mixed = mixed.chunk(2, dim=1)
                x = (x + residual) * places
            skip = skip + mixed
        return skip * places
