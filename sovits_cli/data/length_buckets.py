"""How long the clips of a dataset are, in buckets, and whether enough of them are long. Knows lengths only."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

EDGES_S = (2, 4, 6, 8, 10, 15, 20, 30, 40, 54, 80, 120)
"""Upper ends of the buckets, included."""

LONG_SHARE = 0.1
"""Share of the audio that should be in clips over half of `max_sec`, so that long sentences are learnt."""


@dataclass(frozen=True)
class LengthBin:
    """Clips longer than `from_s`, up to `to_s` (None: no end), and their audio in seconds."""

    from_s: float
    to_s: float | None
    clips: int
    seconds: float


@dataclass(frozen=True)
class LongClipShortage:
    """Clips over half of `max_sec` hold too little of the audio; `fitting_sec` is the limit that suits the clips."""

    max_sec: float
    long_clips: int
    clips: int
    long_share: float
    fitting_sec: int

    @property
    def text(self) -> str:
        """One line for the user."""
        return (
            f"{self.long_clips} of {self.clips} clips ({self.long_share:.0%} of the audio) are longer than "
            f"{self.max_sec / 2:g} s: too few for --max-sec {self.max_sec:g} to teach long sentences"
        )

    @property
    def hint(self) -> str:
        """What to type next."""
        longer = f"sovits slice --target-sec {self.max_sec:g}"
        return f"train with --max-sec {self.fitting_sec}, or make longer slices: {longer}"


def length_bins(lengths_s: Sequence[float]) -> tuple[LengthBin, ...]:
    """Count clips by length, from the first bucket that holds one to the last."""
    clips, seconds = [0] * (len(EDGES_S) + 1), [0.0] * (len(EDGES_S) + 1)
    for length_s in lengths_s:
        place = bisect_left(EDGES_S, length_s)
        clips[place] += 1
        seconds[place] += length_s
    used = [place for place, count in enumerate(clips) if count]
    return tuple(
        LengthBin(
            from_s=EDGES_S[place - 1] if place else 0,
            to_s=EDGES_S[place] if place < len(EDGES_S) else None,
            clips=clips[place],
            seconds=round(seconds[place], 2),
        )
        for place in (range(used[0], used[-1] + 1) if used else ())
    )


def long_clip_shortage(lengths_s: Sequence[float], max_sec: float) -> LongClipShortage | None:
    """Tell whether the long clips are too few for `max_sec`; None if they suffice, or there are no clips."""
    total_s = sum(lengths_s)
    long_ones = [length_s for length_s in lengths_s if length_s > max_sec / 2]
    if not total_s or sum(long_ones) >= LONG_SHARE * total_s:
        return None
    return LongClipShortage(max_sec, len(long_ones), len(lengths_s), sum(long_ones) / total_s, _fitting(lengths_s))


def _fitting(lengths_s: Sequence[float]) -> int:
    """The limit, in whole seconds, for which the longest tenth of the audio counts as long."""
    missing_s = LONG_SHARE * sum(lengths_s)
    for length_s in sorted(lengths_s, reverse=True):
        missing_s -= length_s
        if missing_s <= 0:
            return max(1, math.ceil(2 * length_s) - 1)
    return max(1, math.ceil(2 * min(lengths_s)) - 1)


BAND = 1.1
"""Lengths within this ratio count as equal, so that neighbours change from epoch to epoch."""


class LengthBucketSampler:
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
