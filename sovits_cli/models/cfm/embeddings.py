"""What goes into the diffusion transformer: the moment of the flow, positions, the condition and the frames.

Legend: B batch, F mel frames, M mel bands, U width of the condition, D width of the transformer.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WAVES = 128
"""Sines and as many cosines that describe a moment."""

MOMENT_SCALE = 1000.0
BASE = 10_000.0
LAST_POSITION = 4095
"""Frames further on are conditioned as if they were here (official)."""

POSITION_KERNEL, POSITION_GROUPS = 31, 16
NORM_EPS = 1e-6


class MomentEmbedding(nn.Module):
    """A number between 0 and 1 per row, a time or a step size: (B,) -> (B, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.time_mlp = nn.Sequential(nn.Linear(2 * WAVES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, moment: Tensor) -> Tensor:
        """Embed."""
        waves = torch.exp(torch.arange(WAVES, device=moment.device) * (-math.log(BASE) / (WAVES - 1)))
        angles = MOMENT_SCALE * moment.float()[:, None] * waves
        out: Tensor = self.time_mlp(torch.cat([angles.sin(), angles.cos()], dim=-1))
        return out


class ConditionEmbedding(nn.Module):
    """The condition with its positions, through some convolutional blocks: (B, U, F) -> (B, F, U)."""

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.text_blocks = nn.ModuleList(ConvNextBlock(channels) for _ in range(layers))

    def forward(self, condition: Tensor) -> Tensor:
        """Embed. A condition of zeros is that of a flow without one."""
        x = condition.transpose(1, 2)
        x = x + _positions(x.shape[1], x.shape[2], x.device).to(x.dtype)
        for block in self.text_blocks:
            x = block(x)
        return x


class ConvNextBlock(nn.Module):
    """ConvNeXt V2 (Woo et al. 2023): (B, F, U) -> (B, F, U)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv1d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=NORM_EPS)
        self.pwconv1 = nn.Linear(channels, 2 * channels)
        self.grn = ResponseNorm(2 * channels)
        self.pwconv2 = nn.Linear(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Transform."""
        h = self.norm(self.dwconv(x.transpose(1, 2)).transpose(1, 2))
        out: Tensor = x + self.pwconv2(self.grn(F.gelu(self.pwconv1(h))))
        return out


class ResponseNorm(nn.Module):
    """Each channel scaled by its share of the energy over all frames, padding included: (B, F, C) -> (B, F, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, channels))
        self.beta = nn.Parameter(torch.zeros(1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise."""
        energy = torch.linalg.vector_norm(x.float(), dim=1, keepdim=True)
        share = energy / (energy.mean(dim=-1, keepdim=True) + NORM_EPS)
        out: Tensor = self.gamma * (x * share) + self.beta + x
        return out


class InputEmbedding(nn.Module):
    """Frames, prompt and condition side by side to the width of the transformer: (B, F, 2 M + U) -> (B, F, D)."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(in_channels, width)
        self.conv_pos_embed = _PositionConv(width)

    def forward(self, x: Tensor) -> Tensor:
        """Embed."""
        h = self.proj(x)
        out: Tensor = self.conv_pos_embed(h) + h
        return out


class _PositionConv(nn.Module):
    """Neighbouring frames, by which attention can tell near from far: (B, F, D) -> (B, F, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        first, second = (
            nn.Conv1d(width, width, POSITION_KERNEL, groups=POSITION_GROUPS, padding=POSITION_KERNEL // 2)
            for _ in range(2)
        )
        self.conv1d = nn.Sequential(first, nn.Mish(), second, nn.Mish())

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv1d(x.transpose(1, 2))
        return out.transpose(1, 2)


class Rotary(nn.Module):
    """Angles of rotary positions. Half-precision files hold rounded frequencies, which are used as they are."""

    inv_freq: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("inv_freq", BASE ** (-torch.arange(0, width, 2).float() / width))

    def forward(self, frames: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines (F, width / 2) of every position."""
        with torch.autocast(self.inv_freq.device.type, enabled=False):
            angles = torch.arange(frames, device=self.inv_freq.device).float()[:, None] * self.inv_freq.float()
            return angles.cos(), angles.sin()


def _positions(frames: int, width: int, device: torch.device) -> Tensor:
    """Cosines then sines (F, width) of every position."""
    waves = BASE ** (-torch.arange(0, width, 2, device=device).float() / width)
    angles = torch.arange(frames, device=device).clamp(max=LAST_POSITION).float()[:, None] * waves
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
