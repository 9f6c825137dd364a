"""Joining overlapping pieces of one sound where they agree best (synchronised overlap-add). Knows arrays only.

Legend: T samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SEARCH_SAMPLES = 320
"""How far the second piece may be moved."""

_EPS = 1e-8


def joined(pieces: Sequence[np.ndarray], overlap: int, *, search: int = SEARCH_SAMPLES) -> np.ndarray:
    """Join pieces (T,) of which each but the first begins with the last `overlap` samples of the one before, said anew.

    Each later piece is moved back by up to `search` samples, to where it is most like the end before it, and faded in.
    """
    out = [np.asarray(pieces[0], np.float32)]
    window = np.hanning(2 * overlap + 1)[:-1].astype(np.float32)
    for piece in pieces[1:]:
        end = out[-1][-overlap:]
        moved = piece[_best_offset(end, piece[: overlap + search]) :].astype(np.float32)
        moved[:overlap] = window[:overlap] * moved[:overlap] + window[overlap:] * end
        out[-1] = out[-1][:-overlap]
        out.append(moved)
    return np.concatenate(out)


def _best_offset(end: np.ndarray, start: np.ndarray) -> int:
    """Where in `start` the samples are most like `end`, by correlation over energy; the first of equals."""
    likeness = np.correlate(start, end, mode="valid")
    energy = np.correlate(np.square(start), np.ones(len(end), np.float32), mode="valid") + _EPS
    return int(np.argmax(likeness / np.sqrt(energy)))
