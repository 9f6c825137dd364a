"""How long the clips of a dataset are, in buckets, and whether enough of them are long. Knows lengths only."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

EDGES_S = (2, 4, 6, 8, 10, 15, 20, 30, 40, 54, 80, 120)
"""Upper ends of the buckets, included."""

LONG_SHARE = 0.1
"""Share of the audio that should be in clips over half of `max_sec`, so that long sentences are learnt."""


@dataclass(frozen=True)
class Bucket:
    """Clips longer than `from_s`, up to `to_s` (None: no end), and their audio in seconds."""

    from_s: float
    to_s: float | None
    clips: int
    seconds: float


@dataclass(frozen=True)
class TooFewLong:
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


def histogram(lengths_s: Sequence[float]) -> tuple[Bucket, ...]:
    """Count clips by length, from the first bucket that holds one to the last."""
    clips, seconds = [0] * (len(EDGES_S) + 1), [0.0] * (len(EDGES_S) + 1)
    for length_s in lengths_s:
        place = bisect_left(EDGES_S, length_s)
        clips[place] += 1
        seconds[place] += length_s
    used = [place for place, count in enumerate(clips) if count]
    return tuple(
        Bucket(
            from_s=EDGES_S[place - 1] if place else 0,
            to_s=EDGES_S[place] if place < len(EDGES_S) else None,
            clips=clips[place],
            seconds=round(seconds[place], 2),
        )
        for place in (range(used[0], used[-1] + 1) if used else ())
    )


def too_few_long(lengths_s: Sequence[float], max_sec: float) -> TooFewLong | None:
    """Tell whether the long clips are too few for `max_sec`; None if they suffice, or there are no clips."""
    total_s = sum(lengths_s)
    long_ones = [length_s for length_s in lengths_s if length_s > max_sec / 2]
    if not total_s or sum(long_ones) >= LONG_SHARE * total_s:
        return None
    return TooFewLong(max_sec, len(long_ones), len(lengths_s), sum(long_ones) / total_s, _fitting(lengths_s))


def _fitting(lengths_s: Sequence[float]) -> int:
    """The limit, in whole seconds, for which the longest tenth of the audio counts as long."""
    missing_s = LONG_SHARE * sum(lengths_s)
    for length_s in sorted(lengths_s, reverse=True):
        missing_s -= length_s
        if missing_s <= 0:
            return max(1, math.ceil(2 * length_s) - 1)
    return max(1, math.ceil(2 * min(lengths_s)) - 1)
