"""Building blocks of Text2Semantic for whole sequences: positions, embeddings, attention, post-norm block.

Step by step decoding with a cache is elsewhere (`stack.py`); masks come from the caller.

Legend: B batch, L sequence, D width, H heads.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sovits_cli.models.t2s.config import T2SConfig

FEED_FORWARD_FACTOR = 4
NORM_EPS = 1e-5
POSITION_BASE = 10_000.0


def sine_table(length: int, width: int) -> Tensor:
    """Sinusoidal positions (length, width): even columns sine, odd columns cosine, in float32."""
    position = torch.arange(length, dtype=torch.float32)[:, None]
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * -(math.log(POSITION_BASE) / width))
    table = torch.empty(length, width)
    table[:, 0::2] = torch.sin(position * rate)
    table[:, 1::2] = torch.cos(position * rate)
    return table


class TokenEmbedding(nn.Module):
    """A lookup table; its own module only to give the official key `word_embeddings.weight`."""

    def __init__(self, rows: int, width: int) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(rows, width)

    def forward(self, ids: Tensor) -> Tensor:
        """Map ids (B, L) to vectors (B, L, D)."""
        vectors: Tensor = self.word_embeddings(ids)
        return vectors


class SinePosition(nn.Module):
    """Sinusoidal positions times a learned scalar. The table is computed, never stored in a checkpoint."""

    table: Tensor

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1))
        self.width = width
        self.dropout = dropout
        self.register_buffer("table", torch.empty(0, width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Add positions 0 .. L-1 to `x` (B, L, D), then dropout."""
        return F.dropout(x + self.offsets(x.shape[1], x.dtype), self.dropout, self.training)

    def offsets(self, length: int, dtype: torch.dtype | None = None) -> Tensor:
        """Give what position p adds: alpha times row p of the table, (length, D)."""
        if self.table.shape[0] < length:
            rows = max(length, 2 * self.table.shape[0])
            with torch.inference_mode(False):  # training may need it after decoding made it
                self.table = sine_table(rows, self.width).to(self.alpha.device)
        return self.alpha * self.table[:length].to(dtype or self.alpha.dtype)


class SelfAttention(nn.Module):
    """Multi-head self-attention with joined query, key and value weights."""

    def __init__(self, config: T2SConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.dropout = config.attention_dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * config.width, config.width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * config.width))
        self.out_proj = nn.Linear(config.width, config.width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        """Attend within `x` (B, L, D); `keep` (B, 1, L, L) is True where query (rows) may see key (columns)."""
        batch, length, width = x.shape
        joined = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        q, k, v = joined.view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=keep, dropout_p=dropout)
        out: Tensor = self.out_proj(mixed.transpose(1, 2).reshape(batch, length, width))
        return out

    def scores(self, queries: Tensor, keys: Tensor, *, head: int) -> Tensor:
        """What one head makes of `queries` (B, Q, D) on `keys` (B, K, D): (B, Q, K), before the softmax."""
        width = queries.shape[-1]
        own = slice(head * width // self.heads, (head + 1) * width // self.heads)
        weight = self.in_proj_weight.view(3, width, width)[:, own]
        bias = self.in_proj_bias.view(3, width)[:, own]
        q, k = F.linear(queries, weight[0], bias[0]), F.linear(keys, weight[1], bias[1])
        scores: Tensor = q @ k.transpose(1, 2) * (width // self.heads) ** -0.5
        return scores


class Block(nn.Module):
    """Post-norm transformer block: attention, then a ReLU feed-forward part, each added and normalised."""

    def __init__(self, config: T2SConfig) -> None:
        super().__init__()
        inner = FEED_FORWARD_FACTOR * config.width
        self.self_attn = SelfAttention(config)
        self.linear1 = nn.Linear(config.width, inner)
        self.linear2 = nn.Linear(inner, config.width)
        self.norm1 = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.norm2 = nn.LayerNorm(config.width, eps=NORM_EPS)
        self.dropout = config.block_dropout

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        """Transform `x` (B, L, D); `keep` as in `SelfAttention`."""
        x = self.norm1(x + self._drop(self.self_attn(x, keep)))
        inner = self._drop(F.relu(self.linear1(x)))
        out: Tensor = self.norm2(x + self._drop(self.linear2(inner)))
        return out

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)


class Stack(nn.Module):
    """The blocks, under the official key `layers`."""

    def __init__(self, config: T2SConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(config) for _ in range(config.layers))

    def blocks(self) -> list[Block]:
        """Give the blocks in order."""
        return [layer for layer in self.layers if isinstance(layer, Block)]

    def forward(self, x: Tensor, keep: Tensor) -> Tensor:
        """Run all blocks on `x` (B, L, D); `keep` (B, 1, L, L)."""
        return self.steps(x, keep)[-1]

    def steps(self, x: Tensor, keep: Tensor) -> list[Tensor]:
        """Run all blocks as `forward` does; gives what went into each, and the result."""
        steps = [x]
        for layer in self.layers:
            steps.append(layer(steps[-1], keep))
        return steps
