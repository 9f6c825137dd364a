"""`sovits slice`: long recordings to slices."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sovits_cli.cli.command import CommandContext, command, option
from sovits_cli.data.length_bins import length_bins
from sovits_cli.events import Chose
from sovits_cli.report.tables import format_audio, length_histogram

if TYPE_CHECKING:
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
    context: CommandContext,
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
    from sovits_cli.audio.slicing import slice_recordings

    cut = context.settings.slice
    limit = f"at most {cut.max_sec:g} s each"
    context.reporter.emit(
        Chose("slices", str(cut.out), limit if context.given("slice.out") else f"the default; {limit}")
    )
    result = slice_recordings(inputs, cut, reporter=context.reporter)
    context.result(_document(result), text=_summary(result, cut.max_sec))


def _document(result: SliceResult) -> dict[str, Any]:
    """What --json shows."""
    lengths_s = sorted(result.lengths_s)
    return {
        "folder": result.folder,
        "manifest": result.folder / "slices.jsonl",
        "slices": len(lengths_s),
        "sliced_s": sum(lengths_s),
        "duration_s": result.duration_s,
        "shortest_s": lengths_s[0],
        "median_s": statistics.median(lengths_s),
        "longest_s": lengths_s[-1],
        "lengths": length_bins(lengths_s),
        "sources": [_source(source) for source in result.sources],
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


def _summary(result: SliceResult, limit_s: float) -> str:
    """What the user reads at the end."""
    kept_s = sum(result.lengths_s)
    recordings = f"{len(result.sources)} recording{'s' if len(result.sources) > 1 else ''}"
    return (
        f"{length_histogram(result.lengths_s, limit_s=limit_s)}\n"
        f"{result.folder}: {len(result.lengths_s)} slices of {recordings}, {format_audio(kept_s)} of "
        f"{format_audio(result.duration_s)}; {format_audio(result.duration_s - kept_s)} of silence left out\n"
        f"next: sovits prep {result.folder} --lang en"
    )
