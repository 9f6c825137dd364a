"""Words everybody uses. Plain data; imports nothing of ours and no torch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Stage(StrEnum):
    """The trainings. `content` is only for models with their own content encoder."""

    CONTENT = "content"
    GPT = "gpt"
    SOVITS = "sovits"


class Precision(StrEnum):
    """Number formats of training, named as Lightning names them."""

    FULL = "32"
    HALF = "16-mixed"
    BF16 = "bf16-mixed"


class Span(NamedTuple):
    """A stretch of audio: samples `start` (included) to `end` (excluded), at the rate of the source."""

    start: int
    end: int

    @property
    def samples(self) -> int:
        """Length in samples."""
        return self.end - self.start


@dataclass(frozen=True)
class SpectrogramSpec:
    """A magnitude spectrogram: reflect padding of (n_fft - hop) / 2, Hann window of n_fft, not centred."""

    sample_rate: int
    n_fft: int
    hop: int

    @property
    def bins(self) -> int:
        """Frequency bins, n_fft / 2 + 1."""
        return self.n_fft // 2 + 1


@dataclass(frozen=True)
class MelSpec(SpectrogramSpec):
    """A log-mel spectrogram on top of the magnitudes (Slaney scale and area, fmin 0, fmax rate / 2)."""

    mels: int


SEMANTIC_RATE_HZ = 25
"""Semantic tokens per second of audio, in every version."""

FRAMES_PER_TOKEN = 2
"""Spectrogram and content frames per semantic token."""

SSL_RATE_HZ = 16_000
"""Sample rate of every content encoder's input."""

DATASET_RATE_HZ = 32_000
"""Sample rate of `5-wav32k/` in the official experiment layout."""

SPEAKER_CHANNELS = 20_480
"""Width of the speaker vectors of every version that takes them."""
