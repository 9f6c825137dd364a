"""Steps that work on the recording itself, without a model: its length and digest, its timed phones, its mixed audio.

    RecordingStep   length and digest; too short and too long ones are left out
    AlignmentStep   a sidecar `<stem>.phones` is copied to `8-phones/`
    AudioStep       32 kHz mono int16 at the official loudness, for `5-wav32k/`

A recording is opened three times, whatever the version: for its header, for the bytes of its digest, and to be decoded,
once for all steps that listen to it (`mixed_samples`). One that did not change since an earlier run is not opened.
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
from sovits_cli.prep.step_runner import Clip, PrepStep
from sovits_cli.terms import DATASET_RATE_HZ

ROUNDING_S = 0.01
"""A slice of exactly `max_sec` may be a sample longer at another rate."""

SIDECAR_SUFFIX = ".phones"

AUDIO_REVISION = 1
"""Raised when the same recording gives other samples."""

MIX_PEAK = 0.95
MIX_SHARE = 0.5
MAX_PEAK = 2.2
"""Recordings that peak higher are broken, as the official program has it."""

SILENT_PEAK = 1e-4
"""Below -80 dB there is only noise, which the mix would lift to full scale."""

_INT16 = 1 << 15


@dataclass(frozen=True)
class RecordingInfo:
    """Digest of a recording's bytes, and seconds of its audio."""

    digest: str
    seconds: float


class RecordingStep(PrepStep[RecordingInfo]):
    """Keyed by size and time of change, so that files that did not change are not read again."""

    name = "recordings"

    def __init__(self, min_sec: float, max_sec: float) -> None:
        self._min_sec = min_sec
        self._max_sec = max_sec

    def key(self, clip: Clip) -> str:
        """Path, size and time of change."""
        path = clip.row.path
        try:
            state = path.stat()
        except OSError as error:
            raise AudioError(f"cannot read {path}: {error.strerror}") from error
        return digest_of_values(str(path), state.st_size, state.st_mtime_ns)

    def recall(self, clip: Clip, row: Any) -> bool:
        """Take digest and length from the log."""
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

    def _take(self, clip: Clip, info: RecordingInfo) -> None:
        clip.digest, clip.seconds = info.digest, info.seconds
        if info.seconds < self._min_sec:
            raise AudioError(f"{info.seconds:.2f} s, expected at least {self._min_sec:g} s")
        if info.seconds > self._max_sec + ROUNDING_S:
            raise AudioError(f"{info.seconds:.1f} s, over max_sec {self._max_sec:g}: cut it into slices")


class AlignmentStep(PrepStep[bytes | None]):
    """Copies a sidecar, and removes a copy whose sidecar is gone. Recordings without one are none the worse.

    Args:
        experiment: the dataset.
        source: the experiment folder that is read, if any.
    """

    name = "alignments"

    def __init__(self, experiment: Experiment, source: Experiment | None) -> None:
        self._experiment = experiment
        self._source = source

    def key(self, clip: Clip) -> str:
        """The bytes of the sidecar; empty without one."""
        path = self._sidecar(clip)
        try:
            return digest_of_file(path) if path.is_file() else ""
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:  # the recording's own name just fits
                return ""
            raise DatasetError(f"cannot read {path}: {error.strerror}") from error

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
        with atomic(target, follow_links=False) as temporary:
            temporary.write_bytes(prepared)

    def _sidecar(self, clip: Clip) -> Path:
        if self._source is not None:
            return self._source.phones_path(clip.name)
        return clip.row.path.with_suffix(SIDECAR_SUFFIX)


# GPT-SoVITS, prepare_datasets/2-get-hubert-wav32k.py, `name2go`, with x the recording at 32 kHz and p its peak:
#
#     y = 0.95 / p * 0.5 * x + 0.5 * x          half at a peak of 0.95, half as it is
#
# (there both terms times 32768, cast to int16; for the encoder the same with 1145.14 in the place of 32768). Unlike
# there, what exceeds int16 is clipped (it wraps around), a silent recording is refused, and the resampler is soxr's,
# not ffmpeg's.
def mixed_samples(clip: Clip) -> np.ndarray:
    """Samples (T,) at 32 kHz, float32, full scale 1.0, at the official loudness; decoded once for a pass.

    Audio of an experiment folder is mixed already. Raises AudioError: unreadable, silent, or far over full scale.
    """
    if clip.samples is None:
        clip.samples = _decode(clip)
    return clip.samples


def _decode(clip: Clip) -> np.ndarray:
    samples, _ = read_audio(clip.row.path, rate=DATASET_RATE_HZ, mono=True)
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < SILENT_PEAK:
        raise AudioError("silent")
    if peak > MAX_PEAK:
        raise AudioError(f"peak {peak:.1f} times full scale, expected at most {MAX_PEAK}")
    if clip.row.existing:
        return samples
    return np.asarray((MIX_PEAK * MIX_SHARE / peak + (1 - MIX_SHARE)) * samples, dtype=np.float32)


def to_int16(samples: np.ndarray) -> np.ndarray:
    """Cut floats down to int16 as the official program does (towards zero), any shape, clipped at full scale."""
    return np.clip(samples * np.float32(_INT16), -_INT16, _INT16 - 1).astype(np.int16)


class AudioStep(PrepStep[None]):
    """Written in the worker threads: nothing of it needs an order."""

    name = "audio"

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment

    def key(self, clip: Clip) -> str:
        """The recording, and whether it is mixed already."""
        return digest_of_values(self.name, AUDIO_REVISION, clip.digest, clip.row.existing is not None)

    def recall(self, clip: Clip, row: Any) -> bool:  # noqa: ARG002 - the result is a file
        """Tell whether the file is there."""
        return self._experiment.wave_path(clip.name).is_file()

    def prepare(self, clip: Clip) -> None:
        """Decode, mix and write; in WAV form whatever the suffix, as names are keys."""
        target = self._experiment.wave_path(clip.name)
        samples = mixed_samples(clip)
        if target.exists() and target.samefile(clip.row.path):
            return
        with atomic(target, follow_links=False) as temporary:
            temporary.write_bytes(_wav_bytes(to_int16(samples)))

    def finish(self, clip: Clip, prepared: None) -> Any:
        """Nothing is left to do."""


def _wav_bytes(samples: np.ndarray) -> bytes:
    """Samples (T,) int16 as the bytes of a mono WAV file at 32 kHz."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as handle:
        handle.setnchannels(1)
        handle.setsampwidth(2)
        handle.setframerate(DATASET_RATE_HZ)
        handle.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()
