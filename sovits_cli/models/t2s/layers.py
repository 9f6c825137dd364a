"""Building blocks of Text2Semantic for whole sequences: positions, embeddings, attention, post-norm block.

Clips of a batch lie one after the other in one long sequence (`PackedRow`). So a short clip costs what it is long,
and no mask over the whole batch is needed. Step by step decoding with a cache is elsewhere
(`inference_transformer.py`).

Legend: B batch, L positions of one clip, N positions of all clips together, P phones, S semantic tokens, D width,
H heads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sovits_cli.models.layers.chunked import attention, checkpoint
from sovits_cli.models.layers.dropout import add_dropped, relu_dropout
from sovits_cli.models.t2s.config import T2SConfig

FEED_FORWARD_FACTOR = 4
NORM_EPS = 1e-5
POSITION_BASE = 10_000.0


def sine_table(length: int, width: int) -> Tensor:
    """Sinusoidal positions (length, width) in float32, sine and cosine interleaved (Vaswani et al. 2017).

    table[p, 2i] = sin(p w_i) and table[p, 2i + 1] = cos(p w_i), with w_i = 10000^(-2i / width).
    """
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
        """Map ids (B, L) int64 to vectors (B, L, D)."""
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
        table = self.table  # another thread may put a longer or a shorter one in its place meanwhile
        if table.shape[0] < length:
            rows = max(length, 2 * table.shape[0])
            with torch.inference_mode(False):  # training may need it after decoding made it
                self.table = table = sine_table(rows, self.width).to(self.alpha.device)
        return self.alpha * table[:length].to(dtype or self.alpha.dtype)


# padded batch (B, L)             packed sequence (N)
# P P P P P S S S S S S S         PPPPPSSSSSSS PPSSS PPPSSSSS       P phones, S semantic tokens
# P P . . . S S S . . . .         └──row 0───┘ └row1┘└─row 2─┘
# P P P . . S S S S S . .
@dataclass(frozen=True)
class PackedRow:
    """Where one clip lies in the packed sequence: first its text, then its audio, each maybe with padding.

    Args:
        start: its first position.
        text_len: positions of its text, padding included.
        audio_len: positions of its audio, padding included.
        phone_span: first and last + 1 of the text positions that hold phones, counted from `start`.
        token_count: audio positions that hold tokens, the first ones.
    """

    # start                          start + text_len                  stop
    #   │ . . P P P P P P              │ S S S S S S S . . .            │
    #     └───┘ phone_span             └── token_count ──┘
    #                                                             . padding: nobody sees it, it means nothing
    start: int
    text_len: int
    audio_len: int
    phone_span: tuple[int, int]
    token_count: int

    @property
    def stop(self) -> int:
        """The position after its last."""
        return self.start + self.text_len + self.audio_len


class SelfAttention(nn.Module):
    """Multi-head self-attention with joined query, key and value weights.

    Text sees text; audio sees text and audio up to itself: a causal mask with a prefix, see `_prefix_bias` in
    `inference_transformer.py` for the picture.
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

    def forward(self, x: Tensor, rows: Sequence[PackedRow]) -> Tensor:
        """Attend within each row: (N, D) -> (N, D)."""
        joined = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        mixed = [self._row(joined[row.start : row.stop], row) for row in rows]
        out: Tensor = self.out_proj(mixed[0] if len(mixed) == 1 else torch.cat(mixed))
        return out

    def _row(self, joined: Tensor, row: PackedRow) -> Tensor:
        """One clip: queries, keys and values (L, 3 D) to (L, D)."""
        q, k, v = joined.view(1, len(joined), 3, self.heads, -1).permute(2, 0, 3, 1, 4)  # each (1, H, L, D / H)
        dropout = self.dropout if self.training else 0.0
        first, last = row.phone_span
        end = row.text_len + row.token_count
        text = slice(first, last)
        if (first, last, end) == (0, row.text_len, len(joined)):  # no padding
            whole = attention(q, k, v, causal=True, prefix=row.text_len, dropout=dropout)
            return whole.transpose(1, 2).flatten(2)[0]
        # keys without padding; queries of padding see them too, so that no softmax is empty
        keys, values = (torch.cat((part[..., text, :], part[..., row.text_len : end, :]), dim=-2) for part in (k, v))
        parts = [
            attention(q[..., : row.text_len, :], k[..., text, :], v[..., text, :], dropout=dropout),
            attention(q[..., row.text_len : end, :], keys, values, causal=True, dropout=dropout),
        ]
        if end < len(joined):
            parts.append(attention(q[..., end:, :], keys, values, dropout=dropout))
        return torch.cat([part.transpose(1, 2).flatten(2)[0] for part in parts])

    def scores(self, queries: Tensor, keys: Tensor, *, head: int) -> Tensor:
        """Attention scores of one head, before the softmax: `queries` (B, Q, D) on `keys` (B, K, D) to (B, Q, K)."""
        width = queries.shape[-1]
        own = slice(head * width // self.heads, (head + 1) * width // self.heads)
        weight = self.in_proj_weight.view(3, width, width)[:, own]
        bias = self.in_proj_bias.view(3, width)[:, own]
        q, k = F.linear(queries, weight[0], bias[0]), F.linear(keys, weight[1], bias[1])
        scores: Tensor = q @ k.transpose(1, 2) * (width // self.heads) ** -0.5
        return scores


class TransformerBlock(nn.Module):
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

    def forward(self, x: Tensor, rows: Sequence[PackedRow]) -> Tensor:
        """Transform (N, D) -> (N, D)."""
        dropout = self.dropout if self.training else 0.0
        x = self.norm1(add_dropped(x, self.self_attn(x, rows), dropout))
        inner = relu_dropout(self.linear1(x), dropout)
        out: Tensor = self.norm2(add_dropped(x, self.linear2(inner), dropout))
        return out


class TransformerStack(nn.Module):
    """The blocks, under the official key `layers`.

    With `activation_checkpointing` each is computed again in the backward pass: a third more time, a fraction of the
    memory.
    """

    def __init__(self, config: T2SConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TransformerBlock(config) for _ in range(config.layers))
        self.activation_checkpointing = False

    def blocks(self) -> list[TransformerBlock]:
        """Give the blocks in order."""
        return [layer for layer in self.layers if isinstance(layer, TransformerBlock)]

    def forward(self, x: Tensor, rows: Sequence[PackedRow]) -> Tensor:
        """Run all blocks: (N, D) -> (N, D)."""
        return self.hidden_states(x, rows)[-1]

    def hidden_states(self, x: Tensor, rows: Sequence[PackedRow]) -> list[Tensor]:
        """Run all blocks on `x` (N, D); gives what went into each, and the result, each (N, D)."""
        states = [x]
        for layer in self.layers:
            again = self.activation_checkpointing and torch.is_grad_enabled()
            states.append(checkpoint(layer, states[-1], rows) if again else layer(states[-1], rows))
        return states
