"""How long the clips of a dataset are: counted in bins of length, and whether enough of them are long.

Knows lengths only.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from sovits_cli.errors import Advice

EDGES_S = (2, 4, 6, 8, 10, 15, 20, 30, 40, 54, 80, 120)
"""Upper ends of the bins, included."""

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
            f"{self.max_sec / 2:g} s: too few for max_sec {self.max_sec:g} to teach long sentences"
        )

    @property
    def advice(self) -> Advice:
        """What to do about it, as errors and events carry it."""
        fields = {"max_sec": self.max_sec, "fitting_sec": self.fitting_sec}
        return {"hint": None, "code": "data.few_long_clips", "fields": fields}


def length_bins(lengths_s: Sequence[float]) -> tuple[LengthBin, ...]:
    """Count clips by length, from the first bin that holds one to the last."""
    clips, seconds = [0] * (len(EDGES_S) + 1), [0.0] * (len(EDGES_S) + 1)
    for length_s in lengths_s:
        index = bisect_left(EDGES_S, length_s)
        clips[index] += 1
        seconds[index] += length_s
    used = [index for index, count in enumerate(clips) if count]
    return tuple(
        LengthBin(
            from_s=EDGES_S[index - 1] if index else 0,
            to_s=EDGES_S[index] if index < len(EDGES_S) else None,
            clips=clips[index],
            seconds=round(seconds[index], 2),
        )
        for index in (range(used[0], used[-1] + 1) if used else ())
    )


def long_clip_shortage(lengths_s: Sequence[float], max_sec: float) -> LongClipShortage | None:
    """Tell whether the long clips are too few for `max_sec`; None if they suffice, or there are no clips."""
    total_s = sum(lengths_s)
    long_lengths_s = [length_s for length_s in lengths_s if length_s > max_sec / 2]
    if not total_s or sum(long_lengths_s) >= LONG_SHARE * total_s:
        return None
    share = sum(long_lengths_s) / total_s
    return LongClipShortage(max_sec, len(long_lengths_s), len(lengths_s), share, _fitting_sec(lengths_s))


# From the longest clip down until they hold a tenth of the audio; the last of them, c, has to count as long, so that
# max_sec / 2 < c:
#
#     longest  |=======|======|=====|c====| ...        max_sec = ceil(2 c) - 1, in whole seconds
#              |<--- 10 % of the audio -->|
def _fitting_sec(lengths_s: Sequence[float]) -> int:
    """The limit, in whole seconds, for which the longest tenth of the audio counts as long."""
    missing_s = LONG_SHARE * sum(lengths_s)
    for length_s in sorted(lengths_s, reverse=True):
        missing_s -= length_s
        if missing_s <= 0:
            return max(1, math.ceil(2 * length_s) - 1)
    return max(1, math.ceil(2 * min(lengths_s)) - 1)
