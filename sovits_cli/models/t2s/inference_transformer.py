"""The transformer blocks as decoding runs them: the weights of `layers.py`, with a KV cache and without dropout.

    prefill   all phones and prompt tokens of one row at once        plain matrix products
    step      one new token of every row                             packed ones where the CPU has them

torch's own float32 product of a few rows runs on one core and far from memory speed; oneDNN's packed one does not. It
also sums each output in one fixed order, so on a CPU a row gets the same numbers, to the last bit, whoever is beside
it. Knows vectors and the cache; nothing of phones, tokens or sampling.

Legend: B rows, L positions, D width, H heads, E head width, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from sovits_cli.models.t2s.alignment import MonotonicAttentionWindow
from sovits_cli.models.t2s.cache import KVCache
from sovits_cli.models.t2s.layers import NORM_EPS, TransformerBlock


class InferenceTransformer:
    """All blocks and the output layer, over one set of weights."""

    def __init__(self, blocks: list[TransformerBlock], predict: Tensor, *, pack: bool) -> None:
        self._prefill_layers = [_layer(block, pack=False) for block in blocks]
        self._step_layers = [_layer(block, pack=True) for block in blocks] if pack else self._prefill_layers
        self._predict = make_linear(predict, None, pack=pack)
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
        bias = _prefix_bias(text_length, length, x)
        cache.open(row, length)
        for index, layer in enumerate(self._prefill_layers):
            q, k, v = layer.qkv(x).view(length, 3, self._heads, -1).permute(1, 2, 0, 3)  # each (H, L, E)
            cache.fill(index, row, k, v)
            if layer is self._prefill_layers[-1]:  # only the last position is asked for
                x, q, bias = x[-1:], q[:, -1:], None
            mixed = F.scaled_dot_product_attention(q[None], k[None], v[None], attn_mask=bias)
            x = layer.finish(x, mixed[0].transpose(0, 1).reshape(-1, width))
        return x[-1]

    def step(self, x: Tensor, cache: KVCache, window: MonotonicAttentionWindow | None = None) -> Tensor:
        """Move every row on by one position.

        Args:
            x: (B, D) vectors of the new position.
            cache: of B rows; gets one position longer.
            window: narrows what the rows see of their text, if given.

        Returns:
            (B, D) the vectors after all blocks.
        """
        rows, width = x.shape
        cache.advance()
        bias = cache.bias
        for index, layer in enumerate(self._step_layers):
            qkv = layer.qkv(x).view(rows, 3, self._heads, -1)
            cache.append(index, qkv[:, 1:])
            keys, values = cache.layer(index)
            if window is not None:
                bias = window.mask(index, qkv[:, 0], keys, bias)
            mixed = F.scaled_dot_product_attention(qkv[:, 0, :, None], keys, values, attn_mask=bias)
            x = layer.finish(x, mixed.reshape(rows, width))
        return x

    def logits(self, x: Tensor) -> Tensor:
        """Score the vocabulary: (B, D) -> (B, V) in float32."""
        return self._predict(x).float()


class InferenceLinear(Protocol):
    """x W^T + b, alone or with what follows it in a block. `x` is (..., in), results (..., out)."""

    def __call__(self, x: Tensor) -> Tensor:
        """Give x W^T + b."""

    def relu(self, x: Tensor) -> Tensor:
        """Give max(0, x W^T + b)."""

    def add(self, x: Tensor, other: Tensor) -> Tensor:
        """Give x W^T + b + other."""


class PlainLinear:
    """Works on every device and dtype; refers to the weights, copies nothing."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight = weight
        self._bias = bias

    def __call__(self, x: Tensor) -> Tensor:
        """Give x W^T + b."""
        return F.linear(x, self._weight, self._bias)

    def relu(self, x: Tensor) -> Tensor:
        """Give max(0, x W^T + b)."""
        return F.linear(x, self._weight, self._bias).relu_()

    def add(self, x: Tensor, other: Tensor) -> Tensor:
        """Give x W^T + b + other."""
        return F.linear(x, self._weight, self._bias).add_(other)


class PackedLinear:
    """Weights in oneDNN's own layout (a copy), the same float32 numbers: CPU and float32 only, see `can_pack`."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        operations = torch.ops.mkldnn
        self._weight = operations._reorder_linear_weight(weight.detach().contiguous())
        self._bias = None if bias is None else bias.detach()
        self._pointwise = operations._linear_pointwise.default
        self._binary = operations._linear_pointwise.binary

    def __call__(self, x: Tensor) -> Tensor:
        """Give x W^T + b."""
        out: Tensor = self._pointwise(x, self._weight, self._bias, "none", [], "")
        return out

    def relu(self, x: Tensor) -> Tensor:
        """Give max(0, x W^T + b)."""
        out: Tensor = self._pointwise(x, self._weight, self._bias, "relu", [], "")
        return out

    def add(self, x: Tensor, other: Tensor) -> Tensor:
        """Give x W^T + b + other."""
        out: Tensor = self._binary(x, other, self._weight, self._bias, "add")
        return out


def make_linear(weight: Tensor, bias: Tensor | None, *, pack: bool) -> InferenceLinear:
    """Choose the kernel for `weight` (out, in) and `bias` (out,): packed where asked for and possible, else plain."""
    return PackedLinear(weight, bias) if pack and can_pack(weight) else PlainLinear(weight, bias)


def can_pack(weight: Tensor) -> bool:
    """Tell whether this torch can pack such a weight: oneDNN there, its two operators too, float32 on the CPU."""
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


@dataclass(frozen=True)
class _Layer:
    """One block: its four matrix products and its two norms (weight, bias)."""

    qkv: InferenceLinear
    out: InferenceLinear
    up: InferenceLinear
    down: InferenceLinear
    norm1: tuple[Tensor, Tensor]
    norm2: tuple[Tensor, Tensor]

    def finish(self, x: Tensor, mixed: Tensor) -> Tensor:
        """Do what follows attention: `x` is the input of the block, `mixed` the joined heads, both (B, D)."""
        width = x.shape[-1:]
        x = torch.layer_norm(self.out.add(mixed, x), width, *self.norm1, NORM_EPS)
        return torch.layer_norm(self.down.add(self.up.relu(x), x), width, *self.norm2, NORM_EPS)


def _layer(block: TransformerBlock, *, pack: bool) -> _Layer:
    attention = block.self_attn
    return _Layer(
        qkv=make_linear(attention.in_proj_weight, attention.in_proj_bias, pack=pack),
        out=make_linear(attention.out_proj.weight, attention.out_proj.bias, pack=pack),
        up=make_linear(block.linear1.weight, block.linear1.bias, pack=pack),
        down=make_linear(block.linear2.weight, block.linear2.bias, pack=pack),
        norm1=(block.norm1.weight, block.norm1.bias),
        norm2=(block.norm2.weight, block.norm2.bias),
    )


def _prefix_bias(text_length: int, length: int, like: Tensor) -> Tensor | None:
    """Attention bias (L, L) of text then audio; None where everything sees everything."""
    if text_length == length:
        return None
    #          text  audio
    # text     0 0 0 x x x        0  seen
    # text     0 0 0 x x x        x  -inf
    # text     0 0 0 x x x
    # audio    0 0 0 0 x x
    # audio    0 0 0 0 0 x
    # audio    0 0 0 0 0 0
    bias = torch.zeros(length, length, device=like.device, dtype=like.dtype)
    future = torch.ones(length, length, device=like.device, dtype=torch.bool).triu(1)
    future[:, :text_length] = False
    return bias.masked_fill(future, float("-inf"))
