"""Writing audio files, block by block: wav, flac, mp3, ogg and opus. A file appears whole or not at all, or grows.

Encoding failures become AudioError, or ResourceError for the disk, here. Knows nothing of what the audio is for.
Samples are never normalised; blocks are (T, channels), full scale 1.0.
"""

from __future__ import annotations

import os
import shutil
import struct
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import numpy as np
import soundfile

from sovits_cli.audio.reader import as_float, as_int16, libsndfile_name
from sovits_cli.audio.resampling import Resampler
from sovits_cli.errors import AudioError, ResourceError, UsageError
from sovits_cli.files import atomic, growing, write_error

_MP3_RATES: Final = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_OPUS_RATES: Final = (8_000, 12_000, 16_000, 24_000, 48_000)
_MAX_WAV_BYTES: Final = (1 << 32) - (1 << 16)  # lengths in its header have 32 bits
_MAX_WRITE_FRAMES: Final = {"OGG": 1 << 14, "MP3": 1 << 14}  # the encoders put a whole write on their stack


class _Encoding(NamedTuple):
    """A file format that can be written. No `rates`: any rate. `tail_s` of silence goes to the end."""

    format: str
    subtype: str
    rates: tuple[int, ...] = ()
    tail_s: float = 0.0


ENCODINGS: Final = {
    ".wav": _Encoding("WAV", "PCM_16"),
    ".flac": _Encoding("FLAC", "PCM_16"),
    ".mp3": _Encoding("MP3", "MPEG_LAYER_III", _MP3_RATES),
    ".ogg": _Encoding("OGG", "VORBIS"),
    ".opus": _Encoding("OGG", "OPUS", _OPUS_RATES, tail_s=0.02),  # libsndfile 1.2.2 garbles the last milliseconds
}


def check_audio_suffix(path: Path) -> None:
    """Refuse a name that `AudioWriter` would refuse, before any work. Raises UsageError."""
    _encoding(path)


class AudioWriter:
    """An audio file being written, by suffix: wav, flac, mp3, ogg, opus. It appears whole or not at all.

    Use as a context manager. mp3 and opus know only some rates: others are resampled to the next one they know.

    Args:
        path: where it appears at the end; its folder is made.
        rate: sample rate of the blocks.
        channels: channels of the blocks.
        subtype: libsndfile's name of the sample format, default 16 bit (or the codec of the suffix).
        grows: write it in sight, at `files.partial(path)`, where what was written stays if the body raises or the
            process is killed, and can be played after each `update_header`; nothing stays if nothing was written.

    Raises:
        UsageError: unknown suffix, or more than 4 GiB of wav.
        AudioError: samples are NaN or infinite, or such that the encoder refuses.
        ResourceError: the disk is full or not writable.
    """

    def __init__(
        self, path: Path, *, rate: int, channels: int, subtype: str | None = None, grows: bool = False
    ) -> None:
        self._path = path
        self._channels = channels
        self._encoding = _encoding(path)
        self._subtype = subtype or self._encoding.subtype
        self._rate = _written_rate(rate, self._encoding.rates)
        self._resampler = Resampler(rate, self._rate, channels) if rate != self._rate else None
        self._grows = grows
        self._stack = ExitStack()
        self.frames = 0

    def __enter__(self) -> AudioWriter:
        with ExitStack() as stack:
            temporary = stack.enter_context((growing if self._grows else atomic)(self._path))
            temporary.touch()  # Python says why a folder cannot be written; libsndfile does not
            handle = self._guarded(
                soundfile.SoundFile, libsndfile_name(temporary), "w", self._rate, self._channels, self._subtype,
                format=self._encoding.format,
            )  # fmt: skip
            handle.flush = _no_sync
            stack.callback(handle.close)
            self._temporary, self._handle = temporary, handle
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if error is not None:
            try:
                self._stack.__exit__(kind, error, trace)
            finally:
                if not self.frames:
                    with suppress(OSError):
                        self._temporary.unlink(missing_ok=True)
            return
        with self._stack:
            if self._resampler:
                self._encode(self._resampler.flush())
            self._encode(np.zeros((round(self._encoding.tail_s * self._rate), self._channels), np.float32))
            self._guarded(self._handle.close)
            self._check_written()

    def write(self, block: np.ndarray) -> None:
        """Append a block, (T, channels) or (T,) if mono: floats, or int16 / int32 as they are."""
        block = block.reshape(-1, self._channels)
        if block.dtype.kind == "f" and not np.isfinite(block).all():
            raise AudioError(f"cannot write {self._path}: the audio holds NaN or infinite samples")
        self._encode(self._resampler.feed(as_float(block)) if self._resampler else block)

    def update_header(self) -> None:
        """Renew the header: what was written so far can then be played, should nothing follow."""
        try:
            _update_header(self._temporary, self.frames)
        except OSError as error:
            raise write_error(self._path, error) from error

    def _encode(self, block: np.ndarray) -> None:
        if self._encoding.format in _MAX_WRITE_FRAMES:
            block = as_float(block)  # libsndfile 1.2.2 makes noise of stereo int16 in mp3
        elif self._subtype == "PCM_16" and block.dtype.kind == "f":
            block = as_int16(block)
        if self._encoding.format == "WAV" and (self.frames + len(block)) * self._frame_bytes > _MAX_WAV_BYTES:
            raise UsageError(f"cannot write {self._path}: wav ends at 4 GiB", hint="use a name that ends in .flac")
        chunk = _MAX_WRITE_FRAMES.get(self._encoding.format, len(block)) or 1
        for start in range(0, len(block), chunk):
            self._guarded(self._handle.write, block[start : start + chunk])
        self.frames += len(block)

    @property
    def _frame_bytes(self) -> int:
        return self._channels * {"PCM_16": 2, "PCM_24": 3, "DOUBLE": 8}.get(self._subtype, 4)

    def _guarded(self, action: Any, *args: Any, **kwargs: Any) -> Any:
        """Call into libsndfile, and turn its failures into our errors."""
        try:
            return action(*args, **kwargs)
        except soundfile.LibsndfileError as error:
            if error.code == 2:  # "system error": the write itself failed
                raise self._disk_error() from error
            raise AudioError(f"cannot write {self._path}: {error.error_string.strip(' .')}") from error

    def _check_written(self) -> None:
        """Read the header back: encoders that write their last pages on closing do not say when that fails."""
        if self._encoding.format == "WAV":  # which holds nothing back
            return
        try:
            found = soundfile.info(libsndfile_name(self._temporary)).frames
        except soundfile.LibsndfileError as error:
            raise self._disk_error() from error
        if self.frames and abs(found - self.frames) > self._rate:
            raise self._disk_error()

    def _disk_error(self) -> ResourceError:
        folder = self._temporary.parent
        free_mib = shutil.disk_usage(folder).free / (1 << 20)
        return ResourceError(
            f"cannot write {self._path}: the disk took no more data ({free_mib:.1f} MiB free)",
            hint=f"free some space: df -h {folder}",
        )


def _no_sync() -> None:
    """Replace soundfile's flush, which its close calls: that waits for the disk, for every single slice."""


def _encoding(path: Path) -> _Encoding:
    try:
        return ENCODINGS[path.suffix.lower()]
    except KeyError:
        known = ", ".join(ENCODINGS)
        raise UsageError(
            f"cannot write {path}: the name must end in one of {known}", hint=f"use {path.stem or 'out'}.wav"
        ) from None


def _written_rate(rate: int, known: tuple[int, ...]) -> int:
    """The rate itself if the encoder knows it, else the next higher one, else its highest."""
    return rate if not known or rate in known else next((one for one in known if one > rate), known[-1])


# Where the header of a file says how long the file is. An encoder writes it on closing; the file of one that was killed
# would say that it is empty. ogg and opus need no such thing: their streams can be played as far as they go.
#
#     wav   0  "RIFF"  bytes after this  "WAVE"
#           12 "fmt "  16, or more       ...
#           .. "data"  bytes after this  samples
#     flac  0  "fLaC"  4: type and length of STREAMINFO
#           8  smallest, largest block in samples, 16 bits each, then smallest, largest frame in bytes, 24 bits each
#           18 rate (20 bits), channels - 1 (3), bits a sample - 1 (5), samples in all (36): 64 bits
#     mp3   0  FF, then of the first frame, which the encoder left empty: version, rate, channels
#           .. after as much side information as these have: "Xing", 1 (a count follows), frames of samples in all
_HEADER_BYTES = 12
_CHUNK_BYTES = 8
_FLAC_BLOCK, _FLAC_LENGTH = 10, 18
_FLAC_LENGTH_BITS = 36
_MP3_SIDE_BYTES = {(True, True): 17, (True, False): 32, (False, True): 9, (False, False): 17}
"""Bytes of side information, by: MPEG 1 (or a later version), mono (or stereo)."""


def _update_header(path: Path, frames: int) -> None:
    """Let the header say the length that the file has now; the writer may go on. Formats without one are left alone.

    Args:
        path: the file.
        frames: samples a channel that were given to its writer.
    """
    with path.open("r+b", buffering=0) as file:
        start = file.read(4)
        if start == b"RIFF":
            _update_wav(file, os.fstat(file.fileno()).st_size)
        elif start == b"fLaC":
            _update_flac(file, frames)
        elif start[:1] == b"\xff" and len(start) == 4:
            _update_mp3(file, frames, is_mpeg1=start[1] & 0x18 == 0x18, is_mono=start[3] & 0xC0 == 0xC0)


def _update_wav(file: IO[bytes], size: int) -> None:
    offset = _HEADER_BYTES
    while offset + _CHUNK_BYTES <= size:
        file.seek(offset)
        name, length = struct.unpack("<4sI", file.read(_CHUNK_BYTES))
        if name == b"data":
            _write_at(file, offset + 4, struct.pack("<I", size - offset - _CHUNK_BYTES))
            _write_at(file, 4, struct.pack("<I", size - _CHUNK_BYTES))
            return
        offset += _CHUNK_BYTES + length + length % 2


def _update_flac(file: IO[bytes], frames: int) -> None:
    """Count whole blocks only: the encoder holds the last one back until it knows more."""
    file.seek(_FLAC_BLOCK)
    (block,) = struct.unpack(">H", file.read(2))
    file.seek(_FLAC_LENGTH)
    (packed,) = struct.unpack(">Q", file.read(8))
    whole = max(0, frames - 1) // block * block
    _write_at(file, _FLAC_LENGTH, struct.pack(">Q", packed >> _FLAC_LENGTH_BITS << _FLAC_LENGTH_BITS | whole))


def _update_mp3(file: IO[bytes], frames: int, *, is_mpeg1: bool, is_mono: bool) -> None:
    offset = 4 + _MP3_SIDE_BYTES[is_mpeg1, is_mono]
    file.seek(offset)
    if file.read(4) in {b"\0\0\0\0", b"Xing"}:  # else it is sound
        _write_at(file, offset, struct.pack(">4sII", b"Xing", 1, frames // (1152 if is_mpeg1 else 576)))


def _write_at(file: IO[bytes], offset: int, data: bytes) -> None:
    file.seek(offset)
    file.write(data)
