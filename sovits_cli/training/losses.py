"""The losses of the acoustic model's GAN training, as the official trainer has them, and one more for small models.

In module/losses.py they have the same names. With D a discriminator, f its feature maps, x real and y generated audio:

    L_disc = mean (1 - D(x))² + mean D(y)²             L_gen = mean (1 - D(y))²
    L_fm   = 2 sum_maps mean |f(x) - f(y)|             L_mel = mean |log mel(x) - log mel(y)|
    L_kl   = log s_p - log s_q - 1/2 + (z - m_p)² / (2 s_p²)   over frames; z = flow(posterior sample)

The last is the KL divergence of a posterior from a prior with one sample in the place of the posterior's mean, because
the flow between them has no mean to give (VITS, Kim et al. 2021, equation 4).

All are computed in float32 whatever the precision of the networks.
Legend: B batch, T samples, F frames, M mel bins, Z latent width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from sovits_cli.audio.mel import stft_magnitude
from sovits_cli.models.discriminators import DiscriminatorOutput

RESOLUTIONS = ((256, 64), (512, 128), (1024, 256), (2048, 512))
"""FFT sizes and hops of `multi_resolution_stft`."""

MAGNITUDE_FLOOR = 1e-2
"""About 80 dB below a full tone: quieter differences are not heard and not worth learning."""


@dataclass(frozen=True)
class DiscriminatorLoss:
    """The sum, and what each discriminator adds to it for real and for generated audio; all ()."""

    total: Tensor
    real: list[Tensor]
    fake: list[Tensor]


@dataclass(frozen=True)
class GeneratorLoss:
    """The sum, and what each discriminator adds to it; all ()."""

    total: Tensor
    each: list[Tensor]


def discriminator_loss(real: Sequence[DiscriminatorOutput], fake: Sequence[DiscriminatorOutput]) -> DiscriminatorLoss:
    """Least squares (Mao et al. 2017): real audio should score 1, generated audio 0."""
    on_real = [(1 - output.score.float()).square().mean() for output in real]
    on_fake = [output.score.float().square().mean() for output in fake]
    return DiscriminatorLoss(total=_sum([*on_real, *on_fake]), real=on_real, fake=on_fake)


def generator_loss(fake: Sequence[DiscriminatorOutput]) -> GeneratorLoss:
    """Least squares: generated audio should score 1."""
    each = [(1 - output.score.float()).square().mean() for output in fake]
    return GeneratorLoss(total=_sum(each), each=each)


def feature_loss(real: Sequence[DiscriminatorOutput], fake: Sequence[DiscriminatorOutput]) -> Tensor:
    """Twice the mean distance of every feature map to that of the real audio, summed over the maps: ()."""
    distances = [
        (wanted.float().detach() - got.float()).abs().mean()
        for one, other in zip(real, fake, strict=True)
        for wanted, got in zip(one.features, other.features, strict=True)
    ]
    return 2 * _sum(distances)


def kl_loss(z_p: Tensor, logs_q: Tensor, m_p: Tensor, logs_p: Tensor, frame_mask: Tensor) -> Tensor:
    """How unlikely the posterior's latents are under the prior: summed over Z, averaged over the kept frames.

    Args:
        z_p: (B, Z, F) latents after the flow; logs_q: log-scale of the posterior they came from.
        m_p, logs_p: (B, Z, F) prior.
        frame_mask: (B, F) bool, True on the frames of the clip.

    Returns:
        ()
    """
    z_p, logs_q, m_p, logs_p = (x.float() for x in (z_p, logs_q, m_p, logs_p))
    distance = logs_p - logs_q - 0.5 + 0.5 * (z_p - m_p).square() * torch.exp(-2 * logs_p)
    mask = frame_mask[:, None].float()
    return (distance * mask).sum() / mask.sum()


def mel_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Mean distance of two log-mel spectrograms (B, M, F): ()."""
    return F.l1_loss(fake.float(), real.float())


def multi_resolution_stft(
    real: Tensor, fake: Tensor, *, resolutions: Sequence[tuple[int, int]] = RESOLUTIONS
) -> Tensor:
    """Spectral convergence plus log-magnitude_spectrogram distance, averaged over FFT sizes (Yamamoto et al. 2020).

    Args:
        real, fake: (B, T) or (B, 1, T) waveforms.
        resolutions: pairs of FFT size and hop.

    Returns:
        () which is 0 for equal waveforms.
    """
    real, fake = (wave.flatten(0, -2).float() for wave in (real, fake))
    losses = []
    for n_fft, hop in resolutions:
        wanted, got = stft_magnitude(real, n_fft, hop), stft_magnitude(fake, n_fft, hop)
        convergence = torch.linalg.vector_norm(wanted - got) / torch.linalg.vector_norm(wanted)
        distance = F.l1_loss(got.clamp(min=MAGNITUDE_FLOOR).log(), wanted.clamp(min=MAGNITUDE_FLOOR).log())
        losses.append(convergence + distance)
    return _sum(losses) / len(losses)


def _sum(terms: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(terms)).sum()
