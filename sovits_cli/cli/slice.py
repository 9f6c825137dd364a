"""`sovits slice`: long recordings to slices."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sovits_cli.cli.context import Run
from sovits_cli.cli.options import command, option
from sovits_cli.config.schema import SliceSettings
from sovits_cli.data.length_buckets import length_bins
from sovits_cli.events import Chose
from sovits_cli.report.plots import length_histogram, total

if TYPE_CHECKING:
    from sovits_cli.audio.slice_writer import SliceFormat
    from sovits_cli.audio.slicing import SlicedRecording, SliceResult


@command(
    option("slice.out", "--out", "-o"),
    option("slice.max_sec"),
    option("slice.target_sec"),
    option("slice.threshold"),
    option("slice.min_length"),
    option("slice.min_interval"),
    option("slice.hop_size"),
    option("slice.max_sil_kept"),
    option("slice.rate"),
    option("slice.mono"),
    option("slice.max"),
    option("slice.alpha"),
)
def slice_command(
    run: Run,
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="INPUT", help="recordings, or folders of them (not their sub-folders)"),
    ],
) -> None:
    """Cut long recordings at silence, and where there is none at the quietest point before --max-sec.

    Slices are sample for sample what the recording holds; slices.jsonl says which samples, gaps.jsonl which were left
    out. Run again, it replaces the slices of the same recording.

    Training on long clips needs long clips: --target-sec 30 joins short slices that follow each other up to 30 s.

    The form of the official slicer is --rate 32000 --mono --max 0.9 --alpha 0.25, in 16 bit. Loudness is not touched
    unless --max or --alpha is given.
    """
    from sovits_cli.audio.slicer import SlicerParams
    from sovits_cli.audio.slicing import slice_recordings

    cut = run.settings.slice
    limit = f"at most {cut.max_sec:g} s each"
    run.reporter.emit(Chose("slices", str(cut.out), limit if run.given("slice.out") else f"the default; {limit}"))
    params = SlicerParams(
        threshold_db=cut.threshold,
        min_length_ms=cut.min_length,
        min_interval_ms=cut.min_interval,
        hop_ms=cut.hop_size,
        max_sil_kept_ms=cut.max_sil_kept,
        max_s=cut.max_sec,
        target_s=cut.target_sec,
    )
    report = slice_recordings(inputs, cut.out, params, _form(cut), reporter=run.reporter)
    run.result(_document(report), text=_told(report, cut.max_sec))


def _form(cut: SliceSettings) -> SliceFormat:
    """Read the loudness mix: either flag asks for it, the other is then the official one."""
    from sovits_cli.audio.loudness import LoudnessMix
    from sovits_cli.audio.slice_writer import SliceFormat

    given = {name: value for name, value in (("max", cut.max), ("alpha", cut.alpha)) if value is not None}
    return SliceFormat(rate=cut.rate, mono=cut.mono, loudness=LoudnessMix(**given) if given else None)


def _document(report: SliceResult) -> dict[str, Any]:
    """What --json shows."""
    lengths_s = sorted(report.lengths_s)
    return {
        "folder": report.folder,
        "manifest": report.folder / "slices.jsonl",
        "slices": len(lengths_s),
        "sliced_s": sum(lengths_s),
        "duration_s": report.duration_s,
        "shortest_s": lengths_s[0],
        "median_s": statistics.median(lengths_s),
        "longest_s": lengths_s[-1],
        "lengths": length_bins(lengths_s),
        "sources": [_source(source) for source in report.sources],
    }


def _source(source: SlicedRecording) -> dict[str, Any]:
    return {
        "source": source.source,
        "rate": source.rate,
        "channels": source.channels,
        "duration_s": source.duration_s,
        "slices": len(source.lengths_s),
        "sliced_s": sum(source.lengths_s),
        "replaced": source.replaced,
    }


def _told(report: SliceResult, limit_s: float) -> str:
    """What the user reads at the end."""
    kept_s = sum(report.lengths_s)
    recordings = f"{len(report.sources)} recording{'s' if len(report.sources) > 1 else ''}"
    return (
        f"{length_histogram(report.lengths_s, limit_s=limit_s)}\n"
        f"{report.folder}: {len(report.lengths_s)} slices of {recordings}, {total(kept_s)} of "
        f"{total(report.duration_s)}; {total(report.duration_s - kept_s)} of silence left out\n"
        f"next: sovits prep {report.folder} --lang en"
    )
