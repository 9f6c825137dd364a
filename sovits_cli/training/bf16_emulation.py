"""bf16 on a CPU that has no instructions for it: products are computed in float32 and rounded.

The same numbers as those of the CPU's own bf16 kernels but for their order of addition, at the speed of float32: on
such a CPU those kernels are 5 to 20 times slower. Knows nothing of training.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

_ATEN = torch.ops.aten

_STAYS_WIDE = {_ATEN._scaled_dot_product_flash_attention_for_cpu.default: 1}
"""The results from this one on are float32 in the CPU's own kernel too."""

_PRODUCTS = {
    _ATEN.mm.default,
    _ATEN.addmm.default,
    _ATEN.bmm.default,
    _ATEN.baddbmm.default,
    _ATEN.convolution.default,
    _ATEN.convolution_backward.default,
    _ATEN._scaled_dot_product_flash_attention_for_cpu.default,
    _ATEN._scaled_dot_product_flash_attention_for_cpu_backward.default,
}


class Bf16Emulation(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Inside, products of bf16 tensors are those of the same numbers in float32, rounded to bf16."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func not in _PRODUCTS or not any(isinstance(one, Tensor) and one.dtype is torch.bfloat16 for one in args):
            return func(*args, **kwargs)
        out = func(*tree_map_only(Tensor, _wide, args), **tree_map_only(Tensor, _wide, kwargs))
        if isinstance(out, Tensor):
            return out.bfloat16()
        narrow = _STAYS_WIDE.get(func, len(out))
        return (*tree_map_only(Tensor, Tensor.bfloat16, tuple(out[:narrow])), *out[narrow:])


def _wide(value: Tensor) -> Tensor:
    return value.float() if value.dtype is torch.bfloat16 else value
