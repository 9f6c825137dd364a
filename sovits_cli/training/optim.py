"""Optimisers by name, and the learning rate of every step.

`ScaledAdam` is the optimiser of the official GPT trainer (AR/modules/optim.py, from icefall's Zipformer: Yao et al.
2023, section 3.5), written from its equations. Adam takes steps of about the learning rate, whatever the size of a
tensor; ScaledAdam takes steps of that share of it, and learns the size itself as one more parameter. For a tensor p
with gradient g, r = rms(p), and the decays b1, b2:

    square = b2 square + (1 - b2) g²
    delta  = b1 delta  - (1 - b1) lr  r g / (sqrt(square / (1 - b2^t)) + eps)           the tensor, at its own scale
    every 4th step, with h = sum(p g) of each of the 4 (the gradient of log r):
    delta += (1 - b1) p · (-0.1 lr sqrt(1 - b2^t) · sum(h) / (sqrt(size_square) + eps))  its size
    p      = p + delta

Knows tensors only; the learning rate is set from outside, in `param_groups`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

EPS = 1e-8
SCALAR_LR = 0.1
"""Learning rate of single numbers and of tensor sizes, relative to the main one."""
MIN_RMS = 1e-5
MAX_RMS = 3.0
MAX_SCALAR = 10.0
SIZE_PERIOD = 4
"""Steps between two updates of a tensor's size."""
CORRECTED_BELOW = 0.99
"""Bias correction of the squares ends when it would change less than this."""


class ScaledAdam(Optimizer):
    """Adam with steps relative to the root mean square (rms) of each tensor.

    Tensors of one element ("scalars") get plain Adam at a tenth of the rate and stay within +-10.
    A missing gradient counts as zeros. `state_dict` holds all that an exact resume needs.

    Args:
        params: tensors or groups, as in any torch optimiser.
        lr: relative change of a tensor a step.
        betas: decay of the step and of the squares.
        clipping_scale: gradients whose rms-weighted norm exceeds this many medians are shortened where they drive
            the size of a tensor (and only there, as in the official optimiser); None: never.
        clipping_period: steps whose norms give that median; it is renewed as often.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 0.01,
        *,
        betas: tuple[float, float] = (0.9, 0.95),
        clipping_scale: float | None = 2.0,
        clipping_period: int = 1000,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "clipping_scale": clipping_scale,
            "clipping_period": clipping_period,
        }
        super().__init__(cast("Any", params), defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Make one update of all parameters."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._step_group(group)
        return loss

    def state_shapes(self) -> dict[int, dict[str, tuple[int, ...]]]:
        """The shapes of what is kept for each parameter, by its number in `state_dict`."""
        shapes: dict[int, dict[str, tuple[int, ...]]] = {}
        for group in self.param_groups:
            tensors = sum(p.numel() > 1 for p in group["params"])
            first = len(shapes)
            for p in group["params"]:
                shapes[len(shapes)] = {"delta": tuple(p.shape), "square": tuple(p.shape)}
            if group["params"]:
                shapes[first] |= {
                    "step": (),
                    "rms": (tensors,),
                    "size_square": (tensors,),
                    "size_grads": (SIZE_PERIOD, tensors),
                    "norms": (group["clipping_period"],),
                    "threshold": (),
                }
        return shapes

    def _step_group(self, group: dict[str, Any]) -> None:
        params: list[Tensor] = group["params"]
        if not params:
            return
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in params]
        if not self.state[params[0]]:
            self._begin(params, group["clipping_period"])
        shared = self.state[params[0]]
        deltas = [self.state[p]["delta"] for p in params]
        squares = [self.state[p]["square"] for p in params]
        torch._foreach_mul_(deltas, group["betas"][0])
        tensors = [index for index, p in enumerate(params) if p.numel() > 1]
        clip = _clip_factor(grads, shared, group)
        if tensors:
            _update_sizes(_pick(params, tensors), _pick(grads, tensors), _pick(deltas, tensors), shared, clip, group)
        _update_values(params, grads, deltas, squares, shared, group)
        torch._foreach_add_(params, deltas)
        shared["step"] += 1

    def _begin(self, params: list[Tensor], clipping_period: int) -> None:
        for p in params:
            self.state[p]["delta"] = torch.zeros_like(p, memory_format=torch.preserve_format)
            self.state[p]["square"] = torch.zeros_like(p, memory_format=torch.preserve_format)
        tensors = [p for p in params if p.numel() > 1]
        device = params[0].device
        self.state[params[0]].update(
            step=0,
            rms=_rms(tensors) if tensors else torch.empty(0, device=device),
            size_square=torch.zeros(len(tensors), device=device),
            size_grads=torch.zeros(SIZE_PERIOD, len(tensors), device=device),
            norms=torch.zeros(clipping_period, device=device),
            threshold=torch.full((), math.inf, device=device),
        )


def _rms(tensors: list[Tensor]) -> Tensor:
    counts = torch.tensor([p.numel() for p in tensors], device=tensors[0].device)
    return torch.stack(torch._foreach_norm(tensors)).float() / counts.sqrt()


def _clip_factor(grads: list[Tensor], shared: dict[str, Any], group: dict[str, Any]) -> Tensor:
    """Factor, at most 1, for gradients of tensor sizes; keeps the ring of norms and its threshold up to date."""
    step, period = shared["step"], group["clipping_period"]
    # The first step has no norms to compare with.
    if group["clipping_scale"] is None or step == 0:
        return torch.ones_like(shared["threshold"])
    weight = torch.ones(len(grads), device=grads[0].device)
    weight[torch.tensor([g.numel() > 1 for g in grads], device=weight.device)] = shared["rms"]
    # Weighted by the rms of each tensor: the norm of the gradient with respect to its relative change.
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)) * weight)
    shared["norms"][step % period] = norm
    if step % period == 0:
        shared["threshold"] = group["clipping_scale"] * shared["norms"].sort().values[period // 2]
    threshold: Tensor = shared["threshold"]
    factor: Tensor = threshold / (norm + 1e-20)
    return factor.clamp_max(1.0)


def _update_sizes(
    params: list[Tensor],
    grads: list[Tensor],
    deltas: list[Tensor],
    shared: dict[str, Any],
    clip: Tensor,
    group: dict[str, Any],
) -> None:
    """Learn how large each tensor should be: p . g is the gradient of the logarithm of its size."""
    step, lr, (beta1, beta2) = shared["step"], group["lr"], group["betas"]
    # d loss / d log(size) of p = size · direction is the dot product of p and its gradient.
    dots = [torch.dot(p.reshape(-1), g.reshape(-1)) for p, g in zip(params, grads, strict=True)]
    shared["size_grads"][step % SIZE_PERIOD] = torch.stack(dots) * clip
    if step % SIZE_PERIOD != SIZE_PERIOD - 1:
        return
    size_grads, rms, beta = shared["size_grads"], _rms(params), beta2**SIZE_PERIOD
    shared["rms"] = rms
    shared["size_square"] = beta * shared["size_square"] + (1 - beta) * size_grads.square().mean(0)
    correction = 1 - beta ** ((step + 1) / SIZE_PERIOD)
    change = -lr * SCALAR_LR * math.sqrt(correction) * size_grads.sum(0) / (shared["size_square"].sqrt() + EPS)
    change = change.masked_fill(rms < MIN_RMS, 0.0).masked_fill(rms > MAX_RMS, -lr * SCALAR_LR * SIZE_PERIOD)
    # The decay of `delta` spreads the change over the next steps: together they add up to `amount`.
    for delta, p, amount in zip(deltas, params, change.tolist(), strict=True):
        delta.add_(p, alpha=(1 - beta1) * amount)


def _update_values(
    params: list[Tensor],
    grads: list[Tensor],
    deltas: list[Tensor],
    squares: list[Tensor],
    shared: dict[str, Any],
    group: dict[str, Any],
) -> None:
    """Adam's part of the step, times each tensor's rms; scalars are clamped here, before the step is added."""
    lr, (beta1, beta2) = group["lr"], group["betas"]
    correction = 1 - beta2 ** (shared["step"] + 1)
    torch._foreach_mul_(squares, beta2)
    torch._foreach_addcmul_(squares, grads, grads, 1 - beta2)
    # A tensor that is all zeros would never leave zero at a step in proportion to its size: hence the floor.
    sizes = iter(shared["rms"].clamp_min(MIN_RMS).tolist())
    rates, corrections = [], []
    for p in params:
        scalar = p.numel() == 1
        if scalar:
            p.clamp_(-MAX_SCALAR, MAX_SCALAR)
        rates.append(-(1 - beta1) * lr * (SCALAR_LR if scalar else next(sizes)))
        corrections.append(math.sqrt(correction) if scalar or correction < CORRECTED_BELOW else 1.0)
    roots = torch._foreach_sqrt(squares)
    torch._foreach_div_(roots, corrections)
    torch._foreach_add_(roots, EPS)
    torch._foreach_addcdiv_(deltas, grads, roots, rates)


def _pick(items: list[Tensor], indices: list[int]) -> list[Tensor]:
    return [items[index] for index in indices]


@dataclass(frozen=True)
class AdamWSettings:
    """Of the optimisers of the SoVITS stage; `text_rate_scale` is the factor on the learning rate of its text parts."""

    betas: tuple[float, float] = (0.8, 0.99)
    eps: float = 1e-9
    text_rate_scale: float = 0.4


def make_adamw(groups: list[dict[str, Any]], settings: AdamWSettings) -> AdamW:
    """AdamW whose rate is set before each step; on the CPU the fused one, which is the fast one there."""
    fused = groups[0]["params"][0].device.type == "cpu"
    return AdamW(groups, lr=0.0, betas=settings.betas, eps=settings.eps, fused=fused or None)


GPT_ADAMW_BETAS = (0.9, 0.95)

GPT_OPTIMIZERS: dict[str, Callable[[nn.Module], Optimizer]] = {
    "scaled_adam": lambda model: ScaledAdam(model.parameters(), lr=0.0),
    "adamw": lambda model: AdamW(model.parameters(), lr=0.0, betas=GPT_ADAMW_BETAS, fused=is_on_cpu(model) or None),
}
"""Optimisers of the GPT stage, by the name in `optimizer.name`; the rate is set before each step."""

DEFAULT_GPT_RATES = {"scaled_adam": 0.002, "adamw": 3e-4}
"""The rate that the official trainer really uses, and a usual one."""


def is_on_cpu(model: nn.Module) -> bool:
    """Whether a module lives on the CPU, where the fused AdamW is the fast one."""
    return next(model.parameters()).device.type == "cpu"


@dataclass(frozen=True)
class LearningRateSchedule:
    """From `initial` to `peak` in `warmup_steps`, then along a cosine to `final`, reached at step `decay_steps`.

        rate   peak      .-.
                       /     `.
                      /         `.
            initial  /             `-._______  final
                     0  warmup        decay    steps

    `decay_steps` 0 means no cosine: the rate stays at `peak`. `epoch_decay` multiplies the rate once an epoch.
    The shape is that of the official schedule (AR/modules/lr_schedulers.py, `WarmupCosineLRSchedule`), which computes
    it and then returns a constant 0.002 all the same.
    """

    peak: float
    initial: float = 0.0
    final: float = 0.0
    warmup_steps: int = 0
    decay_steps: int = 0
    epoch_decay: float = 1.0

    def at(self, step: int, epoch: int = 0) -> float:
        """The rate of the update that follows `step` finished updates, in the `epoch`-th epoch (from 0)."""
        return self._within_run(step) * self.epoch_decay**epoch

    def _within_run(self, step: int) -> float:
        if step < self.warmup_steps:
            return self.initial + (self.peak - self.initial) * step / self.warmup_steps
        if not self.decay_steps:
            return self.peak
        length = max(self.decay_steps - self.warmup_steps, 1)
        share = min((step - self.warmup_steps) / length, 1.0)
        return self.final + (self.peak - self.final) * 0.5 * (1 + math.cos(math.pi * share))
