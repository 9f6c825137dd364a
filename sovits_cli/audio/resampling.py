"""Changing the sample rate: soxr for data (whole arrays or streams), sinc-Hann for what the models were trained with.

Knows nothing of files. Legend: T samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import soxr

if TYPE_CHECKING:
    from torch import Tensor

_LOWPASS_WIDTH = 6
_ROLLOFF = 0.99


class Resampler:
    """A stream through soxr (high quality): `feed` blocks, then `flush`. Keeps a few milliseconds.

    The pieces put together are what `soxr_resample` gives for the whole.
    """

    def __init__(self, from_hz: int, to_hz: int, channels: int) -> None:
        self._channels = channels
        self._stream = None if from_hz == to_hz else soxr.ResampleStream(from_hz, to_hz, channels, dtype="float32")

    def feed(self, block: np.ndarray) -> np.ndarray:
        """Take a float32 block (T, channels); give what is ready, (T', channels)."""
        return block if self._stream is None else self._chunk(block, last=False)

    def flush(self) -> np.ndarray:
        """Give the rest (T', channels). The stream is over afterwards."""
        nothing = np.zeros((0, self._channels), np.float32)
        return nothing if self._stream is None else self._chunk(nothing, last=True)

    def _chunk(self, block: np.ndarray, *, last: bool) -> np.ndarray:
        assert self._stream is not None
        contiguous = np.ascontiguousarray(block, dtype=np.float32)
        ready: np.ndarray = self._stream.resample_chunk(contiguous, last=last)
        return ready.reshape(-1, self._channels)


def soxr_resample(wave: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """Resample a whole array, (T,) or (T, channels), with soxr's high quality."""
    if from_hz == to_hz:
        return wave
    resampled: np.ndarray = soxr.resample(wave, from_hz, to_hz, quality="HQ")
    return resampled


# Band-limited interpolation (Smith, https://ccrma.stanford.edu/~jos/resample). With both rates divided by their
# greatest common divisor, `orig` input samples give `new` output samples, each through a filter of its own (a phase):
#
#     y[j new + i] = sum_n x[j orig + n] h_i[n],      i = 0..new - 1,   n = -W..W + orig - 1
#
#     t      = clamp((n / orig - i / new) base, -6, 6),   base = 0.99 min(orig, new)
#     h_i[n] = sinc(t) cos(pi t / 12)^2 base / orig,      W = ceil(6 orig / base)
#
#     x   . . . . . . . . . . . .        new : orig = 2 : 3, so that three steps of x are two of y
#         |<-- filter 0 -->|
#           |<-- filter 1 -->|
#     y   0   .  1  .  2  .  3
def sinc_resample(wave: Tensor, from_hz: int, to_hz: int) -> Tensor:
    """Resample (..., T) to (..., ceil(T * to / from)) with a Hann-windowed sinc, as the models heard it in training.

    The official program uses `torchaudio.transforms.Resample` for references (TTS_infer_pack/TTS.py, `resample`). Where
    torchaudio does not load, the same filter is made here and gives the same numbers, to the last bit.
    """
    if from_hz == to_hz:
        return wave
    resample = torchaudio_resample() or _own_sinc_resample
    return resample(wave, from_hz, to_hz)


@cache
def torchaudio_resample() -> Callable[[Tensor, int, int], Tensor] | None:
    """Give the resampling of torchaudio, or None where the library is absent or does not load.

    Its Linux package on PyPI loads only beside a CUDA torch.
    """
    try:
        from torchaudio.transforms import Resample
    except (ImportError, OSError):
        return None

    def resample(wave: Tensor, from_hz: int, to_hz: int) -> Tensor:
        resampled: Tensor = Resample(from_hz, to_hz).to(wave.device)(wave)
        return resampled

    return resample


def _own_sinc_resample(wave: Tensor, from_hz: int, to_hz: int) -> Tensor:
    """Give the numbers of torchaudio without it: width 6, roll-off 0.99."""
    from torch.nn import functional

    common = math.gcd(from_hz, to_hz)
    orig, new = from_hz // common, to_hz // common
    kernel, width = _sinc_kernel(orig, new, wave)
    rows = wave.reshape(-1, 1, wave.shape[-1])
    phases = functional.conv1d(functional.pad(rows, (width, width + orig)), kernel, stride=orig)
    length = math.ceil(new * wave.shape[-1] / orig)
    return phases.transpose(1, 2).reshape(len(rows), -1)[:, :length].reshape(*wave.shape[:-1], length)


def _sinc_kernel(orig: int, new: int, like: Tensor) -> tuple[Tensor, int]:
    """Build the filters, one for each of the `new` phases: (new, 1, 2 * width + orig), and the width in samples."""
    import torch

    base = min(orig, new) * _ROLLOFF
    width = math.ceil(_LOWPASS_WIDTH * orig / base)
    taps = torch.arange(-width, width + orig, dtype=torch.float64) / orig
    # The phases are rounded to float32 first: torchaudio does, and the difference shows in the fifth digit.
    phases = (torch.arange(0, -new, -1, dtype=torch.float32) / new).double()
    time = ((phases[:, None] + taps) * base).clamp(-_LOWPASS_WIDTH, _LOWPASS_WIDTH)
    window = torch.cos(time * math.pi / _LOWPASS_WIDTH / 2) ** 2
    kernel = torch.sinc(time) * window * (base / orig)
    return kernel[:, None].to(like), width
