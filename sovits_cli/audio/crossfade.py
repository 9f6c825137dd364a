"""Joining clips and pauses into one sound without clicks, block by block. Knows nothing of files or texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

_FADE_MS = 5.0
_BLOCK_SAMPLES = 1 << 16


class ClipJoiner:
    """Takes clips and pauses in order and gives what to write; nothing is kept but the position.

    Each clip begins and ends in a short raised-cosine fade, so that it joins silence, or another clip, without a click.
    A clip that goes beyond full scale is scaled down as a whole.
    """

    def __init__(self, rate: int, *, fade_ms: float = _FADE_MS) -> None:
        self._rate = rate
        self._fade_samples = round(rate * fade_ms / 1000)
        self.samples = 0

    @property
    def position_s(self) -> float:
        """Where the next clip or pause begins, in seconds."""
        return self.samples / self._rate

    def clip(self, wave: np.ndarray) -> Iterator[np.ndarray]:
        """Yield a clip, mono float (frames,), as float32 blocks (frames,). The array itself is left alone."""
        peak = max(1.0, float(np.abs(wave).max(initial=0.0)))
        fade = _fade_in(min(self._fade_samples, len(wave) // 2))
        for start in range(0, len(wave), _BLOCK_SAMPLES):
            block = wave[start : start + _BLOCK_SAMPLES].astype(np.float32) / np.float32(peak)
            _multiply(block, start, fade, 0)
            _multiply(block, start, fade[::-1], len(wave) - len(fade))
            self.samples += len(block)
            yield block

    def pause(self, seconds: float) -> Iterator[np.ndarray]:
        """Yield silence as float32 blocks (frames,)."""
        left = round(max(0.0, seconds) * self._rate)
        while left > 0:
            block = np.zeros(min(left, _BLOCK_SAMPLES), np.float32)
            left -= len(block)
            self.samples += len(block)
            yield block


def _fade_in(samples: int) -> np.ndarray:
    """Half a period of a raised cosine, from just above 0 to just below 1: (samples,) float32."""
    return (0.5 - 0.5 * np.cos(np.pi * (np.arange(samples) + 0.5) / max(samples, 1))).astype(np.float32)


def _multiply(block: np.ndarray, start: int, curve: np.ndarray, at: int) -> None:
    """Multiply in place where `curve`, laid at `at`, covers `block`, which begins at `start` of the clip."""
    first, last = max(start, at), min(start + len(block), at + len(curve))
    if first < last:
        block[first - start : last - start] *= curve[first - at : last - at]


SEARCH_SAMPLES = 320
"""How far the second piece may be moved."""

_EPS = 1e-8


def overlap_add(pieces: Sequence[np.ndarray], overlap: int, *, search: int = SEARCH_SAMPLES) -> np.ndarray:
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
