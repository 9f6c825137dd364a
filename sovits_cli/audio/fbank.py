"""Log mel filter banks as the Kaldi toolkit computes them, which speaker encoders read.

No dither and no mean removal over time. Legend: T samples at 16 kHz, F frames, M mel bins.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

RATE_HZ = 16_000
MELS = 80
FRAME_SAMPLES = 400
HOP_SAMPLES = 160
N_FFT = 512
PRE_EMPHASIS = 0.97
POVEY_EXPONENT = 0.85
LOWEST_HZ, HIGHEST_HZ = 20.0, RATE_HZ / 2
FLOOR = torch.finfo(torch.float32).eps


def fbank(wave: Tensor) -> Tensor:
    """Filter banks of a mono recording: (T,) in -1..1 -> (F, M), F = 1 + (T - 400) // 160.

    Raises:
        ValueError: shorter than one frame.
    """
    if len(wave) < FRAME_SAMPLES:
        raise ValueError(f"{len(wave)} samples are less than one frame of {FRAME_SAMPLES}")
    frames = wave.float().unfold(0, FRAME_SAMPLES, HOP_SAMPLES)
    frames = frames - frames.mean(dim=1, keepdim=True)
    before = torch.cat([frames[:, :1], frames[:, :-1]], dim=1)
    frames = (frames - PRE_EMPHASIS * before) * _povey_window(wave.device)
    power = torch.fft.rfft(frames, N_FFT).abs().square()
    banks: Tensor = (power[:, :-1] @ _filters(wave.device)).clamp(min=FLOOR)
    return banks.log()


def _povey_window(device: torch.device) -> Tensor:
    """A Hann window to a power, zero at both ends."""
    return torch.hann_window(FRAME_SAMPLES, periodic=False, device=device) ** POVEY_EXPONENT


def _filters(device: torch.device) -> Tensor:
    """Triangles on the mel scale over the bins below the highest, (N_FFT / 2, M)."""
    lowest, highest = _mel(LOWEST_HZ), _mel(HIGHEST_HZ)
    step = (highest - lowest) / (MELS + 1)
    centres = lowest + step * torch.arange(1, MELS + 1, dtype=torch.float64)
    bins = torch.tensor([_mel(bin_ * RATE_HZ / N_FFT) for bin_ in range(N_FFT // 2)], dtype=torch.float64)
    distance = (bins[:, None] - centres).abs() / step
    return (1 - distance).clamp(min=0).to(device, torch.float32)


def _mel(hertz: float) -> float:
    return 1127 * math.log(1 + hertz / 700)
