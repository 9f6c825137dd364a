"""Building blocks of Text2Semantic for whole sequences: positions, embeddings, attention, post-norm block.

Clips of a batch lie one after the other in one long sequence, without padding: `Row` says where. So a short clip costs
what it is long, and no mask is needed. Step by step decoding with a cache is elsewhere (`stack.py`).

Legend: B batch, L sequence, N places of all clips together, D width, H heads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sovits_cli.models.layers.blockwise import attend, recomputed
from sovits_cli.models.layers.dropout import add_dropped, relu_dropout
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


@dataclass(frozen=True)
class Row:
    """Where one clip lies in the long sequence: first its text, then its audio.

    Padding may lie among the places; nobody sees it, and what comes out there means nothing.

    Args:
        start: its first place.
        text, audio: its places.
        seen_text: first and last + 1 of the text places that hold phones, counted from `start`.
        seen_audio: audio places that hold tokens, the first ones.
    """

    start: int
    text: int
    audio: int
    seen_text: tuple[int, int]
    seen_audio: int

    @property
    def stop(self) -> int:
        """The place after its last."""
        return self.start + self.text + self.audio


class SelfAttention(nn.Module):
    """Multi-head self-attention with joined query, key and value weights.

    Text sees text; audio sees text and audio up to itself.
    """

    def __init__(self, config: T2SConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.dropout = config.attention_dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * config.width, config.width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * config.width))
        self.out_proj = nn.Linear(config.width, config.width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, x: Tensor, rows: Sequence[Row]) -> Tensor:
        """Attend within each row of `x` (N, D)."""
        joined = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        mixed = [self._row(joined[row.start : row.stop], row) for row in rows]
        out: Tensor = self.out_proj(mixed[0] if len(mixed) == 1 else torch.cat(mixed))
        return out

    def _row(self, joined: Tensor, row: Row) -> Tensor:
        """One clip: queries, keys and values (L, 3 D) to (L, D)."""
        q, k, v = joined.view(1, len(joined), 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        first, last = row.seen_text
        end = row.text + row.seen_audio
        text = slice(first, last)
        if (first, last, end) == (0, row.text, len(joined)):
            whole = attend(q, k, v, causal=True, prefix=row.text, dropout=dropout)
            return whole.transpose(1, 2).flatten(2)[0]
        keys, values = (torch.cat((part[..., text, :], part[..., row.text : end, :]), dim=-2) for part in (k, v))
        parts = [
            attend(q[..., : row.text, :], k[..., text, :], v[..., text, :], dropout=dropout),
            attend(q[..., row.text : end, :], keys, values, causal=True, dropout=dropout),
        ]
        if end < len(joined):
            parts.append(attend(q[..., end:, :], keys, values, dropout=dropout))
        return torch.cat([part.transpose(1, 2).flatten(2)[0] for part in parts])

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

    def forward(self, x: Tensor, rows: Sequence[Row]) -> Tensor:
        """Transform `x` (N, D)."""
        dropout = self.dropout if self.training else 0.0
        x = self.norm1(add_dropped(x, self.self_attn(x, rows), dropout))
        inner = relu_dropout(self.linear1(x), dropout)
        out: Tensor = self.norm2(add_dropped(x, self.linear2(inner), dropout))
        return out


class Stack(nn.Module):
    """The blocks, under the official key `layers`.

    With `checkpointing` each is computed again in the backward pass: a third more time, a fraction of the memory.
    """

    def __init__(self, config: T2SConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.checkpointing = False

    def blocks(self) -> list[Block]:
        """Give the blocks in order."""
        return [layer for layer in self.layers if isinstance(layer, Block)]

    def forward(self, x: Tensor, rows: Sequence[Row]) -> Tensor:
        """Run all blocks on `x` (N, D)."""
        return self.steps(x, rows)[-1]

    def steps(self, x: Tensor, rows: Sequence[Row]) -> list[Tensor]:
        """Run all blocks as `forward` does; gives what went into each, and the result."""
        steps = [x]
        for layer in self.layers:
            again = self.checkpointing and torch.is_grad_enabled()
            steps.append(recomputed(layer, steps[-1], rows) if again else layer(steps[-1], rows))
        return steps
