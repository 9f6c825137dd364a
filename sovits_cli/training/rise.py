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
class Chapter:
    """A stretch of the run with one limit, in seconds, and its plan."""

    limit_s: float
    plan: Plan


@dataclass(frozen=True)
class Rise:
    """The chapters one after the other, each an equal share of the run.

    By epochs, each has so many whole epochs; by steps, the epoch in which a chapter's share ends is cut short.

    Args:
        chapters: in order.
        epochs, max_steps: length of the run; `max_steps` counts if it is given.
        group: batches of one update.
    """

    chapters: Sequence[Chapter]
    epochs: int
    max_steps: int | None
    group: int

    def limit_s(self, epoch: int) -> float:
        """Longest clip of an epoch."""
        return self.chapters[self._place(epoch)[0]].limit_s

    def plan(self, epoch: int) -> list[list[int]]:
        """The batches of an epoch."""
        chapter, most = self._place(epoch)
        return self.chapters[chapter].plan(epoch)[:most]

    def _place(self, epoch: int) -> tuple[int, int | None]:
        """Which chapter an epoch belongs to, and how many of its batches; None for all."""
        last = len(self.chapters) - 1
        if self.max_steps is None:
            return min(epoch * len(self.chapters) // self.epochs, last), None
        step = 0
        for number in range(epoch + 1):
            chapter = min(step * len(self.chapters) // self.max_steps, last)
            updates = math.ceil(len(self.chapters[chapter].plan(number)) / self.group)
            end = math.ceil((chapter + 1) * self.max_steps / len(self.chapters))
            cut = chapter < last and updates > end - step
            if number == epoch:
                break
            step += end - step if cut else updates
        return chapter, (end - step) * self.group if cut else None


def limits_s(first_s: float, last_s: float, count: int) -> list[float]:
    """So many limits from the first to the last, both included, to a tenth of a second."""
    return [round(first_s + (last_s - first_s) * place / (count - 1), 1) for place in range(count)]
