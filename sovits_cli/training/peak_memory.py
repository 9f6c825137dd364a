"""Around steps that are only tried: what memory they take, when a device is done, and that they leave no trace.

A GPU's allocator counts its own peak. On a CPU the tensors that are alive are counted as they are made and die:

    forward          backward
    x = conv(w) +    grads +, activations -
    alive   .--------.
         .-'          '-.____  weights and gradients
    ____'                       peak = the highest point, `held_bytes` + what was made inside
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sovits_cli import memory
from sovits_cli.training.state import capture_rng, restore_rng


class PeakMemoryMeter:
    """Peak memory of what happens inside: by the allocator of a GPU, elsewhere by counting the tensors that live.

    Args:
        held_bytes: what lived before.
        counting: False leaves the counting away, which takes its time.
    """

    def __init__(self, device: torch.device, held_bytes: int, *, counting: bool = True) -> None:
        self._gpu = device if device.type == "cuda" else None
        self._held = held_bytes
        self._counting = _LiveTensorBytes()
        self._count = counting and self._gpu is None

    def __enter__(self) -> PeakMemoryMeter:
        if self._count:
            self._counting.__enter__()  # type: ignore[no-untyped-call]
        else:
            self.lap()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._count:
            self._counting.__exit__(*error)  # type: ignore[no-untyped-call]

    def lap(self) -> int:
        """Peak bytes since the last call."""
        if self._gpu is None:
            peak, self._counting.peak = self._counting.peak, self._counting.now
            return self._held + peak
        peak = torch.cuda.max_memory_allocated(self._gpu)
        memory.reset_peak_gpu(self._gpu)
        return peak


class _LiveTensorBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors made inside that are still there."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # A view or an in-place result lives in the storage of an argument: it takes no memory of its own.
        before = {_storage_key(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor) and _storage_key(leaf) not in before:
                self._count(leaf.untyped_storage())
        return out

    def _count(self, storage: Any) -> None:
        if storage in self._known:
            return
        self._known.add(storage)
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        # Storages are freed without a call that could be dispatched: only the garbage collector knows.
        weakref.finalize(storage, self._gone, size)

    def _gone(self, size: int) -> None:
        self.now -= size


def synchronize(device: torch.device) -> None:
    """Wait until a device has done all it was asked for: work is only handed to it, and goes on after the call."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


@contextmanager
def everything_restored(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Whatever happens inside, networks and generators of random numbers are afterwards as they were.

    Also where an error ends it, or gradients that are NaN reached the weights (0 times NaN is NaN). Optimisers
    are not looked at: those inside are their own. Copies are kept in the memory of the machine.
    """
    generators = capture_rng()
    modes = [(one, one.training) for module in modules for one in module.modules()]
    parameters = [one for module in modules for one in module.parameters()]
    needs = [one.requires_grad for one in parameters]
    changing: list[Tensor] = [one for one in parameters if one.requires_grad]
    changing += [one for module in modules for one in module.buffers()]
    # Frozen weights cannot change, buffers can: running means, the codebook's counters.
    kept = [one.detach().to("cpu", copy=True) for one in changing]
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, before in zip(changing, kept, strict=True):
                tensor.copy_(before)
        for parameter, need in zip(parameters, needs, strict=True):
            parameter.grad = None
            parameter.requires_grad_(need)
        for module, training in modes:
            module.training = training
        restore_rng(generators)


def _storage_key(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
