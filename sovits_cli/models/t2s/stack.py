"""The transformer blocks as decoding runs them: same weights as `layers.py`, with a cache and without dropout.

Reading a prompt uses plain matrix products; a step may use packed ones (`linear.py`). The packed kernels sum each
output in one fixed order, so on a CPU a row gets the same numbers, to the last bit, whoever is beside it.
Knows vectors and the cache; nothing of phones, tokens or sampling.

Legend: B rows, L positions, D width, H heads, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sovits_cli.models.t2s.cache import KVCache
from sovits_cli.models.t2s.guide import Guide
from sovits_cli.models.t2s.layers import NORM_EPS, Block
from sovits_cli.models.t2s.linear import Product, product


@dataclass(frozen=True)
class _Layer:
    """One block: its matrix products and its two norms (weight, bias)."""

    joined: Product
    out: Product
    up: Product
    down: Product
    norm1: tuple[Tensor, Tensor]
    norm2: tuple[Tensor, Tensor]

    def finish(self, x: Tensor, mixed: Tensor) -> Tensor:
        """Do what follows attention: `x` is the input of the block, `mixed` the joined heads, both (B, D)."""
        width = x.shape[-1:]
        x = torch.layer_norm(self.out.add(mixed, x), width, *self.norm1, NORM_EPS)
        return torch.layer_norm(self.down.add(self.up.relu(x), x), width, *self.norm2, NORM_EPS)


class CachedStack:
    """All blocks and the output layer."""

    def __init__(self, blocks: list[Block], predict: Tensor, *, pack: bool) -> None:
        self._reading = [_layer(block, pack=False) for block in blocks]
        self._stepping = [_layer(block, pack=True) for block in blocks] if pack else self._reading
        self._predict = product(predict, None, pack=pack)
        self._heads = blocks[0].self_attn.heads

    def prefill(self, x: Tensor, text_length: int, cache: KVCache, row: int) -> Tensor:
        """Read one sequence, text first, into a row of the cache.

        Args:
            x: (L, D) vectors with positions, the first `text_length` of them text, then audio.
            text_length: text sees text; audio sees text and the audio up to itself.
            cache: `row` of it is opened and written.
            row: which.

        Returns:
            (D,) the last vector after all blocks.
        """
        length, width = x.shape
        bias = _prompt_bias(text_length, length, x)
        cache.open(row, length)
        for index, layer in enumerate(self._reading):
            q, k, v = layer.joined(x).view(length, 3, self._heads, -1).permute(1, 2, 0, 3)
            cache.fill(index, row, k, v)
            if layer is self._reading[-1]:  # only the last position is asked for
                x, q, bias = x[-1:], q[:, -1:], None
            mixed = F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=bias)
            x = layer.finish(x, mixed[0].transpose(0, 1).reshape(-1, width))
        return x[-1]

    def step(self, x: Tensor, cache: KVCache, guide: Guide | None = None) -> Tensor:
        """Move every row on by one position: vectors (B, D) of the new position in, after all blocks out."""
        rows, width = x.shape
        cache.advance()
        bias = cache.bias
        for index, layer in enumerate(self._stepping):
            joined = layer.joined(x).view(rows, 3, self._heads, -1)
            cache.append(index, joined[:, 1:])
            keys, values = cache.read(index)
            if guide is not None:
                bias = guide.look(index, joined[:, 0], keys, bias)
            mixed = F.scaled_dot_product_attention(joined[:, 0, :, None], keys, values, attn_mask=bias)
            x = layer.finish(x, mixed.reshape(rows, width))
        return x

    def logits(self, x: Tensor) -> Tensor:
        """Score the vocabulary: (B, D) -> (B, V) in float32."""
        return self._predict(x).float()


def _layer(block: Block, *, pack: bool) -> _Layer:
    attention = block.self_attn
    return _Layer(
        joined=product(attention.in_proj_weight, attention.in_proj_bias, pack=pack),
        out=product(attention.out_proj.weight, attention.out_proj.bias, pack=pack),
        up=product(block.linear1.weight, block.linear1.bias, pack=pack),
        down=product(block.linear2.weight, block.linear2.bias, pack=pack),
        norm1=(block.norm1.weight, block.norm1.bias),
        norm2=(block.norm2.weight, block.norm2.bias),
    )


def _prompt_bias(text_length: int, length: int, like: Tensor) -> Tensor | None:
    """Attention bias (L, L) of a sequence of text then audio; None where everything sees everything."""
    if text_length == length:
        return None
    bias = torch.zeros(length, length, device=like.device, dtype=like.dtype)
    future = torch.ones(length, length, device=like.device, dtype=torch.bool).triu(1)
    future[:, :text_length] = False
    return bias.masked_fill(future, float("-inf"))
