"""Attention over channel-first sequences: relative self-attention stacks and cross-attention, official key names.

Legend: B batch, F or P time steps, C channels, H heads, D width of a head, R = 2 * window + 1 relative offsets.
Masks say what to keep. What attention gives at places that are not kept is finite but means nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits_cli.models.layers.blockwise import attend, by_blocks
from sovits_cli.models.layers.normalization import ChannelNorm

WINDOW = 4
"""Relative offsets -4..4 have learned keys and values; further away there is no relative term."""


class RelativeEncoder(nn.Module):
    """A stack of post-norm attention and convolution layers (the VITS text encoder): (B, C, F) -> (B, C, F)."""

    def __init__(
        self, channels: int, filter_channels: int, heads: int, layers: int, *, kernel_size: int, dropout: float
    ) -> None:
        super().__init__()
        self.attn_layers = nn.ModuleList(RelativeSelfAttention(channels, heads, dropout=dropout) for _ in range(layers))
        self.norm_layers_1 = nn.ModuleList(ChannelNorm(channels) for _ in range(layers))
        self.ffn_layers = nn.ModuleList(
            ConvFeedForward(channels, filter_channels, kernel_size, dropout=dropout) for _ in range(layers)
        )
        self.norm_layers_2 = nn.ModuleList(ChannelNorm(channels) for _ in range(layers))
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        """Encode (B, C, F); `keep` is (B, F) bool. Places not kept come out as zero."""
        places = keep[:, None].to(x.dtype)
        x = x * places
        for heed, norm_1, feed, norm_2 in zip(
            self.attn_layers, self.norm_layers_1, self.ffn_layers, self.norm_layers_2, strict=True
        ):
            x = norm_1(x + self.drop(heed(x, keep)))
            x = norm_2(x + self.drop(feed(x, places)))
        return x * places


class RelativeSelfAttention(nn.Module):
    """Self-attention with learned keys and values for near offsets (Shaw et al. 2018), shared by the heads."""

    def __init__(self, channels: int, heads: int, *, dropout: float) -> None:
        super().__init__()
        width = channels // heads
        self.heads = heads
        self.emb_rel_k = nn.Parameter(torch.randn(1, 2 * WINDOW + 1, width) * width**-0.5)
        self.emb_rel_v = nn.Parameter(torch.randn(1, 2 * WINDOW + 1, width) * width**-0.5)
        self.conv_q, self.conv_k, self.conv_v = (_xavier_pointwise(channels) for _ in range(3))
        self.conv_o = nn.Conv1d(channels, channels, 1)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        """Attend within (B, C, F); keys outside `keep` (B, F) are not seen."""
        query = split_heads(self.conv_q(x), self.heads)
        query = query * query.shape[-1] ** -0.5
        key, value = split_heads(self.conv_k(x), self.heads), split_heads(self.conv_v(x), self.heads)

        def block(start: int, stop: int) -> Tensor:
            asking = query[..., start:stop, :]
            near = spread_band(asking @ self.emb_rel_k[0].T, start, key.shape[-2])
            scores = asking @ key.transpose(-2, -1) + near  # (B, H, stop - start, F)
            hidden = scores.masked_fill(~keep[:, None, None], torch.finfo(scores.dtype).min)
            chances = self.drop(hidden.softmax(dim=-1))
            mixed: Tensor = chances @ value + gather_band(chances, start) @ self.emb_rel_v[0]
            return mixed

        merged: Tensor = self.conv_o(merge_heads(by_blocks(query.shape[-2], block, dim=-2)))
        return merged


class ConvFeedForward(nn.Module):
    """Two convolutions over time with a ReLU between; odd and even kernels keep the length."""

    def __init__(self, channels: int, filter_channels: int, kernel_size: int, *, dropout: float) -> None:
        super().__init__()
        self.padding = ((kernel_size - 1) // 2, kernel_size // 2)
        self.conv_1 = nn.Conv1d(channels, filter_channels, kernel_size)
        self.conv_2 = nn.Conv1d(filter_channels, channels, kernel_size)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        """Transform (B, C, F); `places` is (B, 1, F), 1 where kept."""
        x = self.drop(self.conv_1(F.pad(x * places, self.padding)).relu())
        x = self.conv_2(F.pad(x * places, self.padding))
        return x * places


class CrossAttention(nn.Module):
    """Multi-head attention of one channel-first sequence over another, pointwise convolutions as projections."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.conv_q, self.conv_k, self.conv_v = (_xavier_pointwise(channels) for _ in range(3))
        self.conv_o = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor, context: Tensor, keep: Tensor) -> Tensor:
        """Let (B, C, F) attend over `context` (B, C, P) where `keep` (B, P) says so."""
        query = split_heads(self.conv_q(x), self.heads)
        key, value = split_heads(self.conv_k(context), self.heads), split_heads(self.conv_v(context), self.heads)
        out: Tensor = self.conv_o(merge_heads(attend(query, key, value, keep=keep)))
        return out


def spread_band(band: Tensor, start: int, keys: int) -> Tensor:
    """Place relative scores on the diagonals they belong to.

    Args:
        band: (..., Q, R), score of query `start + i` for offset r - window.
        start: which query is the first.
        keys: how many keys there are.

    Returns:
        (..., Q, keys) with `out[i, start + i + r - window] = band[i, r]`, and zero outside the band.
    """
    steps, offsets = band.shape[-2:]
    window = offsets // 2
    # a row that is one column wider than the rows it is read back as, moves one column on with every row
    wide = F.pad(band, (0, steps)).flatten(-2)[..., : steps * (steps + offsets - 1)]
    near = wide.view(*band.shape[:-1], steps + offsets - 1)
    return F.pad(near, (start - window, keys - start - steps - window))


def gather_band(scores: Tensor, start: int, window: int = WINDOW) -> Tensor:
    """The diagonals -window..window of (..., Q, F), whose first query is `start`: (..., Q, R), zero outside."""
    steps, keys = scores.shape[-2:]
    near = F.pad(scores, (window - start, start + steps + window - keys))
    flat = F.pad(near.flatten(-2), (0, steps))
    return flat.view(*scores.shape[:-1], steps + 2 * window + 1)[..., : 2 * window + 1]


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, H * D, F) -> (B, H, F, D)."""
    batch, channels, steps = x.shape
    return x.view(batch, heads, channels // heads, steps).transpose(-2, -1)


def merge_heads(x: Tensor) -> Tensor:
    """(B, H, F, D) -> (B, H * D, F)."""
    return x.transpose(-2, -1).flatten(1, 2)


def _xavier_pointwise(channels: int) -> nn.Conv1d:
    conv = nn.Conv1d(channels, channels, 1)
    nn.init.xavier_uniform_(conv.weight)
    return conv
