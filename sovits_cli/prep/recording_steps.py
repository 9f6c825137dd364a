"""Step: 32 kHz mono int16 audio at the official loudness, for `5-wav32k/`, and the same mix for the encoders.

The mix is half the recording and half its copy at a peak of 0.95. Unlike the official program, what exceeds int16 is
clipped (there it wraps around), a silent recording is refused, and the resampler is soxr's, not ffmpeg's.
"""

from __future__ import annotations

import errno
import io
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sovits_cli.audio.reader import probe_audio, read_audio
from sovits_cli.data.experiment import Experiment
from sovits_cli.errors import AudioError, DatasetError
from sovits_cli.files import atomic
from sovits_cli.prep.resume_log import digest_of_file, digest_of_values
from sovits_cli.prep.step_runner import Clip, Step
from sovits_cli.terms import DATASET_RATE_HZ

ROUNDING_S = 0.01
"""A slice of exactly `max_sec` may be a sample longer at another rate."""


@dataclass(frozen=True)
class RecordingInfo:
    """Digest of the bytes, and seconds of audio."""

    digest: str
    seconds: float


class RecordingStep(Step[RecordingInfo]):
    """Keyed by size and time of change, so that files that did not change are not read again."""

    name = "recordings"

    def __init__(self, min_sec: float, max_sec: float) -> None:
        self._min_sec = min_sec
        self._max_sec = max_sec

    def key(self, clip: Clip) -> str:
        """Size and time of change."""
        path = clip.row.path
        try:
            state = path.stat()
        except OSError as error:
            raise AudioError(f"cannot read {path}: {error.strerror}") from error
        return digest_of_values(str(path), state.st_size, state.st_mtime_ns)

    def recall(self, clip: Clip, row: Any) -> bool:
        """Take digest and length from the journal."""
        self._take(clip, RecordingInfo(str(row["digest"]), float(row["seconds"])))
        return True

    def prepare(self, clip: Clip) -> RecordingInfo:
        """Read the header, then all bytes."""
        path = clip.row.path
        seconds = probe_audio(path).duration_s
        try:
            return RecordingInfo(digest_of_file(path), seconds)
        except OSError as error:
            raise AudioError(f"cannot read {path}: {error.strerror}") from error

    def finish(self, clip: Clip, prepared: RecordingInfo) -> Any:
        """Check the length."""
        self._take(clip, prepared)
        return {"digest": prepared.digest, "seconds": prepared.seconds}

    def _take(self, clip: Clip, found: RecordingInfo) -> None:
        clip.digest, clip.seconds = found.digest, found.seconds
        if found.seconds < self._min_sec:
            raise AudioError(f"{found.seconds:.2f} s, expected at least {self._min_sec:g} s")
        if found.seconds > self._max_sec + ROUNDING_S:
            raise AudioError(f"{found.seconds:.1f} s, over --max-sec {self._max_sec:g}: cut it with sovits slice")


SIDECAR_SUFFIX = ".phones"


class AlignmentStep(Step[bytes | None]):
    """Copies, and removes a copy whose sidecar is gone. `source`: the experiment folder that is read, if any."""

    name = "alignments"

    def __init__(self, experiment: Experiment, source: Experiment | None) -> None:
        self._experiment = experiment
        self._source = source

    def key(self, clip: Clip) -> str:
        """The bytes of the sidecar."""
        place = self._sidecar(clip)
        try:
            return digest_of_file(place) if place.is_file() else ""
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:  # the recording's own name just fits
                return ""
            raise DatasetError(f"cannot read {place}: {error.strerror}") from error

    def recall(self, clip: Clip, row: Any) -> bool:  # noqa: ARG002 - the result is a file
        """Tell whether the copy is there, or rightly not."""
        return self._experiment.phones_path(clip.name).is_file() == bool(clip.keys[self.name])

    def prepare(self, clip: Clip) -> bytes | None:
        """Read the sidecar."""
        return self._sidecar(clip).read_bytes() if clip.keys[self.name] else None

    def finish(self, clip: Clip, prepared: bytes | None) -> Any:
        """Write the copy."""
        target = self._experiment.phones_path(clip.name)
        if prepared is None:
            target.unlink(missing_ok=True)
            return
        with atomic(target, follow_links=False) as place:
            place.write_bytes(prepared)

    def _sidecar(self, clip: Clip) -> Path:
        if self._source is not None:
            return self._source.phones_path(clip.name)
        return clip.row.path.with_suffix(SIDECAR_SUFFIX)


REVISION = 1
"""Raised when the same recording gives other samples."""

PEAK = 0.95
COPY_SHARE = 0.5
LOUDEST_PEAK = 2.2
"""Recordings that peak higher are broken, as the official program has it."""

SILENT_PEAK = 1e-4
"""Below -80 dB there is only noise, which the mix would lift to full scale."""

_INT16 = 1 << 15


def mixed(clip: Clip) -> np.ndarray:
    """Samples (T,) at 32 kHz, float32, full scale 1.0, at the official loudness.

    Audio of an experiment folder is mixed already. Raises AudioError: unreadable, silent, or far over full scale.
    """
    samples, _ = read_audio(clip.row.path, rate=DATASET_RATE_HZ, mono=True)
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < SILENT_PEAK:
        raise AudioError("silent")
    if peak > LOUDEST_PEAK:
        raise AudioError(f"peak {peak:.1f} times full scale, expected at most {LOUDEST_PEAK}")
    if clip.row.ready:
        return samples
    return np.asarray((PEAK * COPY_SHARE / peak + (1 - COPY_SHARE)) * samples, dtype=np.float32)


def to_int16(samples: np.ndarray) -> np.ndarray:
    """Cut floats down to int16 as the official program does (towards zero), clipped at full scale."""
    return np.clip(samples * np.float32(_INT16), -_INT16, _INT16 - 1).astype(np.int16)


class AudioStep(Step[None]):
    """Written in the worker threads: nothing of it needs an order."""

    name = "audio"

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment

    def key(self, clip: Clip) -> str:
        """The recording, and whether it is mixed already."""
        return digest_of_values(self.name, REVISION, clip.digest, clip.row.ready is not None)

    def recall(self, clip: Clip, row: Any) -> bool:  # noqa: ARG002 - the result is a file
        """Tell whether the file is there."""
        return self._experiment.wave_path(clip.name).is_file()

    def prepare(self, clip: Clip) -> None:
        """Decode, mix and write; in WAV form whatever the suffix, as names are keys."""
        target = self._experiment.wave_path(clip.name)
        samples = mixed(clip)
        if target.exists() and target.samefile(clip.row.path):
            return
        with atomic(target, follow_links=False) as place:
            place.write_bytes(_wav_bytes(to_int16(samples)))

    def finish(self, clip: Clip, prepared: None) -> Any:
        """Nothing is left to do."""


def _wav_bytes(samples: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as handle:
        handle.setnchannels(1)
        handle.setsampwidth(2)
        handle.setframerate(DATASET_RATE_HZ)
        handle.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()
