"""Plots made of text: a histogram of clip lengths for the terminal. Takes numbers, gives lines; knows no audio.

Plain ASCII, so that it reads the same in every terminal, log file and encoding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_STEPS_S = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
"""Bin widths that read well, in seconds."""


@dataclass(frozen=True)
class Bin:
    """Clips longer than `from_s`, up to `to_s` (None: any length), and the seconds they hold together."""

    from_s: float
    to_s: float | None
    clips: int
    seconds: float


def length_histogram(lengths_s: Sequence[float], *, limit_s: float | None = None, bins: int = 12) -> str:
    """Draw how many clips there are of each length, and how much audio they hold.

    Args:
        lengths_s: length of each clip, in seconds.
        limit_s: the limit in force, told in the last line; the bins reach it.
        bins: most lines; the bin width is the smallest round one that needs no more.

    Returns:
        One line per bin, and a line of totals; "no clips" if there are none.
    """
    if not lengths_s:
        return "no clips"
    ordered = sorted(lengths_s)
    drawn = draw(binned(ordered, bin_width_s(max(ordered[-1], limit_s or 0.0), bins)))
    limit = f", limit {limit_s:g} s" if limit_s is not None else ""
    middle_s = ordered[len(ordered) // 2]
    shape = f"shortest {ordered[0]:.1f} s, middle {middle_s:.1f} s, longest {ordered[-1]:.1f} s"
    return f"{drawn}\n{len(ordered)} clips, {total(sum(ordered))}: {shape}{limit}"


def draw(bins: Sequence[Bin], *, width: int = 30) -> str:
    """Draw one line per bin: "5-10 s  ####  120 clips  12 min", the bar as long as its share of the audio."""
    most_s = max((one.seconds for one in bins), default=0.0)
    return "\n".join(_line(one, one.seconds / most_s if most_s else 0.0, width) for one in bins)


def binned(lengths_s: Sequence[float], step_s: float) -> list[Bin]:
    """Count clips and seconds in bins of `step_s`; a clip of exactly a bin's end is inside it, as under a limit."""
    places = [max(math.ceil(length / step_s) - 1, 0) for length in lengths_s]
    inside: list[list[float]] = [[] for _ in range(max(places) + 1)]
    for place, length in zip(places, lengths_s, strict=True):
        inside[place].append(length)
    return [Bin(i * step_s, (i + 1) * step_s, len(clips), sum(clips)) for i, clips in enumerate(inside)]


def bin_width_s(longest_s: float, bins: int) -> float:
    """The smallest round width with which `bins` bins reach `longest_s`."""
    whole_hours = math.ceil(longest_s / bins / 3600) * 3600.0
    return next((step for step in _STEPS_S if step * bins >= longest_s), whole_hours)


def total(seconds: float) -> str:
    """An amount of audio: "48 s", "12 min", "3.4 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _line(one: Bin, share: float, width: int) -> str:
    span = f"{one.from_s:g}-{one.to_s:g} s" if one.to_s is not None else f"over {one.from_s:g} s"
    bar = "#" * max(round(share * width), 1 if one.clips else 0)
    return f"{span:>12}  {bar:<{width}}  {one.clips:>6} clips  {total(one.seconds):>7}"
