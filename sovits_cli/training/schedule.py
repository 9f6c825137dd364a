"""The learning rate of every step: warm-up, cosine decay, and the official decay per epoch.

Plain arithmetic; knows nothing of optimisers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """From `initial` to `peak` in `warmup_steps`, then along a cosine to `final`, reached at step `decay_steps`.

    `decay_steps` 0 means no cosine: the rate stays at `peak`. `epoch_decay` multiplies the rate once an epoch.
    Shape of the official schedule (training.md 2.8), which the official trainer computes and then ignores.
    """

    peak: float
    initial: float = 0.0
    final: float = 0.0
    warmup_steps: int = 0
    decay_steps: int = 0
    epoch_decay: float = 1.0

    def rate(self, step: int, epoch: int = 0) -> float:
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
