"""The table of clip lengths as text: one line a bucket, with a bar."""

from __future__ import annotations

from collections.abc import Sequence

from sovits_cli.data.lengths import Bucket

BAR_SIGNS = 30


def length_table(buckets: Sequence[Bucket]) -> str:
    """Lines of "4-6 s  ########  120 clips  0:10:03", bars by audio."""
    longest_s = max((bucket.seconds for bucket in buckets), default=0.0)
    return "\n".join(_line(bucket, longest_s) for bucket in buckets)


def clock(seconds: float) -> str:
    """Hours, minutes, seconds: "1:02:03"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _line(bucket: Bucket, longest_s: float) -> str:
    end = "" if bucket.to_s is None else f"{bucket.to_s:g}"
    span = f"{bucket.from_s:g}-{end} s"
    bar = "#" * round(BAR_SIGNS * bucket.seconds / longest_s) if longest_s else ""
    return f"{span:>10}  {bar:<{BAR_SIGNS}}  {bucket.clips:>6} clips  {clock(bucket.seconds):>9}"
