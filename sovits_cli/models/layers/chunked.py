"""Attention computed in chunks of queries: memory grows with the length of a sequence, never with its square.

Where torch has a fused kernel it is used. It has none for dropout on a CPU: there each chunk is computed twice, in the
forward and again in the backward pass, and nothing of it is kept between (after FlashAttention, Dao et al. 2022; here
a chunk of queries sees all its keys at once, so no running maximum is needed).

Legend: B batch, H heads, Q queries, K keys, D width of a head.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.utils.checkpoint
from torch import Tensor
from torch.nn import functional as F

from sovits_cli.models.layers.dropout import SCRATCH, RandomBytes, drop_threshold, fill_keep_mask, keep_share

# scores of one head            keys ────────►             causal, with a prefix of two chunks:
#                     queries   ┌──────────────┐                     keys ──────►
#                        │      │ chunk 0      │           queries   █ █ . . .      prefix: sees itself
#                        │      ├──────────────┤              │      █ █ . . .
#                        ▼      │ chunk 1      │              │      █ █ ◣ . .      then each position sees
#                               ├──────────────┤              ▼      █ █ █ ◣ .      what is before it
#                               │ chunk 2      │                     █ █ █ █ ◣
#                               └──────────────┘
CHUNK = 128
HEADS = 8
"""Queries and heads at a time: enough to keep the processor busy, few enough to stay in its cache."""


def attention(  # noqa: PLR0913 - as many as scaled_dot_product_attention
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    key_mask: Tensor | None = None,
    causal: bool = False,
    prefix: int = 0,
    dropout: float = 0.0,
    scale: float | None = None,
) -> Tensor:
    """Attention of (B, H, Q, D) over (B, H, K, D).

    Args:
        query: (B, H, Q, D).
        key: (B, H, K, D).
        value: (B, H, K, D).
        key_mask: (B, K) bool, True for keys that are seen; None sees all. Not together with `causal`.
        causal: the last query sees all keys, each one before it one key less.
        prefix: with `causal` and as many keys as queries: so many first ones see one another, and nothing else.
        dropout: share of the weights that is dropped.
        scale: of the scores; None is D ** -0.5.

    Returns:
        (B, H, Q, D).
    """
    assert key_mask is None or not causal
    if not query.shape[-2]:
        return query
    if query.device.type == "cpu" and drop_threshold(dropout):
        scale = query.shape[-1] ** -0.5 if scale is None else scale
        rule = _Rule(causal, prefix, dropout, scale, seed=int(torch.randint(2**62, ())))
        out: Tensor = _DropoutAttention.apply(query, key, value, key_mask, rule)  # type: ignore[no-untyped-call]
        return out
    if prefix:
        first = attention(*(part[..., :prefix, :] for part in (query, key, value)), dropout=dropout, scale=scale)
        rest = attention(query[..., prefix:, :], key, value, causal=True, dropout=dropout, scale=scale)
        return torch.cat((first, rest), dim=-2)
    if not causal:
        mask = None if key_mask is None else key_mask[:, None, None]
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout, scale=scale)
    queries, keys = query.shape[-2], key.shape[-2]
    if query.device.type == "cuda":
        from torch.nn.attention.bias import causal_lower_right  # loads the compiler of torch: seconds on a CPU

        whole = causal_lower_right(queries, keys)
        return F.scaled_dot_product_attention(query, key, value, attn_mask=whole, dropout_p=dropout, scale=scale)
    chunks = [
        F.scaled_dot_product_attention(
            query[..., start:stop, :],
            key[..., :seen, :],
            value[..., :seen, :],
            attn_mask=_causal_mask(start, stop, keys - queries, query.device),
            scale=scale,
        )
        for start, stop, seen in _query_chunks(0, queries, keys, causal=True)
    ]
    return torch.cat(chunks, dim=-2)


def chunked(length: int, chunk: Callable[[int, int], Tensor], *, dim: int, size: int = 2 * CHUNK) -> Tensor:
    """Join `chunk(start, stop)` over all stretches of `length`, each computed again in the backward pass.

    One stretch alone is computed as usual.

    Args:
        length: what is cut into stretches.
        chunk: gives the result for positions start .. stop - 1.
        dim: of the results, along which they are joined.
        size: positions of a stretch.
    """
    if length <= size:
        return chunk(0, length)
    spans = [(start, min(start + size, length)) for start in range(0, length, size)]
    if torch.is_grad_enabled():
        return torch.cat([checkpoint(chunk, *span) for span in spans], dim=dim)
    return torch.cat([chunk(*span) for span in spans], dim=dim)


def checkpoint(function: Callable[..., Any], *arguments: Any) -> Any:
    """Activation checkpointing (Chen et al. 2016): what `function` computes inside is made again in the backward pass.

    Only its arguments and its result are kept in between.
    """
    return torch.utils.checkpoint.checkpoint(function, *arguments, use_reentrant=False)


def _query_chunks(first: int, queries: int, keys: int, *, causal: bool) -> Iterator[tuple[int, int, int]]:
    """First query, the one after the last, and how many keys they see; from a `first` query on."""
    for start in range(first, queries, CHUNK):
        stop = min(start + CHUNK, queries)
        yield start, stop, keys - queries + stop if causal else keys


def _causal_mask(start: int, stop: int, before: int, device: torch.device) -> Tensor:
    """Which keys the queries of a chunk see, (stop - start, before + stop) bool."""
    return torch.ones(stop - start, before + stop, dtype=torch.bool, device=device).tril(before + start)


@dataclass(frozen=True)
class _Rule:
    """The options of `attention`, and the seed of what is dropped."""

    causal: bool
    prefix: int
    dropout: float
    scale: float
    seed: int


class _DropoutAttention(torch.autograd.Function):
    """Attention with dropout, in float32, that remembers its inputs and a seed, and neither scores nor weights.

    Shapes are those of `attention`: (B, H, Q, D) over (B, H, K, D).

    All chunks are computed in the same few buffers: they stay in the processor's cache, and the heap stays whole.
    """

    # With M the keep mask (0 or 1), r the share kept, and all products per head:
    #
    # forward     S = scale Q K^T                 backward    dV = (P * M)^T dO / r
    #             P = softmax(S)                              dP = (dO V^T) * M / r
    #             O = (P * M) V / r                           dS = P * (dP - rowsum(P * dP))
    #                                                         dQ = scale dS K
    #                                                         dK = scale dS^T Q
    #
    # In the backward pass S, P and M are made again, M from the seed. The code divides dO by r once instead of each
    # product, and multiplies P * M first: P * dP = (P * M) * (dO V^T / r).

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_mask: Tensor | None,
        rule: _Rule,
    ) -> Tensor:
        ctx.save_for_backward(query, key, value, key_mask)
        ctx.rule = rule
        dtype, (batch, heads, queries, width) = query.dtype, query.shape
        query, key, value = query.float(), key.float(), value.float()
        out = query.new_empty(batch, queries, heads, width).transpose(1, 2)
        weights_of = _AttentionWeights(query, key, key_mask, rule)
        for chunk in weights_of.chunks():
            weights, mask = weights_of(chunk)
            seen = value[chunk.row, chunk.heads, : chunk.seen]
            out[chunk.row, chunk.heads, chunk.queries].baddbmm_(weights.mul_(mask), seen, beta=0)
        return out.div_(keep_share(rule.dropout)).to(dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, key_mask = ctx.saved_tensors
        rule: _Rule = ctx.rule
        dtype = query.dtype
        query, key, value = query.float(), key.float(), value.float()
        gradient = gradient.float() / keep_share(rule.dropout)  # dO / r
        d_query, d_key, d_value = (
            torch.zeros_like(x, memory_format=torch.contiguous_format) for x in (query, key, value)
        )
        weights_of = _AttentionWeights(query, key, key_mask, rule)
        for chunk in weights_of.chunks():
            asking, asked = (chunk.row, chunk.heads, chunk.queries), (chunk.row, chunk.heads, slice(0, chunk.seen))
            weights, mask = weights_of(chunk)
            dropped = mask.mul_(weights)  # P * M
            d_out = gradient[asking]
            d_value[asked].baddbmm_(dropped.transpose(1, 2), d_out)
            d_scores = torch.bmm(d_out, value[asked].transpose(1, 2), out=SCRATCH.take("gradients", dropped.shape))
            d_scores.mul_(dropped)  # P * dP
            d_scores.addcmul_(weights, d_scores.sum(-1, keepdim=True), value=-1)
            d_query[asking].baddbmm_(d_scores, key[asked], beta=0, alpha=rule.scale)
            d_key[asked].baddbmm_(d_scores.transpose(1, 2), query[asking], alpha=rule.scale)
        return d_query.to(dtype), d_key.to(dtype), d_value.to(dtype), None, None


@dataclass(frozen=True)
class _Chunk:
    """What is computed at a time: some queries of some heads of one row, and how many keys they see.

    Where it is `causal`, the last query sees them all, each one before it one less.
    """

    row: int
    heads: slice
    queries: slice
    seen: int
    causal: bool


class _AttentionWeights:
    """The attention weights of one chunk after the other, and which of them stay, in two buffers.

    The same seed gives the same draws, chunk by chunk.
    """

    def __init__(self, query: Tensor, key: Tensor, key_mask: Tensor | None, rule: _Rule) -> None:
        self._query, self._key, self._key_mask, self._rule = query, key, key_mask, rule
        self._random = RandomBytes(rule.seed)

    def chunks(self) -> Iterator[_Chunk]:
        """All of them, in order."""
        batch, heads, queries, _ = self._query.shape
        rule = self._rule
        parts = [
            (False, _query_chunks(0, rule.prefix, rule.prefix, causal=False)),
            (rule.causal, _query_chunks(rule.prefix, queries, self._key.shape[2], causal=rule.causal)),
        ]
        spans = [(causal, *span) for causal, part in parts for span in part]
        for row, (causal, start, stop, seen) in itertools.product(range(batch), spans):
            for first in range(0, heads, HEADS):
                yield _Chunk(row, slice(first, min(first + HEADS, heads)), slice(start, stop), seen, causal)

    def __call__(self, chunk: _Chunk) -> tuple[Tensor, Tensor]:
        """Softmax of the scores (heads, queries, keys seen); and 1 where they stay, 0 where they are dropped."""
        query = self._query[chunk.row, chunk.heads, chunk.queries]
        key = self._key[chunk.row, chunk.heads, : chunk.seen].transpose(1, 2)
        shape = (query.shape[0], query.shape[1], chunk.seen)
        scores = SCRATCH.take("scores", shape)
        torch.baddbmm(scores, query, key, beta=0, alpha=self._rule.scale, out=scores)
        if chunk.causal:
            later = torch.ones(shape[1], shape[1], dtype=torch.bool, device=query.device).triu(1)
            scores[..., -shape[1] :].masked_fill_(later, float("-inf"))
        if self._key_mask is not None:
            scores.masked_fill_(~self._key_mask[chunk.row], torch.finfo(scores.dtype).min)
        weights = torch.softmax(scores, -1, out=SCRATCH.take("weights", shape))
        return weights, fill_keep_mask(scores, self._rule.dropout, self._random)
