"""Copying spans of a recording into wav files: exactly as they are, or at another rate, in mono, at another loudness.

Knows nothing of where to cut or what the files are called. Never holds more than a block.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
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


@dataclass(frozen=True)
class SliceFormat:
    """What clips are made of: all None and False is sample for sample what the source holds.

    Anything else gives 16 bit; `rate=32000, mono=True` is the form of the official program.
    """

    rate: int | None = None
    mono: bool = False
    loudness: LoudnessMix | None = None

    @property
    def exact(self) -> bool:
        """Whether clips are the samples of the source."""
        return self.rate is None and not self.mono and self.loudness is None

    def clip_rate(self, source_rate: int) -> int:
        """The rate of clips of a source."""
        return self.rate or source_rate


class SpanCopier:
    """Copies spans of one source, in order, each into a file. Use as a context manager."""

    def __init__(self, path: Path, form: SliceFormat) -> None:
        self._source = AudioReader(path)
        self._form = form

    def __enter__(self) -> SpanCopier:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()

    def cut(self, span: Span, target: Path) -> Level:
        """Write one span to a wav file; give the level of what was written."""
        info = self._source.info
        blocks = self._source.blocks(block_frames=block_frames(info), span=span)
        if self._form.exact:
            # Lossy formats decode to floats: rounded here, so that the clip is the same as any other 16 bit copy.
            samples = map(as_int16, blocks) if info.lossy else blocks
            return _write(target, info.rate, info.channels, info.wav_subtype, samples)
        channels = 1 if self._form.mono else info.channels
        rate = self._form.clip_rate(info.rate)
        changed = self._changed(blocks, info, rate, channels)
        if self._form.loudness is None:
            return _write(target, rate, channels, "PCM_16", changed)
        with tempfile.TemporaryFile(dir=target.parent) as spool:
            mixed = _mixed(changed, spool, self._form.loudness.gain, channels)
            return _write(target, rate, channels, "PCM_16", mixed)

    def _changed(self, blocks: Iterable[np.ndarray], info: AudioInfo, rate: int, channels: int) -> Iterator[np.ndarray]:
        resampler = Resampler(info.rate, rate, channels)
        for block in blocks:
            floats = as_mono(block)[:, None] if self._form.mono else as_float(block)
            yield resampler.feed(floats)
        yield resampler.flush()


def block_frames(info: AudioInfo) -> int:
    """Choose a block length that takes the same memory whatever the number of channels."""
    return max(1, _BLOCK_SAMPLES // info.channels)


def _write(target: Path, rate: int, channels: int, subtype: str, blocks: Iterable[np.ndarray]) -> Level:
    level = LevelMeter()
    with AudioWriter(target, rate=rate, channels=channels, subtype=subtype) as out:
        for block in blocks:
            level.add(as_float(block))
            out.write(block)
    return level.level


def _mixed(
    blocks: Iterable[np.ndarray], spool: IO[bytes], gain: Callable[[float], float], channels: int
) -> Iterator[np.ndarray]:
    """Yield the blocks again, times the gain that follows from the peak of all of them; they wait on the disk."""
    level = LevelMeter()
    try:
        for block in blocks:
            level.add(block)
            spool.write(np.ascontiguousarray(block, np.float32).tobytes())
        spool.seek(0)
    except OSError as error:
        raise write_error(Path(str(spool.name)), error) from error
    factor = np.float32(gain(level.peak))
    while data := spool.read(BLOCK_FRAMES * channels * 4):
        yield np.frombuffer(data, np.float32).reshape(-1, channels) * factor
