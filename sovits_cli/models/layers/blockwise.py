"""Attention computed in blocks of queries: memory grows with the length of a sequence, never with its square.

Where torch has a fused kernel it is used. It has none for dropout on a CPU: there each block is computed twice, in the
forward and again in the backward pass, and nothing of it is kept between.

Legend: B batch, H heads, Q queries, K keys, D width of a head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

BLOCK = 128
"""Queries at a time: enough to keep the processor busy, few enough to stay in its cache."""

_LEVELS = 256
"""A dropout share is rounded to one of so many levels where it is drawn by bytes."""


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    keep: Tensor | None = None,
    causal: bool = False,
    dropout: float = 0.0,
    scale: float | None = None,
) -> Tensor:
    """Attention of (B, H, Q, D) over (B, H, K, D).

    Args:
        keep: (B, K) bool, the keys that are seen; None sees all. Not together with `causal`.
        causal: the last query sees all keys, each one before it one key less.
        dropout: share of the weights that is dropped.
        scale: of the scores; None is D ** -0.5.

    Returns:
        (B, H, Q, D).
    """
    assert keep is None or not causal
    if not query.shape[-2]:
        return query
    if query.device.type == "cpu" and round(dropout * _LEVELS):
        scale = query.shape[-1] ** -0.5 if scale is None else scale
        seed = int(torch.randint(2**62, ()))
        out: Tensor = _Dropped.apply(query, key, value, keep, causal, dropout, scale, seed)  # type: ignore[no-untyped-call]
        return out
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
        for start, stop, seen in _blocks(queries, keys, causal=True)
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


def _blocks(queries: int, keys: int, *, causal: bool) -> Iterator[tuple[int, int, int]]:
    """First query, the one after the last, and how many keys they see."""
    for start in range(0, queries, BLOCK):
        stop = min(start + BLOCK, queries)
        yield start, stop, keys - queries + stop if causal else keys


def _earlier(start: int, stop: int, before: int, device: torch.device) -> Tensor:
    """Which keys the queries of a block see, (stop - start, before + stop) bool."""
    return torch.ones(stop - start, before + stop, dtype=torch.bool, device=device).tril(before + start)


class _Dropped(torch.autograd.Function):
    """Attention with dropout that remembers its inputs and a seed, and neither scores nor weights."""

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        keep: Tensor | None,
        causal: bool,
        dropout: float,
        scale: float,
        seed: int,
    ) -> Tensor:
        draw = torch.Generator().manual_seed(seed)
        batch, heads, queries, width = query.shape
        out = query.new_empty(batch, queries, heads, width).transpose(1, 2)
        for start, stop, seen in _blocks(queries, key.shape[-2], causal=causal):
            weights = _weights(query, key, keep, causal, scale, (start, stop, seen))
            weights.mul_(_kept(weights, dropout, draw))
            out[..., start:stop, :] = weights @ value[..., :seen, :]
        ctx.save_for_backward(query, key, value, keep)
        ctx.rest = causal, dropout, scale, seed
        return out.div_(_share_kept(dropout))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, keep = ctx.saved_tensors
        causal, dropout, scale, seed = ctx.rest
        draw = torch.Generator().manual_seed(seed)
        gradient = gradient / _share_kept(dropout)
        d_query, d_key, d_value = (
            torch.zeros_like(x, memory_format=torch.contiguous_format) for x in (query, key, value)
        )
        for start, stop, seen in _blocks(query.shape[-2], key.shape[-2], causal=causal):
            weights = _weights(query, key, keep, causal, scale, (start, stop, seen))
            dropped = weights * _kept(weights, dropout, draw)
            above = gradient[..., start:stop, :]
            d_value[..., :seen, :] += dropped.transpose(-2, -1) @ above
            d_scores = (above @ value[..., :seen, :].transpose(-2, -1)).mul_(dropped)
            d_scores.addcmul_(weights, d_scores.sum(-1, keepdim=True), value=-1).mul_(scale)
            d_query[..., start:stop, :] = d_scores @ key[..., :seen, :]
            d_key[..., :seen, :] += d_scores.transpose(-2, -1) @ query[..., start:stop, :]
        return d_query, d_key, d_value, None, None, None, None, None


def _weights(
    query: Tensor, key: Tensor, keep: Tensor | None, causal: bool, scale: float, block: tuple[int, int, int]
) -> Tensor:
    """Softmax of the scores of one block of queries: (B, H, queries, keys seen)."""
    start, stop, seen = block
    scores = (query[..., start:stop, :] * scale) @ key[..., :seen, :].transpose(-2, -1)
    if causal:
        later = torch.ones(stop - start, stop - start, dtype=torch.bool, device=query.device).triu(1)
        scores[..., start - stop :].masked_fill_(later, float("-inf"))
    if keep is not None:
        scores.masked_fill_(~keep[:, None, None], torch.finfo(scores.dtype).min)
    return scores.softmax(-1)


def _kept(weights: Tensor, dropout: float, draw: torch.Generator) -> Tensor:
    """1 for weights that stay and 0 for those that are dropped: one random byte decides each."""
    words = torch.empty(-(-weights.numel() // 8), dtype=torch.int64).random_(-(2**63), None, generator=draw)
    drawn = words.view(torch.uint8)[: weights.numel()].view(weights.shape)
    return torch.ge(drawn, round(dropout * _LEVELS), out=torch.empty_like(weights))  # many times faster than a bool


def _share_kept(dropout: float) -> float:
    """Share of the weights that stays."""
    return 1 - round(dropout * _LEVELS) / _LEVELS
