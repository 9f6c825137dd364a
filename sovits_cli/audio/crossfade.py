"""Joining pieces of audio without clicks: clips and pauses with faded ends, and overlap-add (SOLA) of one sound.

Knows arrays only, nothing of files or texts. Legend: T samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

_FADE_MS = 5.0
_BLOCK_SAMPLES = 1 << 16

SEARCH_SAMPLES = 320
"""How far overlap-add may move a piece: 13 ms at 24 kHz, more than one period of the lowest voice."""

_ENERGY_EPSILON = 1e-8


# One clip after the other, each with half a period of a raised cosine at both ends:
#
#     1 |    ________________                    __________
#       |   /                \                  /          \
#     0 |__/                  \________________/            \__
#         5 ms     clip     5 ms    pause     5 ms   clip  5 ms
#
# Nothing is mixed: the fades only bring both sides of a join to zero, and a join of zero and zero does not click.
class ClipJoiner:
    """Takes clips and pauses in order and gives the blocks to write. It keeps nothing but its position.

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
        """Yield a clip, mono float (T,), as float32 blocks (T',). The array itself is left alone."""
        peak = max(1.0, float(np.abs(wave).max(initial=0.0)))
        fade = _fade_in(min(self._fade_samples, len(wave) // 2))
        for start in range(0, len(wave), _BLOCK_SAMPLES):
            block = wave[start : start + _BLOCK_SAMPLES].astype(np.float32) / np.float32(peak)
            _multiply(block, start, fade, 0)
            _multiply(block, start, fade[::-1], len(wave) - len(fade))
            self.samples += len(block)
            yield block

    def pause(self, seconds: float) -> Iterator[np.ndarray]:
        """Yield silence as float32 blocks (T',)."""
        remaining = round(max(0.0, seconds) * self._rate)
        while remaining > 0:
            block = np.zeros(min(remaining, _BLOCK_SAMPLES), np.float32)
            remaining -= len(block)
            self.samples += len(block)
            yield block


def _fade_in(samples: int) -> np.ndarray:
    """Half a period of a raised cosine, from just above 0 to just below 1: (samples,) float32."""
    return (0.5 - 0.5 * np.cos(np.pi * (np.arange(samples) + 0.5) / max(samples, 1))).astype(np.float32)


def _multiply(block: np.ndarray, block_start: int, curve: np.ndarray, curve_start: int) -> None:
    """Multiply a block by the part of a curve that covers it, in place; both starts count from that of the clip."""
    first, last = max(block_start, curve_start), min(block_start + len(block), curve_start + len(curve))
    if first < last:
        block[first - block_start : last - block_start] *= curve[first - curve_start : last - curve_start]


# Synchronised overlap-add (SOLA: Roucos and Wilgus, "High quality time-scale modification for speech", ICASSP 1985;
# in GPT-SoVITS TTS_infer_pack/TTS.py, `TTS.sola_algorithm`). Both pieces hold the sound of the overlap, but made twice,
# so that their phases differ. The later piece is moved back by the offset k at which the two agree best:
#
#     end      ...-----------[eeeeeeee]            e: the last `overlap` samples of what there is
#     piece               [ssssssss........]---... s: its first `overlap + search` samples
#                          |--k--|
#                                [======]          faded into each other: w * piece + (1 - w) * end
#
#                  sum_t e[t] s[t + k]
#     k = argmax -------------------------- , 0 <= k <= search,      w = Hann, rising
#                sqrt(sum_t s[t + k]^2 + eps)
def overlap_add(pieces: Sequence[np.ndarray], overlap: int, *, search: int = SEARCH_SAMPLES) -> np.ndarray:
    """Join pieces (T,), each but the first of which begins with the last `overlap` samples of the one before, remade.

    Args:
        pieces: of one sound, in order.
        overlap: samples that neighbours have in common.
        search: samples by which a piece may be moved back to where it fits best.

    Returns:
        The sound (T',) float32; up to `search` samples a join shorter than the pieces without their overlaps.
    """
    out = [np.asarray(pieces[0], np.float32)]
    window = np.hanning(2 * overlap + 1)[:-1].astype(np.float32)
    rising, falling = window[:overlap], window[overlap:]
    for piece in pieces[1:]:
        end = out[-1][-overlap:]
        moved = piece[_best_offset(end, piece[: overlap + search]) :].astype(np.float32)
        moved[:overlap] = rising * moved[:overlap] + falling * end
        out[-1] = out[-1][:-overlap]
        out.append(moved)
    return np.concatenate(out)


def _best_offset(end: np.ndarray, start: np.ndarray) -> int:
    """Offset in `start` (overlap + search,) where it is most like `end` (overlap,); the first of equals."""
    correlation = np.correlate(start, end, mode="valid")
    energy = np.correlate(np.square(start), np.ones(len(end), np.float32), mode="valid") + _ENERGY_EPSILON
    return int(np.argmax(correlation / np.sqrt(energy)))
