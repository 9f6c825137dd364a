"""Silence around and inside a spoken sentence: where speech begins and ends. Knows nothing of models.

Legend: T samples.
"""

from __future__ import annotations

import numpy as np

FRAME_S = 0.01
QUIET_DB = -40.0
"""A frame this far below the loudest one is silence."""

FAINTEST_LEVEL = 1e-4
BEFORE_S, AFTER_S = 0.02, 0.04
"""Kept around speech: soft beginnings and endings."""


def trimmed(wave: np.ndarray, rate: int) -> np.ndarray:
    """Cut the silence off both ends of (T,), so that pauses are what the joining makes them; empty if all is silent."""
    frame = round(FRAME_S * rate)
    loud = np.flatnonzero(_is_loud(wave, frame))
    if not len(loud):
        return wave[:0]
    first = int(loud[0]) * frame - round(BEFORE_S * rate)
    last = (int(loud[-1]) + 1) * frame + round(AFTER_S * rate)
    return wave[max(0, first) : last]


def loud_s(wave: np.ndarray, rate: int) -> float:
    """Seconds of (T,) that are not silence."""
    return float(_is_loud(wave, round(FRAME_S * rate)).sum()) * FRAME_S


def _is_loud(wave: np.ndarray, frame: int) -> np.ndarray:
    """Whether each frame is heard, (T // frame,) bool."""
    rows = wave[: len(wave) // frame * frame].reshape(-1, frame)
    levels = np.sqrt(np.mean(np.square(rows, dtype=np.float64), axis=1))
    found: np.ndarray = levels > max(FAINTEST_LEVEL, float(levels.max(initial=0.0)) * 10 ** (QUIET_DB / 20))
    return found
