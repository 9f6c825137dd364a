"""Where and in which number format a step is computed: Lightning Fabric behind a few verbs.

    precision    weights   forward, backward                loss scale   where
    32           float32   float32 (TF32 products on CUDA)  none         everywhere
    16-mixed     float32   float16 where autocast allows    yes          CUDA; elsewhere bf16-mixed instead
    bf16-mixed   float32   bfloat16 where autocast allows   none         CUDA and CPU

bf16 on a CPU without instructions for it is emulated (`Bf16Emulation`): products are computed in float32 and rounded.
Those are the same numbers as of the CPU's own bf16 kernels but for their order of addition, at the speed of float32;
on such a CPU those kernels are 5 to 20 times slower.

No process group is made at world size 1. Losses are expected in float32; what a module must not compute in half
precision it protects itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from lightning_fabric.plugins.precision import Precision as FloatFormat
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from sovits_cli.errors import SettingsError
from sovits_cli.terms import Precision
from sovits_cli.training.stages.base import WHOLE_UPDATE, Batch, Shares, TrainingStage

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


Module = TypeVar("Module", bound=nn.Module)


class Autocast(MixedPrecision):
    """Autocast that leaves inputs as they are, and one update of the loss scale for all optimisers of a step."""

    def convert_input(self, data: Any) -> Any:
        """Features stay float32: the modules decide what is computed in half precision."""
        return data

    def convert_output(self, data: Any) -> Any:
        """Results stay as they are: the losses turn them to float32."""
        return data

    def optimizer_step(self, optimizer: Any, **kwargs: Any) -> Any:
        """Step without touching the loss scale; `finish_step` does that."""
        if self.scaler is None:
            return optimizer.step(**kwargs)
        return self.scaler.step(optimizer, **kwargs)

    def finish_step(self) -> None:
        """All optimisers have stepped."""
        if self.scaler is not None:
            self.scaler.update()


class Engine:
    """One device and one precision.

    Args:
        device: where the models live.
        precision: one that the device can train in, see `trainable_precision`.
    """

    def __init__(self, device: torch.device, precision: Precision) -> None:
        self.precision = precision
        # Products of float32 matrices with 10 bits of mantissa: three times as fast, and what the official runs use.
        if device.type == "cuda":  # TF32, as the official trainers
            torch.set_float32_matmul_precision("high")
        accelerator, devices = device.type, [device.index or 0] if device.type == "cuda" else 1
        if self.precision is Precision.FULL:
            self._format: FloatFormat | None = None
            self.fabric = Fabric(accelerator=accelerator, devices=devices, precision="32-true")
        else:
            name = "16-mixed" if self.precision is Precision.HALF else "bf16-mixed"
            self._format = Autocast(name, device.type)  # type: ignore[arg-type]
            self.fabric = Fabric(accelerator=accelerator, devices=devices, plugins=[self._format])
        self._products = Bf16Emulation if self._format is not None and lacks_bf16(device) else nullcontext

    @property
    def device(self) -> torch.device:
        """Where batches have to be."""
        return self.fabric.device

    def place(self, module: Module) -> Module:
        """Move a module to the device; done before its optimiser is made."""
        return self.fabric.to_device(module)  # type: ignore[return-value]

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """The context of a forward pass."""
        with self.fabric.autocast(), self._products():
            yield

    def backward(self, loss: Tensor, parameters: list[nn.Parameter], *, keep_graph: bool) -> None:
        """Add the gradient of `loss` to these parameters and to no others."""
        with self._products():
            self.fabric.backward(loss, inputs=parameters, retain_graph=keep_graph)

    def forward_backward(
        self, stage: TrainingStage[Any], batch: Batch, shares: Shares = WHOLE_UPDATE
    ) -> Mapping[str, Tensor]:
        """Add the gradients of a batch with its noise to those that are there; gives its numbers to log, detached."""
        with self.autocast():
            losses = stage.losses(batch, shares)
        last = len(stage.optimized_modules) - 1
        for index, optimized in enumerate(stage.optimized_modules):
            self.backward(losses.totals[optimized.name], optimized.parameters, keep_graph=index < last)
        return {name: value.detach() for name, value in losses.metrics.items()}

    def clip(self, module: nn.Module, optimizer: Optimizer, max_norm: float) -> float:
        """Scale the gradients down to `max_norm` together (0: leave them). Returns their norm before."""
        # A limit of infinity still computes the norm, which is logged and checked for NaN.
        limit = max_norm or float("inf")
        norm = self.fabric.clip_gradients(module, optimizer, max_norm=limit, error_if_nonfinite=False)
        return float(norm) if norm is not None else 0.0

    def step(self, optimizer: Optimizer) -> None:
        """GradientAccumulator the parameters of one optimiser (with a loss scale: unless a gradient overflowed)."""
        self.fabric.strategy.optimizer_step(optimizer)

    def finish_step(self) -> None:
        """Every optimiser of this step has been updated."""
        if isinstance(self._format, Autocast):
            self._format.finish_step()

    @property
    def scales_loss(self) -> bool:
        """Whether overflowing gradients are expected now and then, and handled by the loss scale."""
        return isinstance(self._format, Autocast) and self._format.scaler is not None

    @contextmanager
    def trial_scale(self) -> Iterator[None]:
        """Inside, the loss scale is another one, of 1: steps that are only tried do not overflow.

        That of the training neither moves nor hears of their optimisers.
        """
        if not isinstance(self._format, Autocast) or self._format.scaler is None:
            yield
            return
        # The scale of a training begins at 65536: trial steps at that scale would overflow and show nothing.
        kept = self._format.scaler
        self._format.scaler = torch.amp.GradScaler(self.device.type, init_scale=1.0)
        try:
            yield
        finally:
            self._format.scaler = kept

    def free_cache(self) -> None:
        """Give memory that torch holds in reserve back to the device."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def state_dict(self) -> dict[str, Any]:
        """The loss scale, if there is one."""
        return self._format.state_dict() if self._format is not None else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        if self._format is not None and state:
            self._format.load_state_dict(state)


def trainable_precision(precision: Precision, device: torch.device) -> Precision:
    """The precision this device can train in: float16 with a loss scale exists on CUDA only, bf16 replaces it.

    Raises:
        SettingsError: bf16 was asked for, and the GPU has none.
    """
    if precision is Precision.HALF and device.type != "cuda":
        return Precision.BF16
    if precision is Precision.BF16 and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise SettingsError("train.precision: this GPU has no bf16", code="train.no_bf16")
    return precision


def lacks_bf16(device: torch.device) -> bool:
    """Whether this is a CPU without bf16 instructions."""
    return device.type == "cpu" and not torch.ops.mkldnn._is_mkldnn_bf16_supported()
