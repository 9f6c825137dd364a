"""Attention computed in blocks of queries: memory grows with the length of a sequence, never with its square.

Where torch has a fused kernel it is used. It has none for dropout on a CPU: there each block is computed twice, in the
forward and again in the backward pass, and nothing of it is kept between.

Legend: B batch, H heads, Q queries, K keys, D width of a head.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from sovits_cli.models.layers.dropout import ROOM, Draw, drops, kept, share_kept

BLOCK = 128
HEADS = 8
"""Queries and heads at a time: enough to keep the processor busy, few enough to stay in its cache."""


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    keep: Tensor | None = None,
    causal: bool = False,
    prefix: int = 0,
    dropout: float = 0.0,
    scale: float | None = None,
) -> Tensor:
    """Attention of (B, H, Q, D) over (B, H, K, D).

    Args:
        keep: (B, K) bool, the keys that are seen; None sees all. Not together with `causal`.
        causal: the last query sees all keys, each one before it one key less.
        prefix: with `causal` and as many keys as queries: so many first ones see one another, and nothing else.
        dropout: share of the weights that is dropped.
        scale: of the scores; None is D ** -0.5.

    Returns:
        (B, H, Q, D).
    """
    assert keep is None or not causal
    if not query.shape[-2]:
        return query
    if query.device.type == "cpu" and drops(dropout):
        scale = query.shape[-1] ** -0.5 if scale is None else scale
        rule = _Rule(causal, prefix, dropout, scale, seed=int(torch.randint(2**62, ())))
        out: Tensor = _Dropped.apply(query, key, value, keep, rule)  # type: ignore[no-untyped-call]
        return out
    if prefix:
        first = attend(*(part[..., :prefix, :] for part in (query, key, value)), dropout=dropout, scale=scale)
        rest = attend(query[..., prefix:, :], key, value, causal=True, dropout=dropout, scale=scale)
        return torch.cat((first, rest), dim=-2)
    if not causal:
        mask = None if keep is None else keep[:, None, None]
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, dropout_p=dropout, scale=scale)
    queries, keys = query.shape[-2], key.shape[-2]
    if query.device.type == "cuda":
        from torch.nn.attention.bias import causal_lower_right  # loads the compiler of torch: seconds on a CPU

        whole = causal_lower_right(queries, keys)
        return F.scaled_dot_product_attention(query, key, value, attn_mask=whole, dropout_p=dropout, scale=scale)
    pieces = [
        F.scaled_dot_product_attention(
            query[..., start:stop, :],
            key[..., :seen, :],
            value[..., :seen, :],
            attn_mask=_earlier(start, stop, keys - queries, query.device),
            scale=scale,
        )
        for start, stop, seen in _blocks(0, queries, keys, causal=True)
    ]
    return torch.cat(pieces, dim=-2)


def by_blocks(length: int, block: Callable[[int, int], Tensor], *, dim: int, size: int = 2 * BLOCK) -> Tensor:
    """Join `block(start, stop)` over all stretches of `length`, each computed again in the backward pass.

    One stretch alone is computed as usual.
    """
    if length <= size:
        return block(0, length)
    spans = [(start, min(start + size, length)) for start in range(0, length, size)]
    if torch.is_grad_enabled():
        return torch.cat([recomputed(block, *span) for span in spans], dim=dim)
    return torch.cat([block(*span) for span in spans], dim=dim)


def recomputed(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function whose inner tensors are not kept for the backward pass but made again there."""
    return checkpoint(function, *arguments, use_reentrant=False)


def _blocks(first: int, queries: int, keys: int, *, causal: bool) -> Iterator[tuple[int, int, int]]:
    """First query, the one after the last, and how many keys they see; from a `first` query on."""
    for start in range(first, queries, BLOCK):
        stop = min(start + BLOCK, queries)
        yield start, stop, keys - queries + stop if causal else keys


def _earlier(start: int, stop: int, before: int, device: torch.device) -> Tensor:
    """Which keys the queries of a block see, (stop - start, before + stop) bool."""
    return torch.ones(stop - start, before + stop, dtype=torch.bool, device=device).tril(before + start)


@dataclass(frozen=True)
class _Rule:
    """What `attend` was asked for, and the seed of what is dropped."""

    causal: bool
    prefix: int
    dropout: float
    scale: float
    seed: int


class _Dropped(torch.autograd.Function):
    """Attention with dropout, in float32, that remembers its inputs and a seed, and neither scores nor weights.

    All blocks are computed in the same few buffers: they stay in the processor's cache, and the heap stays whole.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        keep: Tensor | None,
        rule: _Rule,
    ) -> Tensor:
        ctx.save_for_backward(query, key, value, keep)
        ctx.rule = rule
        kind, (batch, heads, queries, width) = query.dtype, query.shape
        query, key, value = query.float(), key.float(), value.float()
        out = query.new_empty(batch, queries, heads, width).transpose(1, 2)
        scores = _Scores(query, key, keep, rule)
        for place in scores.places():
            weights, kept = scores.weights(place)
            seen = value[place.row, place.heads, : place.seen]
            out[place.row, place.heads, place.queries].baddbmm_(weights.mul_(kept), seen, beta=0)
        return out.div_(share_kept(rule.dropout)).to(kind)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, keep = ctx.saved_tensors
        rule: _Rule = ctx.rule
        kind = query.dtype
        query, key, value = query.float(), key.float(), value.float()
        gradient = gradient.float() / share_kept(rule.dropout)
        d_query, d_key, d_value = (
            torch.zeros_like(x, memory_format=torch.contiguous_format) for x in (query, key, value)
        )
        scores = _Scores(query, key, keep, rule)
        for place in scores.places():
            asking, asked = (place.row, place.heads, place.queries), (place.row, place.heads, slice(0, place.seen))
            weights, dropped = scores.weights(place)
            dropped.mul_(weights)
            above = gradient[asking]
            d_value[asked].baddbmm_(dropped.transpose(1, 2), above)
            d_scores = torch.bmm(above, value[asked].transpose(1, 2), out=ROOM.take("gradients", dropped.shape))
            d_scores.mul_(dropped)
            d_scores.addcmul_(weights, d_scores.sum(-1, keepdim=True), value=-1)
            d_query[asking].baddbmm_(d_scores, key[asked], beta=0, alpha=rule.scale)
            d_key[asked].baddbmm_(d_scores.transpose(1, 2), query[asking], alpha=rule.scale)
        return d_query.to(kind), d_key.to(kind), d_value.to(kind), None, None


@dataclass(frozen=True)
class _Place:
    """What is computed at a time: some queries of some heads of one row, and how many keys they see.

    Where it is `causal`, the last query sees them all, each one before it one less.
    """

    row: int
    heads: slice
    queries: slice
    seen: int
    causal: bool


class _Scores:
    """The attention weights of one place after the other, and which of them stay, in two buffers.

    The same seed gives the same draws, place by place.
    """

    def __init__(self, query: Tensor, key: Tensor, keep: Tensor | None, rule: _Rule) -> None:
        self._query, self._key, self._keep, self._rule = query, key, keep, rule
        self._draw = Draw(rule.seed)

    def places(self) -> Iterator[_Place]:
        """All of them, in order."""
        batch, heads, queries, _ = self._query.shape
        parts = [
            (False, _blocks(0, self._rule.prefix, self._rule.prefix, causal=False)),
            (self._rule.causal, _blocks(self._rule.prefix, queries, self._key.shape[2], causal=self._rule.causal)),
        ]
        blocks = [(causal, *block) for causal, part in parts for block in part]
        for row, (causal, start, stop, seen) in itertools.product(range(batch), blocks):
            for first in range(0, heads, HEADS):
                yield _Place(row, slice(first, min(first + HEADS, heads)), slice(start, stop), seen, causal)

    def weights(self, place: _Place) -> tuple[Tensor, Tensor]:
        """Softmax of the scores (heads, queries, keys seen); and 1 where they stay, 0 where they are dropped."""
        query = self._query[place.row, place.heads, place.queries]
        key = self._key[place.row, place.heads, : place.seen].transpose(1, 2)
        shape = (query.shape[0], query.shape[1], place.seen)
        scores = ROOM.take("scores", shape)
        torch.baddbmm(scores, query, key, beta=0, alpha=self._rule.scale, out=scores)
        if place.causal:
            later = torch.ones(shape[1], shape[1], dtype=torch.bool, device=query.device).triu(1)
            scores[..., -shape[1] :].masked_fill_(later, float("-inf"))
        if self._keep is not None:
            scores.masked_fill_(~self._keep[place.row], torch.finfo(scores.dtype).min)
        weights = torch.softmax(scores, -1, out=ROOM.take("weights", shape))
        return weights, kept(scores, self._rule.dropout, self._draw)
