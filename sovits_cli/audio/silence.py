"""How loud a signal is over time, which tells silence from sound: RMS levels over a stream, and a memory of the latest.

Knows nothing of slices. Legend: T samples, F frames: one level every hop.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_CHUNK_SAMPLES = 1 << 17


# The RMS curve of the official slicer (tools/slicer2.py, `get_rms`). Half a window of zeros is added at both ends, so
# that the n-th level belongs to the samples around n * hop:
#
#     0 0 0 0 |  signal, T samples ...                    | 0 0 0 0
#     [-- window 0 --]
#         [-- window 1 --]                                  level[f] = sqrt(mean(x[t]^2), t in window f)
#     |hop|   [-- window 2 --]
#
# F = floor((T + 2 (window // 2) - window) / hop) + 1
class RmsMeter:
    """RMS of a window every hop: `feed` blocks, then `flush`.

    Levels are computed over chunks that lie at fixed positions of the signal, in float64, so that they are the same to
    the last bit however the signal is fed.

    Args:
        hop: samples from one level to the next.
        window: samples of a level.
    """

    def __init__(self, hop: int, window: int) -> None:
        self._hop = hop
        self._window = window
        self._frames = max(1, _CHUNK_SAMPLES // hop)
        self._buffer = np.zeros((self._frames - 1) * hop + max(hop, window))
        self._windows = np.lib.stride_tricks.sliding_window_view(self._buffer, window)[::hop]
        self._hops = self._buffer.reshape(-1, hop) if window % hop == 0 else None
        self._filled = window // 2

    def feed(self, block: np.ndarray) -> Iterator[np.ndarray]:
        """Take samples (T,), full scale 1.0; yield levels (F,) float64."""
        position = 0
        while position < len(block):
            part = block[position : position + len(self._buffer) - self._filled]
            self._buffer[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            position += len(part)
            if self._filled == len(self._buffer):
                yield self._levels(self._frames)
                self._filled -= self._frames * self._hop
                self._buffer[: self._filled] = self._buffer[len(self._buffer) - self._filled :]

    def flush(self) -> Iterator[np.ndarray]:
        """Yield the last levels (F,)."""
        yield from self.feed(np.zeros(self._window // 2))
        if self._filled >= self._window:
            yield self._levels((self._filled - self._window) // self._hop + 1)

    def _levels(self, frames: int) -> np.ndarray:
        levels: np.ndarray = np.sqrt(self._energies(frames) / self._window)
        return levels

    def _energies(self, frames: int) -> np.ndarray:
        if self._hops is None:
            return _sum_of_squares(self._windows[:frames])
        # A window of whole hops is a sum over hops, so that each sample is squared once rather than in every window.
        hops_per_window = self._window // self._hop
        hops = self._hops[: frames + hops_per_window - 1]
        return np.convolve(_sum_of_squares(hops), np.ones(hops_per_window), mode="valid")


def _sum_of_squares(rows: np.ndarray) -> np.ndarray:
    """Sum the squares of each row: (rows, samples) to (rows,)."""
    sums: np.ndarray = np.einsum("ij,ij->i", rows, rows)
    return sums


class RmsHistory:
    """The latest levels, addressed by their frame number in the whole signal; older ones are forgotten."""

    def __init__(self) -> None:
        self._first = 0
        self._levels = np.zeros(0)

    @property
    def end(self) -> int:
        """The frame after the last one: how many there have been."""
        return self._first + len(self._levels)

    def append(self, levels: np.ndarray) -> None:
        """Add levels (F,) at the end."""
        # A copy of what is kept, which is little: a slicer forgets as it goes on, down to its longest search.
        self._levels = np.concatenate([self._levels, levels])

    def forget(self, before: int) -> None:
        """Drop the frames before this one."""
        dropped = max(0, min(before, self.end) - self._first)
        self._levels = self._levels[dropped:]
        self._first += dropped

    def quietest_frame(self, first: int, last: int) -> int:
        """Find the quietest of the frames `first` to `last`, both included; the first of equals."""
        return first + int(np.argmin(self._between(first, last)))

    def quietest_pause(self, first: int, last: int, length: int) -> int:
        """Find the quietest frame of the quietest `length` frames in a row; the last of equal pauses."""
        levels = self._between(first, last)
        if len(levels) > length:
            power = np.convolve(levels**2, np.ones(length), mode="valid")
            first += len(power) - 1 - int(np.argmin(power[::-1]))
            last = first + length - 1
        return self.quietest_frame(first, last)

    def _between(self, first: int, last: int) -> np.ndarray:
        return self._levels[first - self._first : last + 1 - self._first]
