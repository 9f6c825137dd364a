"""Headers of files that are still being written: they say how long the file is, and so have to be renewed.

A writer says it when it is done; a file whose writer was killed would say that it is empty. Other formats than these
need no such thing: their streams can be played as far as they go.

    wav   0  "RIFF"  bytes after this  "WAVE"
          12 "fmt "  16, or more       ...
          .. "data"  bytes after this  samples
    flac  0  "fLaC"  4: type and length of STREAMINFO
          8  smallest and largest block in samples, 16 bits each, then smallest and largest frame in bytes, 24 bits each
          18 rate (20 bits), channels - 1 (3), bits a sample - 1 (5), samples in all (36): 64 bits
    mp3   0  FF, then of the first frame, which the encoder left empty: version, rate, channels
          .. after as much side information as these have: "Xing", 1 (a count follows), frames of samples in all
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import IO

_HEADER_BYTES = 12
_CHUNK_BYTES = 8
_FLAC_BLOCK, _FLAC_LENGTH = 10, 18
_FLAC_LENGTH_BITS = 36
_MP3_SIDE_BYTES = {(True, True): 17, (True, False): 32, (False, True): 9, (False, False): 17}
"""For MPEG 1 or later, and mono or not."""


def renew(path: Path, frames: int) -> None:
    """Let the header say the length that the file has now; the writer may go on. Formats without one are left alone.

    Args:
        path: the file.
        frames: that were given to its writer.
    """
    with path.open("r+b", buffering=0) as file:
        start = file.read(4)
        if start == b"RIFF":
            _renew_wav(file, os.fstat(file.fileno()).st_size)
        elif start == b"fLaC":
            _renew_flac(file, frames)
        elif start[:1] == b"\xff" and len(start) == 4:
            _renew_mp3(file, frames, is_mpeg1=start[1] & 0x18 == 0x18, is_mono=start[3] & 0xC0 == 0xC0)


def _renew_wav(file: IO[bytes], size: int) -> None:
    place = _HEADER_BYTES
    while place + _CHUNK_BYTES <= size:
        file.seek(place)
        name, length = struct.unpack("<4sI", file.read(_CHUNK_BYTES))
        if name == b"data":
            _put(file, place + 4, struct.pack("<I", size - place - _CHUNK_BYTES))
            _put(file, 4, struct.pack("<I", size - _CHUNK_BYTES))
            return
        place += _CHUNK_BYTES + length + length % 2


def _renew_flac(file: IO[bytes], frames: int) -> None:
    """Count whole blocks only: the encoder holds the last one back until it knows more."""
    file.seek(_FLAC_BLOCK)
    (block,) = struct.unpack(">H", file.read(2))
    file.seek(_FLAC_LENGTH)
    (packed,) = struct.unpack(">Q", file.read(8))
    whole = max(0, frames - 1) // block * block
    _put(file, _FLAC_LENGTH, struct.pack(">Q", packed >> _FLAC_LENGTH_BITS << _FLAC_LENGTH_BITS | whole))


def _renew_mp3(file: IO[bytes], frames: int, *, is_mpeg1: bool, is_mono: bool) -> None:
    place = 4 + _MP3_SIDE_BYTES[is_mpeg1, is_mono]
    file.seek(place)
    if file.read(4) in {b"\0\0\0\0", b"Xing"}:  # else it is sound
        _put(file, place, struct.pack(">4sII", b"Xing", 1, frames // (1152 if is_mpeg1 else 576)))


def _put(file: IO[bytes], place: int, data: bytes) -> None:
    file.seek(place)
    file.write(data)
