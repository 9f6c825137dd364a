"""A limit of clip length that rises over a run: `--max-sec 10:54`. Which clips train in which epoch.

Knows lengths and batches; no files and no models.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Plan = Callable[[int], list[list[int]]]
"""Epoch to batches of item numbers."""


@dataclass(frozen=True)
class CurriculumPhase:
    """A stretch of the run with one limit, in seconds, and its plan."""

    limit_s: float
    plan: Plan


@dataclass(frozen=True)
class LengthCurriculum:
    """The phases one after the other, each an equal share of the run.

    By epochs, each has so many whole epochs; by steps, the epoch in which a phase's share ends is cut short.

    Args:
        phases: in order.
        epochs, max_steps: length of the run; `max_steps` counts if it is given.
        group: batches of one update.
    """

    phases: Sequence[CurriculumPhase]
    epochs: int
    max_steps: int | None
    group: int

    def limit_s(self, epoch: int) -> float:
        """Longest clip of an epoch."""
        return self.phases[self._place(epoch)[0]].limit_s

    def plan(self, epoch: int) -> list[list[int]]:
        """The batches of an epoch."""
        phase, most = self._place(epoch)
        return self.phases[phase].plan(epoch)[:most]

    def _place(self, epoch: int) -> tuple[int, int | None]:
        """Which phase an epoch belongs to, and how many of its batches; None for all."""
        last = len(self.phases) - 1
        if self.max_steps is None:
            return min(epoch * len(self.phases) // self.epochs, last), None
        step = 0
        for number in range(epoch + 1):
            phase = min(step * len(self.phases) // self.max_steps, last)
            updates = math.ceil(len(self.phases[phase].plan(number)) / self.group)
            end = math.ceil((phase + 1) * self.max_steps / len(self.phases))
            cut = phase < last and updates > end - step
            if number == epoch:
                break
            step += end - step if cut else updates
        return phase, (end - step) * self.group if cut else None


def phase_limits_s(first_s: float, last_s: float, count: int) -> list[float]:
    """So many limits from the first to the last, both included, to a tenth of a second."""
    return [round(first_s + (last_s - first_s) * place / (count - 1), 1) for place in range(count)]
