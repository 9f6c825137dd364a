"""Plots made of text: a histogram of clip lengths for the terminal. Takes numbers, gives lines; knows no audio."""

from __future__ import annotations

import math
from collections.abc import Sequence

_EIGHTHS = " ▏▎▍▌▋▊▉█"

_STEPS_S = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
"""Bin widths that read well, in seconds."""


def length_histogram(
    lengths_s: Sequence[float], *, limit_s: float | None = None, bins: int = 12, width: int = 32
) -> str:
    """Draw how many clips there are of each length, and how many seconds they hold.

    Args:
        lengths_s: length of each clip, in seconds.
        limit_s: the limit in force, told in the last line; the bins reach it.
        bins: most lines; the bin width is the smallest round one that needs no more.
        width: characters of the longest bar.

    Returns:
        One line per bin, and a line of totals; "no clips" if there are none.
    """
    if not lengths_s:
        return "no clips"
    step_s = bin_width_s(max(*lengths_s, limit_s or 0.0, 0.0), bins)
    counts, seconds = _binned(lengths_s, step_s)
    lines = [
        f"{_label(index, step_s)} {count:>6} {_bar(count / max(counts), width)} {clock(total_s)}"
        for index, (count, total_s) in enumerate(zip(counts, seconds, strict=True))
    ]
    ordered = sorted(lengths_s)
    middle = ordered[len(ordered) // 2]
    limit = f", limit {limit_s:g} s" if limit_s is not None else ""
    shape = f"shortest {ordered[0]:.1f} s, middle {middle:.1f} s, longest {ordered[-1]:.1f} s"
    return "\n".join([*lines, f"{len(ordered)} clips, {clock(sum(ordered))}: {shape}{limit}"])


def bin_width_s(longest_s: float, bins: int) -> float:
    """The smallest round width with which `bins` bins reach `longest_s`."""
    return next((step for step in _STEPS_S if step * bins >= longest_s), math.ceil(longest_s / bins / 3600) * 3600.0)


def clock(seconds: float) -> str:
    """A total length: "48 s", "12 min", "3.4 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _binned(lengths_s: Sequence[float], step_s: float) -> tuple[list[int], list[float]]:
    """Count clips and seconds per bin; a clip of exactly a bin's end belongs to it, so that the limit is inside."""
    places = [max(math.ceil(length / step_s) - 1, 0) for length in lengths_s]
    counts, seconds = [0] * (max(places) + 1), [0.0] * (max(places) + 1)
    for place, length in zip(places, lengths_s, strict=True):
        counts[place] += 1
        seconds[place] += length
    return counts, seconds


def _label(index: int, step_s: float) -> str:
    return f"{index * step_s:>5g} to {(index + 1) * step_s:>4g} s"


def _bar(share: float, width: int) -> str:
    full, eighth = divmod(round(share * width * 8), 8)
    if share > 0 and not full:
        eighth = max(eighth, 1)
    return (_EIGHTHS[8] * full + (_EIGHTHS[eighth] if eighth else "")).ljust(width)
