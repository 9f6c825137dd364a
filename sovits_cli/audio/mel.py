"""Spectrograms and log-mel spectrograms of waveforms, as the official models define them. Parameters come from a spec.

Legend: B batch, T samples, F frames, N bins, M mel bands. Computed in float32 whatever the input.
Frames are not centred: (n_fft - hop) / 2 samples are reflected at both ends, so T samples give T // hop frames.
"""

from __future__ import annotations

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


def magnitude(wave: Tensor, spec: SpecSpec) -> Tensor:
    """Magnitude spectrogram: (B, T) at `spec.sample_rate` -> (B, N, F).

    Raises:
        AudioError: fewer samples than the reflection at the ends needs, or than one hop.
    """
    return stft_magnitude(wave, spec.n_fft, spec.hop)


def log_mel(wave: Tensor, mel: MelSpec) -> Tensor:
    """Log-mel spectrogram: (B, T) at `mel.sample_rate` -> (B, M, F). Raises AudioError as `magnitude` does."""
    return log_mel_from_magnitude(magnitude(wave, mel), mel)


def log_mel_from_magnitude(spectrogram: Tensor, mel: MelSpec) -> Tensor:
    """Log-mel of a magnitude spectrogram: (B, N, F) -> (B, M, F)."""
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
    """`magnitude` for a bare FFT size and hop."""
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
