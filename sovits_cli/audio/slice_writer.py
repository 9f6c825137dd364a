"""Copying spans of a recording into wav files: exactly as they are, or at another rate, in mono, at another loudness.

Knows nothing of where to cut. Never holds more than a block.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from sovits_cli.audio.loudness import Level, LevelMeter, LoudnessMix
from sovits_cli.audio.reader import BLOCK_FRAMES, AudioInfo, AudioReader, as_float, as_int16, as_mono
from sovits_cli.audio.resampling import Resampler
from sovits_cli.audio.writer import AudioWriter
from sovits_cli.files import write_error
from sovits_cli.terms import Span

_BLOCK_SAMPLES = 1 << 19
"""Two megabytes of floats: smaller blocks spend the time on handing the interpreter from thread to thread."""

_MAX_WAITING = 8
"""Spans found but not yet copied: more would only push the recording out of the file cache."""


@dataclass(frozen=True)
class SliceFormat:
    """What slices are made of: all None and False is sample for sample what the recording holds.

    Anything else gives 16 bit; `rate=32000, mono=True` is the format of the official program.
    """

    rate: int | None = None
    mono: bool = False
    loudness: LoudnessMix | None = None

    @property
    def exact(self) -> bool:
        """Whether slices are the samples of the recording."""
        return self.rate is None and not self.mono and self.loudness is None

    def slice_rate(self, source_rate: int) -> int:
        """The rate of the slices of a recording."""
        return self.rate or source_rate


@dataclass(frozen=True, slots=True)
class WrittenSlice:
    """A slice on the disk: its file name, its span in the recording, its level."""

    file: str
    span: Span
    level: Level


class SliceWriter:
    """Copies spans of one recording on a thread of its own, in order, a little behind whoever finds them.

    Use as a context manager: leaving it waits for the last span. The recording is opened a second time for it, since
    both threads read from front to back:

        finder   |-------block-------|-------block-------|-------block--->
        copier       |--span 1--|  |------span 2------|            (at most `_MAX_WAITING` spans behind)

    Args:
        path: the recording.
        format: what the slices are made of.
        folder: where they go.
        name: what their file names begin with.
    """

    def __init__(self, path: Path, format: SliceFormat, folder: Path, name: str) -> None:  # noqa: A002 - its word
        self._reader = AudioReader(path)
        self._format, self._folder, self._name = format, folder, name
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="slices")
        self._waiting: deque[Future[WrittenSlice]] = deque()
        self.written: list[WrittenSlice] = []

    def __enter__(self) -> SliceWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._collect(leave=0)
        finally:
            self._pool.shutdown(cancel_futures=True)
            self._reader.close()

    def add(self, spans: Iterable[Span]) -> None:
        """Queue spans, in order; wait if the copying is far behind."""
        self._waiting += [self._pool.submit(self._copy, span) for span in spans]
        self._collect(leave=_MAX_WAITING)

    def _collect(self, leave: int) -> None:
        while len(self._waiting) > leave:
            self.written.append(self._waiting.popleft().result())

    def _copy(self, span: Span) -> WrittenSlice:
        """Copy one span. Its file is named as by the official slicer, with samples at the rate of the slices."""
        rate = self._reader.info.rate
        scale = self._format.slice_rate(rate) / rate
        start, end = (round(sample * scale) for sample in span)
        file = f"{self._name}_{start:010d}_{end:010d}.wav"
        return WrittenSlice(file, span, self._write(span, self._folder / file))

    def _write(self, span: Span, target: Path) -> Level:
        info = self._reader.info
        blocks = self._reader.blocks(block_frames=block_frames(info), span=span)
        if self._format.exact:
            # Lossy formats decode to floats: rounded here, so that the slice is the same as any other 16 bit copy.
            samples = map(as_int16, blocks) if info.lossy else blocks
            return _write_wav(target, info.rate, info.channels, info.wav_subtype, samples)
        channels = 1 if self._format.mono else info.channels
        rate = self._format.slice_rate(info.rate)
        converted = self._converted(blocks, info, rate, channels)
        if self._format.loudness is None:
            return _write_wav(target, rate, channels, "PCM_16", converted)
        with tempfile.TemporaryFile(dir=target.parent) as spool:
            mixed = _with_gain(converted, spool, self._format.loudness.gain, channels)
            return _write_wav(target, rate, channels, "PCM_16", mixed)

    def _converted(
        self, blocks: Iterable[np.ndarray], info: AudioInfo, rate: int, channels: int
    ) -> Iterator[np.ndarray]:
        """Blocks (T, channels) float32 at the rate of the slices."""
        resampler = Resampler(info.rate, rate, channels)
        for block in blocks:
            floats = as_mono(block)[:, None] if self._format.mono else as_float(block)
            yield resampler.feed(floats)
        yield resampler.flush()


def block_frames(info: AudioInfo) -> int:
    """Choose a block length that takes the same memory whatever the number of channels."""
    return max(1, _BLOCK_SAMPLES // info.channels)


def _write_wav(target: Path, rate: int, channels: int, subtype: str, blocks: Iterable[np.ndarray]) -> Level:
    meter = LevelMeter()
    with AudioWriter(target, rate=rate, channels=channels, subtype=subtype) as out:
        for block in blocks:
            meter.add(as_float(block))
            out.write(block)
    return meter.level


def _with_gain(
    blocks: Iterable[np.ndarray], spool: IO[bytes], gain: Callable[[float], float], channels: int
) -> Iterator[np.ndarray]:
    """Yield the blocks again, times the gain that follows from the peak of all of them; they wait on the disk."""
    meter = LevelMeter()
    try:
        for block in blocks:
            meter.add(block)
            spool.write(np.ascontiguousarray(block, np.float32).tobytes())
        spool.seek(0)
    except OSError as error:
        raise write_error(Path(str(spool.name)), error) from error
    factor = np.float32(gain(meter.peak))
    while data := spool.read(BLOCK_FRAMES * channels * 4):
        yield np.frombuffer(data, np.float32).reshape(-1, channels) * factor
