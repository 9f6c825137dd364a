"""Spectrograms of waveforms: magnitude and log-mel as the models define them, and Kaldi's log filter banks.

Parameters come from a spec, never from the name of a version. Computed in float32 whatever the input.
Legend: B batch, T samples, F frames, N frequency bins, M mel bands.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sovits_cli.errors import AudioError
from sovits_cli.terms import MelSpec, SpectrogramSpec

POWER_FLOOR = 1e-8
"""Added to the power inside the root, so that silence has a gradient."""

MEL_FLOOR = 1e-5
"""Smallest mel value that is told apart before the logarithm."""

MEL_RANGE = (-12.0, 2.0)
"""Log-mel values that the flow-matching models scale to -1..1."""

FBANK_RATE_HZ = 16_000
FBANK_MELS = 80
FBANK_WINDOW_SAMPLES = 400
FBANK_HOP_SAMPLES = 160
FBANK_N_FFT = 512
PRE_EMPHASIS = 0.97
POVEY_EXPONENT = 0.85
FBANK_MIN_HZ, FBANK_MAX_HZ = 20.0, FBANK_RATE_HZ / 2
FBANK_FLOOR = torch.finfo(torch.float32).eps


# The frames are not centred (GPT-SoVITS, module/mel_processing.py, `spectrogram_torch`): r = (n_fft - hop) / 2 samples
# are reflected at either end, so that T samples give T // hop frames, the n-th of which lies around the n-th hop:
#
#     reflected |            T samples            | reflected
#        r      |<-hop->|<-hop->|<-hop->| ...     |    r
#     [---- n_fft, frame 0 -----]
#             [---- n_fft, frame 1 -----]
#
#     magnitude[k, f] = sqrt(|sum_t w[t] x[f hop + t] exp(-2 pi i k t / n_fft)|^2 + 1e-8),      w = periodic Hann
def magnitude_spectrogram(wave: Tensor, spec: SpectrogramSpec) -> Tensor:
    """Magnitude spectrogram: (B, T) at `spec.sample_rate` -> (B, N, F).

    Raises:
        AudioError: fewer samples than the reflection at the ends needs, or than one hop.
    """
    return stft_magnitude(wave, spec.n_fft, spec.hop)


def log_mel(wave: Tensor, mel: MelSpec) -> Tensor:
    """Log-mel spectrogram: (B, T) at `mel.sample_rate` -> (B, M, F). Raises AudioError as `magnitude_spectrogram`."""
    return log_mel_from_magnitude(magnitude_spectrogram(wave, mel), mel)


def log_mel_from_magnitude(spectrogram: Tensor, mel: MelSpec) -> Tensor:
    """Log-mel of a magnitude spectrogram: (B, N, F) -> (B, M, F)."""
    basis = _basis_on(mel, spectrogram.device)
    # Of the magnitudes, not of the power (module/mel_processing.py, `spec_to_mel_torch`): ln max(basis @ mag, 1e-5).
    with torch.autocast(spectrogram.device.type, enabled=False):
        return (basis @ spectrogram.float()).clamp(min=MEL_FLOOR).log()


def scale_log_mel(values: Tensor) -> Tensor:
    """Scale log-mel values of `MEL_RANGE` to -1..1, any shape."""
    low, high = MEL_RANGE
    return (values - low) / (high - low) * 2 - 1


def unscale_log_mel(scaled: Tensor) -> Tensor:
    """Undo `scale_log_mel`, any shape."""
    low, high = MEL_RANGE
    return (scaled + 1) / 2 * (high - low) + low


def stft_magnitude(wave: Tensor, n_fft: int, hop: int) -> Tensor:
    """`magnitude_spectrogram` for a bare FFT size and hop: (B, T) -> (B, N, F)."""
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


# Triangles whose corners c[0] ... c[M + 1] are at equal distances on the Slaney scale (linear below 1 kHz, logarithmic
# above) from 0 to rate / 2. Each has an area of 1, so that the wide ones at the top weigh no more than the narrow ones:
#
#     2 / (c2 - c0) |      /\
#                   |     /  \        /\
#                   |    /    \     /    `--.
#                 0 |___/______\__/__________`--.___ Hz
#                      c0  c1  c2 ...
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


# Kaldi's compute-fbank-feats as speaker encoders read it (GPT-SoVITS, eres2net/kaldi.py, `fbank`): no dither, no mean
# removal over time. Windows lie wholly inside the signal ("snip edges"), 25 ms every 10 ms:
#
#     |<------ 400 ------>|
#     |-160->|<------ 400 ------>|
#     |-160->|-160->|<------ 400 ------>|         F = 1 + (T - 400) // 160
#
# For each of them, x being its samples without their mean:
#
#     y[n]    = x[n] - 0.97 x[n - 1],  x[-1] = x[0]                        pre-emphasis
#     w[n]    = (0.5 - 0.5 cos(2 pi n / 399)) ^ 0.85                       Povey window
#     P[k]    = |rfft(w y, 512)[k]| ^ 2,  k = 0..255                       the bin at 8 kHz has no weight
#     mel(f)  = 1127 ln(1 + f / 700)                                       triangles are linear in mel, not in Hz
#     out[m]  = ln max(sum_k max(0, 1 - |mel(f_k) - c_m| / step) P[k], eps)
def kaldi_fbank(wave: Tensor) -> Tensor:
    """Log filter banks of a mono recording: (T,) at 16 kHz in -1..1 -> (F, 80), F = 1 + (T - 400) // 160.

    Raises:
        ValueError: shorter than one window.
    """
    if len(wave) < FBANK_WINDOW_SAMPLES:
        raise ValueError(f"{len(wave)} samples are less than one window of {FBANK_WINDOW_SAMPLES}")
    frames = wave.float().unfold(0, FBANK_WINDOW_SAMPLES, FBANK_HOP_SAMPLES)
    frames = frames - frames.mean(dim=1, keepdim=True)
    previous = torch.cat([frames[:, :1], frames[:, :-1]], dim=1)
    frames = (frames - PRE_EMPHASIS * previous) * _povey_window(wave.device)
    power = torch.fft.rfft(frames, FBANK_N_FFT).abs().square()
    banks: Tensor = (power[:, :-1] @ _fbank_filters(wave.device)).clamp(min=FBANK_FLOOR)
    return banks.log()


def _povey_window(device: torch.device) -> Tensor:
    """A Hann window to a power, zero at both ends: (400,)."""
    return torch.hann_window(FBANK_WINDOW_SAMPLES, periodic=False, device=device) ** POVEY_EXPONENT


def _fbank_filters(device: torch.device) -> Tensor:
    """Triangles on Kaldi's mel scale over the bins below the highest: (N_FFT / 2, M)."""
    lowest, highest = _kaldi_mel(FBANK_MIN_HZ), _kaldi_mel(FBANK_MAX_HZ)
    step = (highest - lowest) / (FBANK_MELS + 1)
    centres = lowest + step * torch.arange(1, FBANK_MELS + 1, dtype=torch.float64)
    bins_mel = [_kaldi_mel(number * FBANK_RATE_HZ / FBANK_N_FFT) for number in range(FBANK_N_FFT // 2)]
    distance = (torch.tensor(bins_mel, dtype=torch.float64)[:, None] - centres).abs() / step
    return (1 - distance).clamp(min=0).to(device, torch.float32)


def _kaldi_mel(hertz: float) -> float:
    return 1127 * math.log(1 + hertz / 700)
