"""Attention over channel-first sequences: relative self-attention stacks and cross-attention, official key names.

The blocks of GPT-SoVITS, module/attentions.py (`Encoder`, `MultiHeadAttention`, `FFN`), as VITS has them.

Legend: B batch, F or P time steps, C channels, H heads, D width of a head, Q queries of a chunk,
R = 2 * window + 1 relative offsets. Masks are True (or 1) where a position counts. What attention gives at positions
that do not count is finite but means nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits_cli.models.layers.chunked import attention, chunked

WINDOW = 4
"""Relative offsets -4..4 have learned keys and values; further away there is no relative term."""

NORM_EPS = 1e-5


def length_mask(lengths: Tensor, size: int) -> Tensor:
    """Mark the first `lengths[b]` of `size` positions: (B,) integer -> (B, size) bool, True where they count."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]


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

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Encode (B, C, F) under `mask` (B, F) bool: (B, C, F), zero where the mask is False."""
        factor = mask[:, None].to(x.dtype)
        x = x * factor
        for attend, norm_1, feed_forward, norm_2 in zip(
            self.attn_layers, self.norm_layers_1, self.ffn_layers, self.norm_layers_2, strict=True
        ):
            x = norm_1(x + self.drop(attend(x, mask)))
            x = norm_2(x + self.drop(feed_forward(x, factor)))
        return x * factor


class RelativeSelfAttention(nn.Module):
    """Self-attention with learned keys and values for near offsets (Shaw et al. 2018), shared by the heads.

    The official `MultiHeadAttention` with `window_size` (module/attentions.py).
    """

    def __init__(self, channels: int, heads: int, *, dropout: float) -> None:
        super().__init__()
        width = channels // heads
        self.heads = heads
        self.emb_rel_k = nn.Parameter(torch.randn(1, 2 * WINDOW + 1, width) * width**-0.5)
        self.emb_rel_v = nn.Parameter(torch.randn(1, 2 * WINDOW + 1, width) * width**-0.5)
        self.conv_q, self.conv_k, self.conv_v = (_xavier_pointwise(channels) for _ in range(3))
        self.conv_o = nn.Conv1d(channels, channels, 1)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, key_mask: Tensor) -> Tensor:
        """Attend within (B, C, F): (B, C, F). Keys whose `key_mask` (B, F) bool is False are not seen."""
        query = split_heads(self.conv_q(x), self.heads)
        query = query * query.shape[-1] ** -0.5
        key, value = split_heads(self.conv_k(x), self.heads), split_heads(self.conv_v(x), self.heads)

        # With r = j - i the offset of key j from query i, and a_k, a_v the learned vectors for -window <= r <= window,
        #
        #     score[i, j] = q_i . (k_j + a_k[r]) / sqrt(D)        out_i = sum_j softmax(score)[i, j] (v_j + a_v[r])
        #
        # The terms with a_k and a_v live on a band around the diagonal, which is spread over it and gathered from it.
        def attend(start: int, stop: int) -> Tensor:
            """Queries start .. stop - 1: (B, H, Q, D)."""
            some = query[..., start:stop, :]
            relative = spread_band(some @ self.emb_rel_k[0].T, start, key.shape[-2])
            scores = some @ key.transpose(-2, -1) + relative  # (B, H, Q, F)
            masked = scores.masked_fill(~key_mask[:, None, None], torch.finfo(scores.dtype).min)
            weights = self.drop(masked.softmax(dim=-1))
            mixed: Tensor = weights @ value + gather_band(weights, start) @ self.emb_rel_v[0]
            return mixed

        merged: Tensor = self.conv_o(merge_heads(chunked(query.shape[-2], attend, dim=-2)))
        return merged


class ConvFeedForward(nn.Module):
    """Two convolutions over time with a ReLU between; odd and even kernels keep the length."""

    def __init__(self, channels: int, filter_channels: int, kernel_size: int, *, dropout: float) -> None:
        super().__init__()
        self.padding = ((kernel_size - 1) // 2, kernel_size // 2)
        self.conv_1 = nn.Conv1d(channels, filter_channels, kernel_size)
        self.conv_2 = nn.Conv1d(filter_channels, channels, kernel_size)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Transform (B, C, F) -> (B, C, F); `mask` is (B, 1, F), 1 where a frame counts."""
        x = self.drop(self.conv_1(F.pad(x * mask, self.padding)).relu())
        x = self.conv_2(F.pad(x * mask, self.padding))
        return x * mask


class CrossAttention(nn.Module):
    """Multi-head attention of one channel-first sequence over another, pointwise convolutions as projections."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.conv_q, self.conv_k, self.conv_v = (_xavier_pointwise(channels) for _ in range(3))
        self.conv_o = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor, context: Tensor, key_mask: Tensor) -> Tensor:
        """Let (B, C, F) attend over `context` (B, C, P) where `key_mask` (B, P) is True: (B, C, F)."""
        query = split_heads(self.conv_q(x), self.heads)
        key, value = split_heads(self.conv_k(context), self.heads), split_heads(self.conv_v(context), self.heads)
        out: Tensor = self.conv_o(merge_heads(attention(query, key, value, key_mask=key_mask)))
        return out


class ChannelNorm(nn.Module):
    """Layer norm of every time step over its channels, under the official parameter names."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, F) over C: (B, C, F)."""
        return F.layer_norm(x.transpose(1, 2), self.gamma.shape, self.gamma, self.beta, NORM_EPS).transpose(1, 2)


def spread_band(band: Tensor, start: int, keys: int) -> Tensor:
    """Place relative scores on the diagonals they belong to, without an index: pad, flatten, read back narrower.

    Args:
        band: (..., Q, R), score of query `start + i` for offset r - window.
        start: which query is the first.
        keys: how many keys there are.

    Returns:
        (..., Q, keys) with `out[i, start + i + r - window] = band[i, r]`, and zero outside the band.
    """
    steps, offsets = band.shape[-2:]
    window = offsets // 2
    # Window 1 (R = 3 offsets -, o, +), three queries, four keys:
    #
    #     band        padded by Q       flattened, read as rows of Q + R - 1 = 5      the keys 0..3
    #     - o +       - o + 0 0 0                    - o + 0 0                           o + 0 0
    #     - o +       - o + 0 0 0                    0 - o + 0                           - o + 0
    #     - o +       - o + 0 0 0                    0 0 - o +                           0 - o +
    #
    # A row that is one column wider than the rows it is read back as moves one column on with every row (the trick of
    # Music Transformer, Huang et al. 2018).
    wide = F.pad(band, (0, steps)).flatten(-2)[..., : steps * (steps + offsets - 1)]
    near = wide.view(*band.shape[:-1], steps + offsets - 1)
    return F.pad(near, (start - window, keys - start - steps - window))


def gather_band(scores: Tensor, start: int, window: int = WINDOW) -> Tensor:
    """Read the diagonals -window..window back: the inverse of `spread_band`, its picture from right to left.

    Args:
        scores: (..., Q, F), of queries from `start` on.
        start: which query is the first.
        window: the largest offset.

    Returns:
        (..., Q, R) with `out[i, r] = scores[i, start + i + r - window]`, and zero where there is no such key.
    """
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
