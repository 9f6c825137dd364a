"""Slicing recordings: recordings in, a folder of slices and its manifest out.

Each recording is read twice, side by side: once to find the spans, and a little behind that, on another thread, to copy
them. So memory is the same for a minute and for ten hours, and neither waits for the other.

    AudioReader -> SilenceSlicer -> (SliceJoiner) -> SliceWriter -> SliceFolder
      blocks         spans           longer spans     wav files      slices.jsonl, gaps.jsonl
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from sovits_cli.audio.loudness import LoudnessMix
from sovits_cli.audio.reader import AudioReader, as_mono
from sovits_cli.audio.slice_manifest import SliceFolder, gap_row, slice_row
from sovits_cli.audio.slice_writer import SliceFormat, SliceWriter, WrittenSlice, block_frames
from sovits_cli.audio.slicer import SilenceSlicer, SliceJoiner, SlicerParams
from sovits_cli.config.schema import SliceSettings
from sovits_cli.errors import AudioError, SovitsError, UsageError, contained, nothing_done
from sovits_cli.events import Note, Progress, Reporter, Silent, Skipped, Warned
from sovits_cli.files import real_path
from sovits_cli.locks import held
from sovits_cli.terms import Span

_DEFAULTS = SliceSettings()
_SILENT = Silent()
_REPORT_EVERY_S = 0.2


@dataclass(frozen=True)
class SlicedRecording:
    """What became of one recording. Lengths in seconds; `replaced` counts slices of an earlier run."""

    source: Path
    rate: int
    channels: int
    duration_s: float
    lengths_s: tuple[float, ...]
    replaced: int


@dataclass(frozen=True)
class SliceResult:
    """What `slice_recordings` did."""

    folder: Path
    sources: tuple[SlicedRecording, ...]

    @property
    def lengths_s(self) -> tuple[float, ...]:
        """The length of every slice."""
        return tuple(length for source in self.sources for length in source.lengths_s)

    @property
    def duration_s(self) -> float:
        """The length of all recordings."""
        return sum(source.duration_s for source in self.sources)


def slice_recordings(
    inputs: Sequence[Path | str], settings: SliceSettings = _DEFAULTS, *, reporter: Reporter = _SILENT
) -> SliceResult:
    """Slice recordings, and those directly in folders, into `settings.out` with its manifest (see slice_manifest.py).

    What cannot be sliced is reported as Skipped and the rest is done; the slices of a recording appear together.

    Args:
        inputs: recordings, or folders of them, whose sub-folders are not searched.
        settings: where to cut, what slices are made of, and where they go.
        reporter: takes the events.

    Raises:
        InputError: none of the inputs could be sliced.
        UsageError: settings that contradict each other, or `settings.out` among the inputs.
        ResourceError: the disk, or another process works in `settings.out`.
    """
    job = _SliceJob(_slicer_params(settings), _slice_format(settings), reporter)
    recordings = _find_recordings(map(Path, inputs), settings.out, reporter)
    with held(settings.out):
        return job.run(recordings, SliceFolder(settings.out))


def _slicer_params(settings: SliceSettings) -> SlicerParams:
    return SlicerParams(
        threshold_db=settings.threshold,
        min_length_ms=settings.min_length,
        min_interval_ms=settings.min_interval,
        hop_ms=settings.hop_size,
        max_sil_kept_ms=settings.max_sil_kept,
        max_s=settings.max_sec,
        target_s=settings.target_sec,
    )


def _slice_format(settings: SliceSettings) -> SliceFormat:
    """With a loudness mix if either of its numbers is given; the other is then the official one."""
    mix = {name: value for name, value in (("max", settings.max), ("alpha", settings.alpha)) if value is not None}
    return SliceFormat(rate=settings.rate, mono=settings.mono, loudness=LoudnessMix(**mix) if mix else None)


@dataclass(frozen=True)
class _SliceJob:
    params: SlicerParams
    format: SliceFormat
    reporter: Reporter

    def run(self, recordings: Mapping[Path, Path], folder: SliceFolder) -> SliceResult:
        """Slice all recordings (absolute path -> path as given) into one folder."""
        done: list[SlicedRecording] = []
        failures: list[SovitsError] = []

        def fail(path: Path, error: SovitsError) -> None:
            failures.append(error)
            if len(recordings) > 1:
                reason = error.message.replace(str(path), "it")
                self.reporter.emit(Skipped(str(path), reason, error.unforeseen))

        try:
            for number, (source, path) in enumerate(recordings.items()):
                progress = _SliceProgress(self.reporter, path.name, number, len(recordings))
                with contained(partial(fail, path)):
                    done.append(self._slice(source, path, folder, progress))
                    self._report(folder, source, done[-1])
        finally:
            folder.save()
        if not done:
            raise _nothing_sliced(failures)
        return SliceResult(folder.path, tuple(done))

    def _slice(self, source: Path, path: Path, folder: SliceFolder, progress: _SliceProgress) -> SlicedRecording:
        """Slice one recording into a staging folder; its slices move in place when all are there."""
        with AudioReader(path) as reader, folder.staging() as staging:
            info = reader.info
            # Leaving the writer waits for the last copy, so that all slices are there when they move in place.
            with SliceWriter(path, self.format, staging, folder.name(source)) as writer:
                samples = self._find_spans(reader, writer, progress)
            slices = [_slice_row(written, source, info.rate) for written in writer.written]
            spans = [written.span for written in writer.written]
            gaps = [gap_row(source, info.rate, gap) for gap in _gaps(spans, samples)]
            replaced = folder.replace_slices(source, staging, slices, gaps)
        duration_s = samples / info.rate
        progress.update(duration_s, duration_s, len(slices), last=True)
        lengths_s = tuple(span.samples / info.rate for span in spans)
        return SlicedRecording(path, info.rate, info.channels, duration_s, lengths_s, replaced)

    def _find_spans(self, reader: AudioReader, writer: SliceWriter, progress: _SliceProgress) -> int:
        """Hand the spans of a recording to the writer as soon as they are certain; give its length in samples."""
        info, params = reader.info, self.params
        slicer = SilenceSlicer(params, info.rate)
        joiner = None if params.target_s is None else SliceJoiner(params.target_s, info.rate)
        samples = 0
        for block in reader.blocks(block_frames=block_frames(info)):
            samples += len(block)
            spans = slicer.feed(as_mono(block))
            writer.add(spans if joiner is None else joiner.feed(spans))
            progress.update(samples / info.rate, info.duration_s, len(writer.written))
        last = slicer.flush()
        if slicer.silent:
            raise AudioError(
                f"{info.path} is entirely silent: nothing in it is above {params.threshold_db:g} dB",
                code="slice.silent",
                fields={"threshold_db": params.threshold_db, "lower_db": params.threshold_db - 15},
            )
        writer.add(last if joiner is None else [*joiner.feed(last), *joiner.flush()])
        return samples

    def _report(self, folder: SliceFolder, source: Path, sliced: SlicedRecording) -> None:
        if sliced.replaced:
            count = f"{len(sliced.lengths_s)} slices replace {sliced.replaced} of an earlier run"
            self.reporter.emit(Note(f"{sliced.source.name}: {count}"))
        if unlisted := folder.unlisted(source):
            self.reporter.emit(
                Warned(
                    f"{folder.path} holds {unlisted} more files named like slices of {sliced.source.name} that are not "
                    f"in slices.jsonl: left as they are",
                    hint="remove them if they are from an earlier attempt",
                )
            )


class _SliceProgress:
    """Reports progress a few times a second: seconds of one recording, or recordings if there are several."""

    def __init__(self, reporter: Reporter, name: str, number: int, total: int) -> None:
        self._reporter, self._name, self._number, self._total = reporter, name, number, total
        self._reported_s = time.monotonic()

    def update(self, done_s: float, duration_s: float, slices: int, *, last: bool = False) -> None:
        """Report how far this recording is, if it is time."""
        now_s = time.monotonic()
        if now_s - self._reported_s < _REPORT_EVERY_S and not last:
            return
        self._reported_s = now_s
        detail = f"{self._name}: {slices} slices"
        if self._total == 1:
            self._reporter.emit(Progress("slice", min(done_s, duration_s), duration_s, "s", detail))
        else:
            share = min(done_s / duration_s, 1.0)
            self._reporter.emit(Progress("slice", self._number + share, self._total, "files", detail))


def _find_recordings(inputs: Iterable[Path], out_dir: Path, reporter: Reporter) -> dict[Path, Path]:
    """List what to slice, once each: absolute path -> path as given. Folders are not descended into."""
    found: dict[Path, Path] = {}
    for given in inputs:
        if real_path(out_dir) in {real_path(given), real_path(given).parent}:
            raise UsageError(f"{given} lies where the slices go: slices are not sliced again", code="slice.own_output")
        for path in _children(given, reporter) if given.is_dir() else [given]:
            found.setdefault(real_path(path.parent) / path.name, path)
    return found


def _children(folder: Path, reporter: Reporter) -> list[Path]:
    try:
        children = sorted(child for child in folder.iterdir() if not child.name.startswith("."))
    except OSError as error:
        raise AudioError(f"cannot read the folder {folder}: {error.strerror}") from error
    if folders := [child.name for child in children if child.is_dir()]:
        reporter.emit(Note(f"{folder}: sub-folders are not searched ({', '.join(folders[:5])})"))
    return [child for child in children if not child.is_dir()] or [folder]


def _slice_row(written: WrittenSlice, source: Path, rate: int) -> dict[str, object]:
    return slice_row(written.file, source, rate, written.span, asdict(written.level))


def _gaps(spans: Iterable[Span], samples: int) -> Iterator[Span]:
    """Yield what lies between the spans, before the first and after the last."""
    end = 0
    for span in (*spans, Span(samples, samples)):
        if span.start > end:
            yield Span(end, span.start)
        end = span.end


def _nothing_sliced(failures: Sequence[SovitsError]) -> SovitsError:
    first = failures[0]
    if len(failures) == 1:
        return first
    message = f"none of {len(failures)} files could be sliced; the first: {first.message}"
    return nothing_done(AudioError(message, **first.advice), failures)
