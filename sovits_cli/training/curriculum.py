"""A length curriculum: a limit of clip length that rises over a run, as in `data.max_sec 10:54`.

Phases of the run, each with its limit, an equal share of the run each; here three over 60 steps:

    max_sec  54 |                         ...............     all clips
             32 |            ............                     clips up to 32 s
             10 |............                                 clips up to 10 s
                 0          20           40            60     steps
    epochs       |  0  |  1 ¦  2  |   3  ¦    4    |   5      ¦ an epoch that is cut short where a phase ends

A run that is measured in epochs gives each phase a number of whole epochs; one that is measured in steps ends the
epoch in which a phase's share is used up. Knows lengths and batches; no files and no models.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

EpochPlan = Callable[[int], list[list[int]]]
"""Epoch to batches of item numbers."""


@dataclass(frozen=True)
class CurriculumPhase:
    """A stretch of the run with one limit, in seconds, and the batches of its clips."""

    limit_s: float
    plan: EpochPlan


@dataclass(frozen=True)
class LengthCurriculum:
    """The phases one after the other.

    Args:
        phases: in order.
        epochs, max_steps: length of the run; `max_steps` counts if it is given.
        batches_per_update: over all processes.
    """

    phases: Sequence[CurriculumPhase]
    epochs: int
    max_steps: int | None
    batches_per_update: int

    def limit_s(self, epoch: int) -> float:
        """Longest clip of an epoch."""
        return self.phases[self._phase(epoch)[0]].limit_s

    def plan(self, epoch: int) -> list[list[int]]:
        """The batches of an epoch."""
        phase, max_batches = self._phase(epoch)
        return self.phases[phase].plan(epoch)[:max_batches]

    def _phase(self, epoch: int) -> tuple[int, int | None]:
        """Which phase an epoch belongs to, and how many of its batches; None for all."""
        last = len(self.phases) - 1
        if self.max_steps is None:
            return min(epoch * len(self.phases) // self.epochs, last), None
        step = 0
        for number in range(epoch + 1):
            phase = min(step * len(self.phases) // self.max_steps, last)
            updates = math.ceil(len(self.phases[phase].plan(number)) / self.batches_per_update)
            end = math.ceil((phase + 1) * self.max_steps / len(self.phases))
            is_cut = phase < last and updates > end - step
            if number == epoch:
                break
            step += end - step if is_cut else updates
        return phase, (end - step) * self.batches_per_update if is_cut else None


def phase_limits_s(first_s: float, last_s: float, count: int) -> list[float]:
    """So many limits from the first to the last, both included, to a tenth of a second."""
    return [round(first_s + (last_s - first_s) * number / (count - 1), 1) for number in range(count)]
