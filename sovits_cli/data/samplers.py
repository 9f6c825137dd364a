"""Which items train together: batches of similar length, every item exactly once per epoch.

Knows lengths only. The same lengths, seed and epoch give the same batches on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

BAND = 1.1
"""Lengths within this ratio count as equal, so that neighbours change from epoch to epoch."""


class LengthBatches:
    """Batches of at most `batch_size` items and at most `batch_s` seconds with their padding; None is no limit.

    An item longer than `batch_s` gets a batch of its own: nothing is dropped and nothing repeated.
    """

    def __init__(
        self, lengths: Sequence[float], batch_size: int | None, seed: int, *, batch_s: float | None = None
    ) -> None:
        self._lengths = np.asarray(lengths, dtype=np.float64)
        self._bands = np.floor(np.log(np.maximum(self._lengths, 1e-3)) / np.log(BAND)).astype(np.int64)
        self._batch_size = batch_size
        self._batch_s = batch_s
        self._seed = seed

    def epoch(self, number: int) -> list[list[int]]:
        """Give the batches of one epoch as item numbers, in training order."""
        draw = np.random.Generator(np.random.PCG64([self._seed, number]))
        order = np.lexsort((draw.random(len(self._lengths)), self._bands))
        batches = self._cut(order)
        return [batches[place] for place in draw.permutation(len(batches))]

    def _cut(self, order: np.ndarray) -> list[list[int]]:
        batches: list[list[int]] = []
        longest = 0.0
        for item in order.tolist():
            longest = max(longest, float(self._lengths[item]))
            if batches and self._fits(len(batches[-1]) + 1, longest):
                batches[-1].append(item)
            else:
                batches.append([item])
                longest = float(self._lengths[item])
        return batches

    def _fits(self, items: int, longest_s: float) -> bool:
        fits = self._batch_size is None or items <= self._batch_size
        return fits and (self._batch_s is None or items * longest_s <= self._batch_s)
