"""The prior encoder (codes and text to a distribution over latents) and the posterior encoder (spectrogram to latents).

Legend: B batch, F frames, P phones, C channels, D hidden width, Z latent width, G width of the style vector.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits_cli.models.layers.attention import CrossAttention, RelativeEncoder
from sovits_cli.models.layers.wavenet import GatedStack
from sovits_cli.models.sovits.config import SovitsConfig


@dataclass(frozen=True)
class Gaussian:
    """A diagonal normal distribution over latents: `mean` and `log_scale`, each (B, Z, F)."""

    mean: Tensor
    log_scale: Tensor

    def sample(self, noise: Tensor, *, scale: float = 1.0) -> Tensor:
        """The latents that standard-normal `noise` (B, Z, F), times `scale`, stands for."""
        return self.mean + noise * self.log_scale.exp() * scale


class PriorEncoder(nn.Module):
    """Quantized content, text and style to the prior of the latents (official `enc_p`)."""

    def __init__(self, config: SovitsConfig) -> None:
        super().__init__()
        width = config.hidden_channels
        self.ssl_proj = nn.Conv1d(config.content_channels, width, 1)
        self.encoder_ssl = _encoder(config, config.n_layers // 2)
        self.text_embedding = nn.Embedding(config.phones, width)
        self.encoder_text = _encoder(config, config.n_layers)
        self.mrte = TextContentMixer(width, config.mrte_channels, config.mrte_heads)
        self.encoder2 = _encoder(config, config.n_layers // 2)
        self.proj = nn.Conv1d(width, 2 * config.inter_channels, 1)

    def forward(self, content: Tensor, keep: Tensor, text: Tensor, text_keep: Tensor, ge: Tensor) -> Tensor:
        """Hidden frames of the prior, before any change of speed.

        Args:
            content: (B, C, F) codebook entries, one per frame.
            keep: (B, F) bool.
            text: (B, P) int64 phones.
            text_keep: (B, P) bool.
            ge: (B, G, 1) style.

        Returns:
            (B, D, F).
        """
        places = keep[:, None].to(content.dtype)
        hidden = self.encoder_ssl(self.ssl_proj(content * places), keep)
        words = self.encoder_text(self.text_embedding(text).transpose(1, 2), text_keep)
        hidden = self.mrte(hidden, keep, words, text_keep, ge)
        out: Tensor = self.encoder2(hidden, keep)
        return out

    def prior(self, hidden: Tensor, keep: Tensor) -> Gaussian:
        """The distribution that hidden frames (B, D, F) stand for; zeros where `keep` (B, F) is false."""
        return Gaussian(*(self.proj(hidden) * keep[:, None]).chunk(2, dim=1))


class TextContentMixer(nn.Module):
    """Content frames that attend over the phones, plus the style (official `mrte`): (B, D, F) -> (B, D, F)."""

    def __init__(self, channels: int, inner_channels: int, heads: int) -> None:
        super().__init__()
        self.cross_attention = CrossAttention(inner_channels, heads)
        self.c_pre = nn.Conv1d(channels, inner_channels, 1)
        self.text_pre = nn.Conv1d(channels, inner_channels, 1)
        self.c_post = nn.Conv1d(inner_channels, channels, 1)

    def forward(self, content: Tensor, keep: Tensor, text: Tensor, text_keep: Tensor, ge: Tensor) -> Tensor:
        """Mix (B, D, F) with text (B, D, P) and style (B, G, 1)."""
        places = keep[:, None].to(content.dtype)
        x = self.c_pre(content * places)
        words = self.text_pre(text * text_keep[:, None])
        x = self.cross_attention(x * places, words, text_keep) + x + ge
        out: Tensor = self.c_post(x * places)
        return out


class PosteriorEncoder(nn.Module):
    """Spectrogram to the distribution of its latents, in training only (official `enc_q`)."""

    def __init__(self, config: SovitsConfig) -> None:
        super().__init__()
        width = config.hidden_channels
        self.pre = nn.Conv1d(config.spec_channels, width, 1)
        self.enc = GatedStack(width, config.posterior_layers, config.gin_channels)
        self.proj = nn.Conv1d(width, 2 * config.inter_channels, 1)

    def forward(self, spec: Tensor, keep: Tensor, ge: Tensor) -> Gaussian:
        """Encode (B, bins, F) with style (B, G, 1); zeros where `keep` (B, F) is false."""
        places = keep[:, None].to(spec.dtype)
        hidden = self.enc(self.pre(spec) * places, places, ge)
        return Gaussian(*(self.proj(hidden) * places).chunk(2, dim=1))


def change_speed(hidden: Tensor, speed: float) -> Tensor:
    """Stretch hidden frames (B, D, F) in time, linearly, to int(F / speed) + 1 frames; 1.0 leaves them alone."""
    if speed == 1.0:
        return hidden
    return F.interpolate(hidden, size=int(hidden.shape[-1] / speed) + 1, mode="linear", align_corners=False)


def blend_overlap(hidden: Tensor, overlap: Tensor) -> Tensor:
    """Fade from the last frames of the previous piece (B, D, L) into the first L of `hidden` (B, D, F).

    The weights are a quarter sine and a quarter cosine, as the official streaming has them; they do not add up to 1.
    """
    frames = overlap.shape[-1]
    steps = torch.arange(2 * frames, device=hidden.device, dtype=hidden.dtype)
    rise, fall = torch.sin(torch.pi * steps / (2 * frames)).chunk(2)
    return torch.cat([hidden[..., :frames] * rise + overlap * fall, hidden[..., frames:]], dim=-1)


def _encoder(config: SovitsConfig, layers: int) -> RelativeEncoder:
    return RelativeEncoder(
        config.hidden_channels,
        config.filter_channels,
        config.n_heads,
        layers,
        kernel_size=config.kernel_size,
        dropout=config.p_dropout,
    )
