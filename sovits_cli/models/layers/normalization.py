"""Normalisation over the channels of channel-first tensors, under the official parameter names."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_EPS = 1e-5


class ChannelNorm(nn.Module):
    """Layer norm of every time step over its channels: (B, C, F) -> (B, C, F)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, F) over C."""
        return F.layer_norm(x.transpose(1, 2), self.gamma.shape, self.gamma, self.beta, _EPS).transpose(1, 2)
