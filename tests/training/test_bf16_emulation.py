"""bf16 products through float32: the numbers, formats and gradients of the CPU's own bf16 kernels."""

from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from sovits_cli.training import engine
from sovits_cli.training.engine import Bf16Emulation
from tests.differences import every_case

PRODUCTS: dict[str, tuple[Callable[..., Tensor], tuple[tuple[int, ...], ...]]] = {
    "matrices": (torch.mm, ((5, 8), (8, 3))),
    "batches": (torch.bmm, ((2, 5, 8), (2, 8, 3))),
    "linear": (F.linear, ((5, 8), (3, 8), (3,))),
    "convolution": (F.conv1d, ((2, 4, 20), (6, 4, 5), (6,))),
    "transposed": (F.conv_transpose1d, ((2, 4, 20), (4, 6, 5), (6,))),
    "attention": (F.scaled_dot_product_attention, ((2, 2, 9, 8),) * 3),
}


class Formats(TorchDispatchMode):
    """Remembers which formats the products were computed in."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[torch.dtype] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        if func in engine._PRODUCTS:
            self.seen |= {one.dtype for one in args if isinstance(one, Tensor)}
        return func(*args, **(kwargs or {}))


def found(name: str, *, wide: bool) -> tuple[list[Tensor], set[torch.dtype]]:
    """Result and gradients, and the formats computed in."""
    product, shapes = PRODUCTS[name]
    draw = torch.Generator().manual_seed(1)
    leaves = [torch.randn(shape, generator=draw).requires_grad_() for shape in shapes]
    with Formats() as formats, torch.autocast("cpu", torch.bfloat16), Bf16Emulation() if wide else nullcontext():
        out = product(*leaves)
        weight = torch.randn(out.shape, generator=draw)
        (out.float() * weight).sum().backward()
    return [out, *(leaf.grad for leaf in leaves if leaf.grad is not None)], formats.seen


@every_case("name", PRODUCTS)
def test_equals_the_kernels_of_the_cpu(name: str) -> None:
    ours, formats = found(name, wide=True)
    theirs, native = found(name, wide=False)
    assert formats == {torch.float32}
    assert torch.bfloat16 in native
    assert len(ours) == len(theirs) == 1 + len(PRODUCTS[name][1])
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype is other.dtype
        torch.testing.assert_close(one, other, rtol=0.02, atol=0.05)


def test_leaves_float32_alone() -> None:
    left, right = torch.randn(3, 4), torch.randn(4, 5)
    with Bf16Emulation():
        assert torch.equal(left @ right, torch.mm(left, right))
        assert (left @ right).dtype is torch.float32
