"""Numbers as text: columns, amounts, the histogram of clip lengths, what a training reads and what it will cost.

Takes numbers, gives lines of plain ASCII, which read the same in every terminal, log file and encoding:

     4-6 s  ########                          120 clips   10 min      a bar is as long as its share of the audio
    6-10 s  ##############################    208 clips   28 min
    328 clips, 38 min: shortest 4.1 s, median 6.2 s, longest 9.8 s, limit 10 s
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from sovits_cli.data.length_bins import LengthBin, length_bins
from sovits_cli.errors import Advised
from sovits_cli.events import Surveyed

if TYPE_CHECKING:
    from sovits_cli.training.planner import StagePlan

BAR_SIGNS = 30


def aligned_columns(rows: Iterable[Sequence[str]]) -> list[str]:
    """One line per row, every column but the last as wide as its widest cell."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def format_bytes(count: float) -> str:
    """Bytes in words: "512 MB", "3.4 GB"."""
    if count < 1e9:
        return f"{count / 1e6:.0f} MB"
    return f"{count / 1e9:.1f} GB"


def format_duration(seconds: float) -> str:
    """A time in words of a clock: "0:07", "2:10", "1:02:03"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def length_histogram(lengths_s: Sequence[float], *, limit_s: float | None = None) -> str:
    """Draw how many clips there are of each length (in seconds) and how much audio they hold.

    Returns:
        One line per bucket, and a line of totals that names the limit in force; "no clips" if there are none.
    """
    if not lengths_s:
        return "no clips"
    ordered = sorted(lengths_s)
    limit = f", limit {limit_s:g} s" if limit_s is not None else ""
    median_s = ordered[len(ordered) // 2]
    shape = f"shortest {ordered[0]:.1f} s, median {median_s:.1f} s, longest {ordered[-1]:.1f} s"
    return f"{histogram_bars(length_bins(ordered))}\n{len(ordered)} clips, {format_audio(sum(ordered))}: {shape}{limit}"


def histogram_bars(buckets: Sequence[LengthBin]) -> str:
    """Draw one line per bucket: "4-6 s  ####  120 clips  10 min", the bar as long as its share of the audio."""
    longest_bar_s = max((bucket.seconds for bucket in buckets), default=0.0)
    return "\n".join(_bar(bucket, bucket.seconds / longest_bar_s if longest_bar_s else 0.0) for bucket in buckets)


def training_data_table(event: Surveyed, hint_for: Callable[[Advised], str | None]) -> str:
    """What a stage trains on: a table of what is kept and left out, with what would keep it, and the histogram."""
    rows = [
        (group.what, f"{group.clips} clips", format_audio(group.seconds), hint_for(group) or "")
        for group in (event.kept, *event.left_out)
    ]
    table = [f"  {line}" for line in aligned_columns(rows)]
    return "\n".join([f"{event.stage}:", *table, length_histogram(event.lengths_s, limit_s=event.limit_s)])


def format_audio(seconds: float) -> str:
    """An amount of audio: "48 s", "12 min", "3.4 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _bar(bucket: LengthBin, share: float) -> str:
    span = f"{bucket.from_s:g}-{bucket.to_s:g} s" if bucket.to_s is not None else f"over {bucket.from_s:g} s"
    bar = "#" * max(round(share * BAR_SIGNS), 1 if bucket.clips else 0)
    return f"{span:>12}  {bar:<{BAR_SIGNS}}  {bucket.clips:>6} clips  {format_audio(bucket.seconds):>7}"


def plan_table(plan: StagePlan) -> str:
    """Three lines and a table; what does not fit stands in brackets."""
    fits = "fits" if plan.peak_bytes <= plan.free_bytes else "does NOT fit"
    sizes = [f"x {clips}" for clips in next(iter(plan.fits.values()))]
    rows = [
        [f"{seconds} s", *(_cell(needed, plan.free_bytes) for needed in row.values())]
        for seconds, row in plan.fits.items()
    ]
    return "\n".join(
        [
            f"{plan.stage}: {format_bytes(plan.peak_bytes)} at most on {plan.device} ({plan.precision}), "
            f"{fits} {format_bytes(plan.free_bytes)}; the program itself comes on top",
            f"{plan.stage}: all sizes are {100 * plan.margin:.0f} % above what the tried steps took, on average",
            f"{plan.stage}: {plan.batches} batches an epoch, clips up to {plan.longest_s:.1f} s, "
            f"about {format_duration(plan.epoch_s)} an epoch here",
            *(f"  {line}" for line in aligned_columns([["longest clip", *sizes], *rows])),
        ]
    )


def _cell(needed: float, free: float) -> str:
    return format_bytes(needed) if needed <= free else f"({format_bytes(needed)})"
