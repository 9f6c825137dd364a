"""Reading audio files: the header, blocks, spans, whole files; whatever libsndfile reads.

    AudioReader    an open file: blocks in the number format that holds its samples exactly
    probe_audio    the header            read_blocks   float blocks of a file
    read_audio     a whole file          read_spans    several stretches of a file in one pass

Samples are never normalised: full scale is 1.0. Decoding failures become AudioError here. Knows nothing of what the
audio is for. Legend: T samples (frames, in the words of libsndfile), whatever the number of channels.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import stat
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile

from sovits_cli.audio.resampling import soxr_resample
from sovits_cli.errors import AudioError
from sovits_cli.terms import Span

BLOCK_FRAMES: Final = 1 << 16

# What a sample format is read as, so that nothing is lost: 8 and 16 bit, A-law and µ-law as int16 (the default); up to
# 32 bit as int32; floats as they are; what a lossy decoder gives as float32.
_LOSSY: Final = {"VORBIS", "OPUS", "MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III"}
_NATIVE: Final = {
    **dict.fromkeys(("PCM_24", "PCM_32", "ALAC_20", "ALAC_24", "ALAC_32", "DWVW_24"), "int32"),
    **dict.fromkeys(("FLOAT", *_LOSSY), "float32"),
    "DOUBLE": "float64",
}
_FULL_32_BIT: Final = {"PCM_32", "ALAC_32"}
_PCM_BYTES: Final = {"PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
_FULL_SCALE_STEP: Final = {np.dtype(np.int16): np.float32(2.0**-15), np.dtype(np.int32): np.float32(2.0**-31)}

# What the log of libsndfile says of the size that the header claims; `sf_open` itself reads on in silence.
_CLAIMED_BYTES: Final = re.compile(r"^\s*(?:data|SSND|Data size)\s*:\s*(\d+)", re.MULTILINE)
_NO_AUDIO: Final = {1, 7}  # error codes: nothing it knows; for an mp3 libsndfile then says "no such file"
_UNKNOWN_BYTES: Final = 0xFFFF_FF00  # and more: what a writer into a pipe puts there
_UNKNOWN_FRAMES: Final = 1 << 60
_STDERR_LOCK: Final = threading.Lock()


@dataclass(frozen=True)
class AudioInfo:
    """What a file says of itself. `frames` may be a little off for mp3; `subtype` is libsndfile's name."""

    path: Path
    rate: int
    channels: int
    frames: int
    format: str
    subtype: str

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.frames / self.rate

    @property
    def lossy(self) -> bool:
        """Whether decoding gives floats that were never stored as numbers."""
        return self.subtype in _LOSSY

    @property
    def wav_subtype(self) -> str:
        """The wav sample format that holds the samples; what was decoded from a lossy file is rounded to 16 bit."""
        if self.lossy or self.native_dtype == "int16":
            return "PCM_16"
        return {"int32": "PCM_32" if self.subtype in _FULL_32_BIT else "PCM_24"}.get(self.native_dtype, self.subtype)

    @property
    def native_dtype(self) -> str:
        """The smallest of int16, int32, float32, float64 that holds every sample exactly."""
        return _NATIVE.get(self.subtype, "int16")


class AudioReader:
    """An open audio file, read from front to back.

    Raises:
        AudioError: it is missing, unreadable, no audio, empty, damaged, cut short, or holds NaN or infinite samples.
    """

    def __init__(self, path: Path) -> None:
        _check_is_file(path)
        self._position = 0
        self._handle = _open(path)
        self.info = AudioInfo(
            path=path,
            rate=self._handle.samplerate,
            channels=self._handle.channels,
            frames=self._handle.frames if self._handle.frames < _UNKNOWN_FRAMES else _count(path),
            format=self._handle.format,
            subtype=self._handle.subtype,
        )
        try:
            _check_length(self.info, self._handle.extra_info)
        except AudioError:
            self.close()
            raise

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._handle.close()

    def blocks(self, *, block_frames: int = BLOCK_FRAMES, span: Span | None = None) -> Iterator[np.ndarray]:
        """Yield what comes next, or `span`, which must not begin before that.

        Blocks are (frames, channels) in `info.native_dtype`, of `block_frames` frames but for the last.
        """
        end = None if span is None else span.end
        if span is not None:
            self._skip_to(span.start)
        while end is None or self._position < end:
            block = self._read(block_frames if end is None else min(block_frames, end - self._position))
            if not len(block):
                break
            yield block
        self._check_end(end)

    def _read(self, frames: int) -> np.ndarray:
        try:
            block: np.ndarray = self._handle.read(frames, dtype=self.info.native_dtype, always_2d=True)
        except soundfile.LibsndfileError as error:
            raise _damaged(self.info.path, "decoding stopped at damaged data") from error
        if block.dtype.kind == "f" and not np.isfinite(block).all():
            raise AudioError(f"{self.info.path} holds NaN or infinite samples")
        self._position += len(block)
        return block

    def _skip_to(self, frame: int) -> None:
        """Move on to a frame. Lossy formats are decoded up to there: their seeking is not exact."""
        assert frame >= self._position
        if not self.info.lossy and frame > self._position:
            self._position = self._handle.seek(min(frame, self.info.frames))
        while self._position < frame and len(self._read(min(frame - self._position, BLOCK_FRAMES))):
            pass

    def _check_end(self, wanted: int | None) -> None:
        """Refuse a file that ended too early. A lossy header is an estimate: a whole file may lack up to a second."""
        expected = self.info.frames if wanted is None else wanted
        tolerance = self.info.rate if self.info.lossy and wanted is None else 0
        if self._position < expected - tolerance:
            rate = self.info.rate
            raise _damaged(
                self.info.path, f"{expected / rate:.2f} s were expected, {self._position / rate:.2f} s can be read"
            )


def probe_audio(path: Path) -> AudioInfo:
    """Read the header of a file. Raises AudioError as `AudioReader` does."""
    with AudioReader(path) as reader:
        return reader.info


def read_blocks(path: Path, *, block_frames: int = BLOCK_FRAMES, span: Span | None = None) -> Iterator[np.ndarray]:
    """Yield float32 blocks (T, channels) of a file, or of `span` of it. Raises AudioError as `AudioReader` does."""
    with AudioReader(path) as reader:
        yield from map(as_float, reader.blocks(block_frames=block_frames, span=span))


def read_audio(
    path: Path, *, rate: int | None = None, mono: bool = False, span: Span | None = None
) -> tuple[np.ndarray, int]:
    """Read a whole file, or a span of it.

    Args:
        path: the file.
        rate: resample to this rate (soxr, high quality); None keeps that of the file.
        mono: average the channels.
        span: only this stretch, in samples of the file.

    Returns:
        Samples (T, channels), or (T,) if `mono`, float32, and their rate.

    Raises:
        AudioError: as `AudioReader`.
    """
    convert = as_mono if mono else as_float
    with AudioReader(path) as reader:
        wave = np.concatenate([convert(block) for block in reader.blocks(span=span)])
        own_rate = reader.info.rate
    return (wave, own_rate) if rate is None else (soxr_resample(wave, own_rate, rate), rate)


def read_spans(path: Path, spans: Sequence[Span]) -> Iterator[np.ndarray]:
    """Yield each of some spans as mono (T,) float32, in one pass; none may begin before the one before it does.

    Memory holds one span. Where spans overlap, what they share is kept and not decoded again:

        span 1   |----------|
        span 2        |-----=======|        - kept    = read
        span 3                 |---====|
    """
    kept, kept_start = np.zeros(0, np.float32), 0
    with AudioReader(path) as reader:
        for span in spans:
            kept = kept[max(span.start - kept_start, 0) :]
            kept_start = span.start
            missing = Span(span.start + len(kept), span.end)
            if missing.samples > 0:
                kept = np.concatenate([kept, *(as_mono(block) for block in reader.blocks(span=missing))])
            yield kept[: span.samples]


def as_float(block: np.ndarray) -> np.ndarray:
    """Convert a native block to float32 with full scale 1.0, any shape; exact up to 24 bits."""
    step = _FULL_SCALE_STEP.get(block.dtype)
    if step is None:
        return block.astype(np.float32, copy=False)
    floats: np.ndarray = np.multiply(block, step, dtype=np.float32, casting="unsafe")
    return floats


def as_mono(block: np.ndarray) -> np.ndarray:
    """Average the channels of a native block: (T, channels) to (T,) float32."""
    floats = as_float(block)
    if floats.shape[1] == 1:
        return floats[:, 0]
    total: np.ndarray = floats[:, 0] + floats[:, 1]  # several times faster than a mean over the short axis
    for channel in range(2, floats.shape[1]):
        total += floats[:, channel]
    total *= np.float32(1 / floats.shape[1])
    return total


def as_int16(block: np.ndarray) -> np.ndarray:
    """Round a float block to int16, any shape, clipped at full scale."""
    scaled = np.rint(block * np.float32(1 << 15))
    return np.clip(scaled, -(1 << 15), (1 << 15) - 1, out=scaled).astype(np.int16)


def conversion_hint(path: Path) -> str:
    """The ffmpeg command that turns a file into one that can be read."""
    target = path.with_suffix(".wav") if path.suffix.lower() != ".wav" else path.with_name(f"{path.stem}-fixed.wav")
    return f"ffmpeg -i {shlex.quote(str(path))} {shlex.quote(str(target))}"


def _count(path: Path) -> int:
    """Count the frames of a file whose header leaves them open: flac written into a pipe."""
    handle = _open(path)
    try:
        frames = 0
        while got := len(handle.read(BLOCK_FRAMES, dtype="int16")):
            frames += got
    except soundfile.LibsndfileError as error:
        raise _damaged(path, "decoding stopped at damaged data") from error
    finally:
        handle.close()
    return frames


def _check_is_file(path: Path) -> None:
    """Tell apart what libsndfile would only call a system error."""
    try:
        state = path.stat()
        if stat.S_ISDIR(state.st_mode):
            raise AudioError(f"{path} is a folder: an audio file was expected")
        if not stat.S_ISREG(state.st_mode):
            raise AudioError(f"{path} is not a regular file: an audio file was expected")
        if state.st_size == 0:
            raise AudioError(f"{path} is empty: an audio file was expected")
        _check_readable(path)
    except FileNotFoundError as error:
        raise AudioError(
            f"{path} does not exist: an audio file was expected", hint=f"ls {shlex.quote(str(path.parent))}"
        ) from error
    except OSError as error:
        raise AudioError(f"cannot read {path}: {error.strerror or error}") from error


def _check_readable(path: Path) -> None:
    path.open("rb").close()


def libsndfile_name(path: Path) -> str | bytes:
    """A file name for soundfile, which takes the bytes of one that is no UTF-8, but not Python's text for them."""
    return str(path) if os.name == "nt" else os.fsencode(path)


def _open(path: Path) -> Any:
    """Open for reading; `.raw` has no header, and soundfile would ask for one."""
    if path.suffix.lower() == ".raw":
        hint = f"ffmpeg -f s16le -ar RATE -ac CHANNELS -i {shlex.quote(str(path))} out.wav"
        raise AudioError(f"{path} is raw audio without a header: wav, flac, mp3, ogg or opus was expected", hint=hint)
    quietly = _stderr_silenced() if path.suffix.lower() == ".mp3" else contextlib.nullcontext()
    try:
        with quietly:
            handle = soundfile.SoundFile(libsndfile_name(path))
    except soundfile.LibsndfileError as error:
        why = "" if error.code in _NO_AUDIO else f" ({error.error_string.strip(' .')})"
        message = f"cannot read {path} as audio{why}: wav, flac, mp3, ogg, opus can be read"
        raise AudioError(message, hint=f"if it is audio of another kind: {conversion_hint(path)}") from error
    # soundfile seeks to where it is after each read of a seekable file, and that makes libmpg123 lose its thread:
    # an mp3 read in blocks would not be the same as read at once.
    handle.seekable = lambda: False
    return handle


@contextlib.contextmanager
def _stderr_silenced() -> Iterator[None]:
    """Keep libmpg123, which has no other switch, from writing to the terminal while it opens a file.

    File descriptor 2 is that of the whole process: it leads nowhere for some milliseconds, for one thread at a time.
    """
    with _STDERR_LOCK:
        try:
            kept = os.dup(2)
        except OSError:  # no stderr at all: nothing to keep quiet
            yield
            return
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(null)


def _check_length(info: AudioInfo, log: str) -> None:
    """Refuse what is empty, and what is shorter than its header claims (libsndfile would read on in silence)."""
    if info.frames == 0:
        raise _damaged(info.path, "it holds no samples")
    claim = _CLAIMED_BYTES.search(log)
    sample_bytes = _PCM_BYTES.get(info.subtype)
    if not claim or not sample_bytes or int(claim[1]) >= _UNKNOWN_BYTES:
        return
    frame_bytes = sample_bytes * info.channels
    header_bytes = 64  # some formats count their own chunk header
    if int(claim[1]) > info.frames * frame_bytes + frame_bytes + header_bytes:
        promised_s = int(claim[1]) / frame_bytes / info.rate
        raise _damaged(info.path, f"its header promises {promised_s:.2f} s, {info.duration_s:.2f} s are there")


def _damaged(path: Path, what: str) -> AudioError:
    return AudioError(f"{path} is damaged or cut short: {what}", hint=f"to use what is left: {conversion_hint(path)}")
