"""Matrix products of decoding: F.linear, or oneDNN weights laid out once for the CPU (the same float32 numbers).

torch's own float32 product of a few rows runs on one core and far from memory speed; the packed one does not.
Knows nothing of the network.
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class Product(Protocol):
    """x W^T + b, alone or with what follows it in a block. `x` is (..., in), results (..., out)."""

    def __call__(self, x: Tensor) -> Tensor:
        """Give x W^T + b."""

    def relu(self, x: Tensor) -> Tensor:
        """Give max(0, x W^T + b)."""

    def add(self, x: Tensor, other: Tensor) -> Tensor:
        """Give x W^T + b + other."""


class PlainProduct:
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


class PackedProduct:
    """Weights in oneDNN's own layout (a copy): CPU and float32 only, see `can_pack`."""

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


def can_pack(weight: Tensor) -> bool:
    """Tell whether this torch can pack such a weight: oneDNN there, its two operators too, float32 on the CPU."""
    return (
        weight.device.type == "cpu"
        and weight.dtype == torch.float32
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def product(weight: Tensor, bias: Tensor | None, *, pack: bool) -> Product:
    """Choose the kernel for `weight` (out, in): packed where asked for and possible, else plain."""
    return PackedProduct(weight, bias) if pack and can_pack(weight) else PlainProduct(weight, bias)
