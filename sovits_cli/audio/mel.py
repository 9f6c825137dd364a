"""Spectrograms and log-mel spectrograms of waveforms, as the official models define them. Parameters come from a spec.

Legend: B batch, T samples, F frames, N bins, M mel bands. Computed in float32 whatever the input.
Frames are not centred: (n_fft - hop) / 2 samples are reflected at both ends, so T samples give T // hop frames.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sovits_cli.errors import AudioError
from sovits_cli.terms import MelSpec, SpecSpec

POWER_FLOOR = 1e-8
"""Added to the power inside the root, so that silence has a gradient."""

MEL_FLOOR = 1e-5
"""Smallest mel value that is told apart before the logarithm."""

MEL_RANGE = (-12.0, 2.0)
"""Log-mel values that the flow-matching models scale to -1..1."""


def magnitude_spectrogram(wave: Tensor, spec: SpecSpec) -> Tensor:
    """Magnitude spectrogram: (B, T) at `spec.sample_rate` -> (B, N, F).

    Raises:
        AudioError: fewer samples than the reflection at the ends needs, or than one hop.
    """
    return stft_magnitude(wave, spec.n_fft, spec.hop)


def log_mel(wave: Tensor, mel: MelSpec) -> Tensor:
    """Log-mel spectrogram: (B, T) at `mel.sample_rate` -> (B, M, F). Raises AudioError as that does."""
    return log_mel_from_magnitude(magnitude_spectrogram(wave, mel), mel)


def log_mel_from_magnitude(spectrogram: Tensor, mel: MelSpec) -> Tensor:
    """Log-mel of a magnitude_spectrogram spectrogram: (B, N, F) -> (B, M, F)."""
    basis = _basis_on(mel, spectrogram.device)
    with torch.autocast(spectrogram.device.type, enabled=False):
        return (basis @ spectrogram.float()).clamp(min=MEL_FLOOR).log()


def scale_log_mel(values: Tensor) -> Tensor:
    """Log-mel values of `MEL_RANGE` to -1..1, any shape."""
    low, high = MEL_RANGE
    return (values - low) / (high - low) * 2 - 1


def unscale_log_mel(scaled: Tensor) -> Tensor:
    """The inverse of `scale_log_mel`."""
    low, high = MEL_RANGE
    return (scaled + 1) / 2 * (high - low) + low


def stft_magnitude(wave: Tensor, n_fft: int, hop: int) -> Tensor:
    """`magnitude_spectrogram` for a bare FFT size and hop."""
    reflected = (n_fft - hop) // 2
    samples = wave.shape[-1]
    if samples <= reflected or samples < hop:
        raise AudioError(
            f"audio of {samples} samples is too short for a spectrogram: expected more than {max(reflected, hop - 1)}"
        )
    padded = F.pad(wave.float()[:, None], (reflected, reflected), mode="reflect")[:, 0]
    window = _window_on(n_fft, wave.device)
    spectrum = torch.stft(padded, n_fft, hop, window=window, center=False, return_complex=True)
    return (torch.view_as_real(spectrum).square().sum(-1) + POWER_FLOOR).sqrt()


def mel_basis(mel: MelSpec) -> np.ndarray:
    """Triangular filters (M, N) float32 on the Slaney scale from 0 to half the rate, each of unit area."""
    from librosa.filters import mel as filters  # seconds to import, and speaking with v2 needs none

    basis: np.ndarray = filters(sr=mel.sample_rate, n_fft=mel.n_fft, n_mels=mel.mels)
    return basis


# Kept as ordinary tensors even when first asked for in inference mode: training may use them later.
@lru_cache(maxsize=32)
def _window_on(n_fft: int, device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.hann_window(n_fft, device=device)


@lru_cache(maxsize=32)
def _basis_on(mel: MelSpec, device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.from_numpy(mel_basis(mel)).to(device)


RATE_HZ = 16_000
MELS = 80
FRAME_SAMPLES = 400
HOP_SAMPLES = 160
N_FFT = 512
PRE_EMPHASIS = 0.97
POVEY_EXPONENT = 0.85
LOWEST_HZ, HIGHEST_HZ = 20.0, RATE_HZ / 2
FLOOR = torch.finfo(torch.float32).eps


def kaldi_fbank(wave: Tensor) -> Tensor:
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
