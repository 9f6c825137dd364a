"""`slice` as a pipeline: recordings in, a folder of slices and its manifest out.

Each recording is read twice, side by side: once to find the spans, and a little behind that, on another thread, to copy
them. So memory is the same for a minute and for ten hours, and neither waits for the other.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from sovits_cli.audio.loudness import Level
from sovits_cli.audio.reader import AudioReader, as_mono
from sovits_cli.audio.slice_manifest import SliceFolder, gap_row, slice_row
from sovits_cli.audio.slice_writer import SliceFormat, SpanCopier, block_frames
from sovits_cli.audio.slicer import SilenceSlicer, SliceJoiner, SlicerParams
from sovits_cli.errors import AudioError, SovitsError, UnforeseenError, UsageError, contained
from sovits_cli.events import Note, Progress, Reporter, Silent, Skipped, Warned
from sovits_cli.files import real_path
from sovits_cli.locks import held
from sovits_cli.terms import Span

_EXACT = SliceFormat()
_NOBODY = Silent()
_REPORT_EVERY_S = 0.2
_MOST_WAITING = 8
"""Spans found but not yet copied: more would only push the recording out of the file cache."""


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
    inputs: Sequence[Path],
    out_dir: Path,
    params: SlicerParams,
    form: SliceFormat = _EXACT,
    *,
    reporter: Reporter = _NOBODY,
) -> SliceResult:
    """Slice recordings, and those directly in folders, into `out_dir` with its manifest (see slice_folder.py).

    What cannot be sliced is reported as Skipped and the rest is done; the slices of a recording appear together.

    Raises:
        InputError: none of the inputs could be sliced.
        UsageError: parameters that contradict each other, or `out_dir` among the inputs.
        ResourceError: the disk, or another process works in `out_dir`.
    """
    recordings = _recordings(inputs, out_dir, reporter)
    with held(out_dir):
        return _slice_all(recordings, SliceFolder(out_dir), params, form, reporter)


def _slice_all(
    recordings: Mapping[Path, Path], folder: SliceFolder, params: SlicerParams, form: SliceFormat, reporter: Reporter
) -> SliceResult:
    done: list[SlicedRecording] = []
    failed: list[SovitsError] = []

    def fail(path: Path, error: SovitsError) -> None:
        failed.append(error)
        if len(recordings) > 1:
            cause = error.__cause__ if isinstance(error, UnforeseenError) else None
            reporter.emit(Skipped(str(path), error.message.replace(str(path), "it"), cause))

    try:
        for number, (source, path) in enumerate(recordings.items()):
            progress = _SliceProgress(reporter, path.name, number, len(recordings))
            with contained(partial(fail, path)):
                done.append(_slice_one(source, path, folder, params, form, progress))
                _tell(reporter, folder, source, done[-1])
    finally:
        folder.save()
    if not done:
        raise _nothing_done(failed)
    return SliceResult(folder.path, tuple(done))


def _slice_one(
    source: Path, path: Path, folder: SliceFolder, params: SlicerParams, form: SliceFormat, progress: _SliceProgress
) -> SlicedRecording:
    """Slice one recording into a staging folder; its slices move in place when all are there."""
    with AudioReader(path) as reading, SpanCopier(path, form) as cutter, folder.staging() as staging:
        info = reading.info
        slicer = SilenceSlicer(params, info.rate)
        joined = None if params.target_s is None else SliceJoiner(params.target_s, info.rate)
        with _SliceWriter(cutter, staging, folder.name(source), form.clip_rate(info.rate) / info.rate) as copier:
            samples = 0
            for block in reading.blocks(block_frames=block_frames(info)):
                samples += len(block)
                spans = slicer.feed(as_mono(block))
                copier.take(spans if joined is None else joined.feed(spans))
                progress.update(samples / info.rate, info.duration_s, len(copier.clips))
            last = slicer.flush()
            if slicer.silent:
                raise AudioError(
                    f"{path} is entirely silent: nothing in it is above {params.threshold_db:g} dB",
                    hint=f"lower the threshold: --threshold {params.threshold_db - 15:g}",
                )
            copier.take(last if joined is None else [*joined.feed(last), *joined.flush()])
        slices = [slice_row(clip.file, source, info.rate, clip.span, asdict(clip.level)) for clip in copier.clips]
        spans = [clip.span for clip in copier.clips]
        gaps = [gap_row(source, info.rate, gap) for gap in _gaps(spans, samples)]
        replaced = folder.replace_slices(source, staging, slices, gaps)
    duration_s = samples / info.rate
    progress.update(duration_s, duration_s, len(slices), last=True)
    lengths_s = tuple(span.samples / info.rate for span in spans)
    return SlicedRecording(path, info.rate, info.channels, duration_s, lengths_s, replaced)


@dataclass(frozen=True, slots=True)
class _Clip:
    """A slice on the disk, in the staging folder."""

    file: str
    span: Span
    level: Level


class _SliceWriter:
    """Copies spans on a thread of its own, in order, a little behind the search. Leaving it waits for the last."""

    def __init__(self, cutter: SpanCopier, folder: Path, name: str, scale: float) -> None:
        self._cutter, self._folder, self._name, self._scale = cutter, folder, name, scale
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="slices")
        self._waiting: deque[Future[_Clip]] = deque()
        self.clips: list[_Clip] = []

    def __enter__(self) -> _SliceWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._collect(leave=0)
        finally:
            self._pool.shutdown(cancel_futures=True)

    def take(self, spans: Iterable[Span]) -> None:
        """Queue spans; wait if the copying is far behind."""
        self._waiting += [self._pool.submit(self._copy, span) for span in spans]
        self._collect(leave=_MOST_WAITING)

    def _copy(self, span: Span) -> _Clip:
        """Copy one. It is called as the official slicer calls it, with samples at the rate of the clips."""
        start, end = (round(sample * self._scale) for sample in span)
        file = f"{self._name}_{start:010d}_{end:010d}.wav"
        return _Clip(file, span, self._cutter.cut(span, self._folder / file))

    def _collect(self, leave: int) -> None:
        while len(self._waiting) > leave:
            self.clips.append(self._waiting.popleft().result())


class _SliceProgress:
    """Reports progress a few times a second: seconds of one recording, or recordings if there are several."""

    def __init__(self, reporter: Reporter, name: str, number: int, total: int) -> None:
        self._reporter, self._name, self._number, self._total = reporter, name, number, total
        self._told_s = time.monotonic()

    def update(self, done_s: float, duration_s: float, slices: int, *, last: bool = False) -> None:
        """Tell how far this recording is, if it is time."""
        now_s = time.monotonic()
        if now_s - self._told_s < _REPORT_EVERY_S and not last:
            return
        self._told_s = now_s
        detail = f"{self._name}: {slices} slices"
        if self._total == 1:
            self._reporter.emit(Progress("slice", min(done_s, duration_s), duration_s, "s", detail))
        else:
            share = min(done_s / duration_s, 1.0)
            self._reporter.emit(Progress("slice", self._number + share, self._total, "files", detail))


def _recordings(inputs: Iterable[Path], out_dir: Path, reporter: Reporter) -> dict[Path, Path]:
    """List what to slice, once each: absolute path -> path as given. Folders are not descended into."""
    found: dict[Path, Path] = {}
    for given in inputs:
        if real_path(out_dir) in {real_path(given), real_path(given).parent}:
            raise UsageError(
                f"{given} lies where the slices go: slices are not sliced again", hint="name another folder with --out"
            )
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


def _gaps(spans: Iterable[Span], samples: int) -> Iterator[Span]:
    """Yield what lies between the spans, before the first and after the last."""
    end = 0
    for span in (*spans, Span(samples, samples)):
        if span.start > end:
            yield Span(end, span.start)
        end = span.end


def _tell(reporter: Reporter, folder: SliceFolder, source: Path, sliced: SlicedRecording) -> None:
    if sliced.replaced:
        count = f"{len(sliced.lengths_s)} slices replace {sliced.replaced} of an earlier run"
        reporter.emit(Note(f"{sliced.source.name}: {count}"))
    if strangers := folder.unlisted(source):
        reporter.emit(
            Warned(
                f"{folder.path} holds {strangers} more files named like slices of {sliced.source.name} that are not in "
                f"slices.jsonl: left as they are",
                hint="remove them if they are from an earlier attempt",
            )
        )


def _nothing_done(failed: Sequence[SovitsError]) -> SovitsError:
    """What to say where nothing could be sliced: it is our bug only if nothing else went wrong."""
    first = failed[0]
    if len(failed) == 1:
        return first
    kind = SovitsError if all(isinstance(error, UnforeseenError) for error in failed) else AudioError
    told = kind(f"none of {len(failed)} files could be sliced; the first: {first.message}", **first.advice)
    told.__cause__ = first
    return told
