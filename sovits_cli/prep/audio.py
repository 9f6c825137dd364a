"""Step: 32 kHz mono int16 audio at the official loudness, for `5-wav32k/`, and the same mix for the encoders.

The mix is half the recording and half its copy at a peak of 0.95. Unlike the official program, what exceeds int16 is
clipped (there it wraps around), a silent recording is refused, and the resampler is soxr's, not ffmpeg's.
"""

from __future__ import annotations

import io
import wave
from typing import Any

import numpy as np

from sovits_cli.audio import files
from sovits_cli.data.layout import Experiment
from sovits_cli.errors import AudioError
from sovits_cli.files import atomic
from sovits_cli.prep import digests
from sovits_cli.prep.step import Clip, Step
from sovits_cli.terms import DATASET_RATE_HZ

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
    samples, _ = files.read(clip.utterance.path, rate=DATASET_RATE_HZ, mono=True)
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < SILENT_PEAK:
        raise AudioError("silent")
    if peak > LOUDEST_PEAK:
        raise AudioError(f"peak {peak:.1f} times full scale, expected at most {LOUDEST_PEAK}")
    if clip.utterance.ready:
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
        return digests.of_values(self.name, REVISION, clip.digest, clip.utterance.ready is not None)

    def recall(self, clip: Clip, row: Any) -> bool:  # noqa: ARG002 - the result is a file
        """Tell whether the file is there."""
        return self._experiment.wave_path(clip.name).is_file()

    def prepare(self, clip: Clip) -> None:
        """Decode, mix and write; in WAV form whatever the suffix, as names are keys."""
        target = self._experiment.wave_path(clip.name)
        samples = mixed(clip)
        if target.exists() and target.samefile(clip.utterance.path):
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
