"""How loud audio is (RMS and peak), and the loudness mix of the official slicer. Knows nothing of files."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sovits_cli.errors import UsageError


@dataclass(frozen=True)
class Level:
    """RMS over all channels and highest peak, dB of full scale; None for digital silence."""

    rms_dbfs: float | None
    peak_dbfs: float | None


# Plain levels, as the official slicer goes by them, and not the K-weighted, gated loudness of ITU-R BS.1770 (LUFS):
#
#     rms  = 20 log10 sqrt(sum x^2 / n)     over all samples of all channels; a full-scale sine has -3.01
#     peak = 20 log10 max |x|               of the samples, not of the curve between them ("true peak")
class LevelMeter:
    """Measures the level of a stream: `add` blocks, read `level`."""

    def __init__(self) -> None:
        self._energy = 0.0
        self._count = 0
        self.peak = 0.0

    def add(self, block: np.ndarray) -> None:
        """Take a block of floats, full scale 1.0, any shape."""
        samples = block.reshape(-1)
        if not len(samples):
            return
        self._energy += float(np.square(samples).sum())  # not np.dot, whose threads would take the copying's core
        self._count += len(samples)
        self.peak = max(self.peak, float(samples.max()), -float(samples.min()))

    @property
    def level(self) -> Level:
        """The level so far, rounded to hundredths of a decibel."""
        rms = math.sqrt(self._energy / self._count) if self._count else 0.0
        return Level(rms_dbfs=_dbfs(rms), peak_dbfs=_dbfs(self.peak))


@dataclass(frozen=True)
class LoudnessMix:
    """The official slicer's loudness: `alpha` parts of the clip scaled to peak `max`, the rest as it is."""

    max: float = 0.9
    alpha: float = 0.25

    def __post_init__(self) -> None:
        """Check the ranges. Raises UsageError."""
        for name, value in (("max", self.max), ("alpha", self.alpha)):
            if not 0 <= value <= 1:
                raise UsageError(f"{name} is {value:g}: expected 0 to 1")

    # GPT-SoVITS, tools/slice_audio.py, with p the peak of the clip x:
    #
    #     y = max alpha x / p + (1 - alpha) x          where p <= 1
    #     y = max alpha x / p + (1 - alpha) x / p      where p > 1, so that a clip beyond full scale comes down to it
    #
    # (There the first term of the second line is divided by p twice; that is not copied.)
    def gain(self, peak: float) -> float:
        """The factor for a clip of this peak."""
        if peak == 0:
            return 1.0
        return (self.max * self.alpha + (1 - self.alpha) * min(peak, 1.0)) / peak


def _dbfs(amplitude: float) -> float | None:
    return round(20 * math.log10(amplitude), 2) if amplitude > 0 else None
