"""The style encoder: a spectrogram of a reference becomes one vector `ge` (Min et al. 2021, StyleSpeech).

Legend: B batch, F frames, N bins, D inner width, G width of the style vector.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from sovits_cli.models.layers.blockwise import attend

HEADS = 2
KERNEL = 5
DROPOUT = 0.1


class StyleEncoder(nn.Module):
    """(B, N, F) -> (B, G, 1): spectral layers, gated convolutions, attention, mean over the kept frames."""

    def __init__(self, bins: int, channels: int, out_channels: int) -> None:
        super().__init__()
        self.spectral = nn.Sequential(
            _Dense(bins, channels),
            nn.Mish(),
            nn.Dropout(DROPOUT),
            _Dense(channels, channels),
            nn.Mish(),
            nn.Dropout(DROPOUT),
        )
        self.temporal = nn.ModuleList(_GatedConv(channels) for _ in range(2))
        self.slf_attn = _SelfAttention(channels)
        self.fc = _Dense(channels, out_channels)

    def forward(self, spec: Tensor, keep: Tensor) -> Tensor:
        """Summarise (B, N, F) over the frames that `keep` (B, F) marks."""
        places = keep[..., None].to(spec.dtype)
        x: Tensor = self.spectral(spec.transpose(1, 2) * places)
        x = x.transpose(1, 2)
        for convolve in self.temporal:
            x = convolve(x)
        x = self.slf_attn(x.transpose(1, 2) * places, keep)
        styles = self.fc(x).float() * places
        mean: Tensor = styles.sum(dim=1) / places.sum(dim=1)
        return mean.to(spec.dtype)[..., None]


class _Dense(nn.Module):
    """A linear layer under the official name `fc`."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(x)
        return out


class _Conv(nn.Module):
    """A convolution under the official name `conv`."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(in_channels, out_channels, KERNEL, padding=KERNEL // 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class _GatedConv(nn.Module):
    """x + dropout(a * sigmoid(b)), a and b from one convolution: (B, D, F) -> (B, D, F)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _Conv(channels, 2 * channels)
        self.drop = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        gated: Tensor = self.drop(F.glu(self.conv1(x), dim=1))
        return x + gated


class _SelfAttention(nn.Module):
    """Residual self-attention whose scores are divided by the root of the *model* width, as the official one does."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = channels**-0.5
        self.w_qs, self.w_ks, self.w_vs, self.fc = (nn.Linear(channels, channels) for _ in range(4))
        self.drop = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        query, key, value = (
            project(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for project in (self.w_qs, self.w_ks, self.w_vs)
        )
        dropout = self.drop.p if self.training else 0.0
        out = attend(query, key, value, keep=keep, dropout=dropout, scale=self.scale)
        residual: Tensor = self.drop(self.fc(out.transpose(1, 2).flatten(2)))
        return x + residual
