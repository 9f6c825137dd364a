"""Plots made of text: the length_bins of clip lengths for the terminal. Takes numbers, gives lines; knows no audio.

Plain ASCII, so that it reads the same in every terminal, log file and encoding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sovits_cli.data.length_bins import LengthBin, length_bins
from sovits_cli.errors import Advised
from sovits_cli.events import Surveyed
from sovits_cli.report.tables import aligned

BAR_SIGNS = 30


def length_histogram(lengths_s: Sequence[float], *, limit_s: float | None = None) -> str:
    """Draw how many clips there are of each length (in seconds) and how much audio they hold.

    Returns:
        One line per bucket, and a line of totals that tells the limit in force; "no clips" if there are none.
    """
    if not lengths_s:
        return "no clips"
    ordered = sorted(lengths_s)
    limit = f", limit {limit_s:g} s" if limit_s is not None else ""
    middle_s = ordered[len(ordered) // 2]
    shape = f"shortest {ordered[0]:.1f} s, middle {middle_s:.1f} s, longest {ordered[-1]:.1f} s"
    return f"{draw(length_bins(ordered))}\n{len(ordered)} clips, {total(sum(ordered))}: {shape}{limit}"


def draw(buckets: Sequence[LengthBin]) -> str:
    """Draw one line per bucket: "4-6 s  ####  120 clips  10 min", the bar as long as its share of the audio."""
    most_s = max((bucket.seconds for bucket in buckets), default=0.0)
    return "\n".join(_line(bucket, bucket.seconds / most_s if most_s else 0.0) for bucket in buckets)


def survey(event: Surveyed, hint_for: Callable[[Advised], str | None]) -> str:
    """What a stage trains on: a table of what is kept and left out, with what would keep it, and the histogram."""
    rows = [
        (group.what, f"{group.clips} clips", total(group.seconds), hint_for(group) or "")
        for group in (event.kept, *event.left_out)
    ]
    table = [f"  {line}" for line in aligned(rows)]
    return "\n".join([f"{event.stage}:", *table, length_histogram(event.lengths_s, limit_s=event.limit_s)])


def total(seconds: float) -> str:
    """An amount of audio: "48 s", "12 min", "3.4 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _line(bucket: LengthBin, share: float) -> str:
    span = f"{bucket.from_s:g}-{bucket.to_s:g} s" if bucket.to_s is not None else f"over {bucket.from_s:g} s"
    bar = "#" * max(round(share * BAR_SIGNS), 1 if bucket.clips else 0)
    return f"{span:>12}  {bar:<{BAR_SIGNS}}  {bucket.clips:>6} clips  {total(bucket.seconds):>7}"
