"""The encoders of an acoustic model: prior (tokens and phones), posterior (spectrogram) and style (reference).

Legend: B batch, F frames, P phones, N bins of the spectrogram, C content channels, D width, Z latent width,
G width of the style vector. Masks are True where a position counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits_cli.models.layers.attention import CrossAttention, RelativeEncoder
from sovits_cli.models.layers.chunked import attention
from sovits_cli.models.layers.wavenet import WaveNet
from sovits_cli.models.sovits.config import SovitsConfig

STYLE_HEADS = 2
STYLE_KERNEL = 5
STYLE_DROPOUT = 0.1


@dataclass(frozen=True)
class Gaussian:
    """A diagonal normal distribution over latents: `mean` and `log_scale`, each (B, Z, F)."""

    mean: Tensor
    log_scale: Tensor

    def sample(self, noise: Tensor, *, scale: float = 1.0) -> Tensor:
        """Mean + scale * exp(log_scale) * noise, for standard-normal `noise` (B, Z, F): (B, Z, F)."""
        return self.mean + noise * self.log_scale.exp() * scale


class PriorEncoder(nn.Module):
    """Quantized content, phones and style to the prior of the latents (official `enc_p`, `TextEncoder`)."""

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

    def forward(self, content: Tensor, mask: Tensor, phones: Tensor, phone_mask: Tensor, style: Tensor) -> Tensor:
        """Hidden frames of the prior, before any change of speed.

        Args:
            content: (B, C, F) codebook entries, one per frame.
            mask: (B, F) bool.
            phones: (B, P) int64.
            phone_mask: (B, P) bool.
            style: (B, G, 1).

        Returns:
            (B, D, F).
        """
        # content ─ ssl_proj ─ encoder_ssl ─┐
        #                                   ├─ mrte ─ encoder2 ─ (change of speed) ─ proj ─ mean, log scale
        # phones ── encoder_text ───────────┘
        factor = mask[:, None].to(content.dtype)
        hidden = self.encoder_ssl(self.ssl_proj(content * factor), mask)
        text = self.encoder_text(self.text_embedding(phones).transpose(1, 2), phone_mask)
        hidden = self.mrte(hidden, mask, text, phone_mask, style)
        out: Tensor = self.encoder2(hidden, mask)
        return out

    def prior(self, hidden: Tensor, mask: Tensor) -> Gaussian:
        """The distribution (B, Z, F) that hidden frames (B, D, F) stand for; zeros where `mask` (B, F) is False."""
        return Gaussian(*(self.proj(hidden) * mask[:, None]).chunk(2, dim=1))


class TextContentMixer(nn.Module):
    """Content frames that attend over the phones, plus the style.

    The official `mrte` (module/mrte_model.py, `MRTE`), after the multi-reference timbre encoder of Mega-TTS 2.
    """

    def __init__(self, channels: int, inner_channels: int, heads: int) -> None:
        super().__init__()
        self.cross_attention = CrossAttention(inner_channels, heads)
        self.c_pre = nn.Conv1d(channels, inner_channels, 1)
        self.text_pre = nn.Conv1d(channels, inner_channels, 1)
        self.c_post = nn.Conv1d(inner_channels, channels, 1)

    def forward(self, content: Tensor, mask: Tensor, text: Tensor, phone_mask: Tensor, style: Tensor) -> Tensor:
        """Mix content with text.

        Args:
            content: (B, D, F).
            mask: (B, F) bool.
            text: (B, D, P).
            phone_mask: (B, P) bool.
            style: (B, G, 1).

        Returns:
            (B, D, F).
        """
        factor = mask[:, None].to(content.dtype)
        x = self.c_pre(content * factor)
        text = self.text_pre(text * phone_mask[:, None])
        x = self.cross_attention(x * factor, text, phone_mask) + x + style
        out: Tensor = self.c_post(x * factor)
        return out


class PosteriorEncoder(nn.Module):
    """Spectrogram to the distribution of its latents, in training only (official `enc_q`)."""

    def __init__(self, config: SovitsConfig) -> None:
        super().__init__()
        width = config.hidden_channels
        self.pre = nn.Conv1d(config.spec_channels, width, 1)
        self.enc = WaveNet(width, config.posterior_layers, config.gin_channels)
        self.proj = nn.Conv1d(width, 2 * config.inter_channels, 1)

    def forward(self, spec: Tensor, mask: Tensor, style: Tensor) -> Gaussian:
        """Encode (B, N, F) with `style` (B, G, 1): (B, Z, F), zeros where `mask` (B, F) is False."""
        factor = mask[:, None].to(spec.dtype)
        hidden = self.enc(self.pre(spec) * factor, factor, style)
        return Gaussian(*(self.proj(hidden) * factor).chunk(2, dim=1))


class StyleEncoder(nn.Module):
    """A reference's spectrogram becomes one style vector (StyleSpeech, Min et al. 2021; official `ref_enc`, `ge`)."""

    def __init__(self, bins: int, channels: int, out_channels: int) -> None:
        super().__init__()
        self.spectral = nn.Sequential(
            _Dense(bins, channels),
            nn.Mish(),
            nn.Dropout(STYLE_DROPOUT),
            _Dense(channels, channels),
            nn.Mish(),
            nn.Dropout(STYLE_DROPOUT),
        )
        self.temporal = nn.ModuleList(_GatedConv(channels) for _ in range(2))
        self.slf_attn = _StyleAttention(channels)
        self.fc = _Dense(channels, out_channels)

    def forward(self, spec: Tensor, mask: Tensor) -> Tensor:
        """Summarise (B, N, F) over the frames that `mask` (B, F) marks: (B, G, 1)."""
        # (B, N, F) ─ two dense layers ─ two gated convolutions ─ self-attention ─ dense ─ mean over frames ─ (B, G, 1)
        factor = mask[..., None].to(spec.dtype)
        x: Tensor = self.spectral(spec.transpose(1, 2) * factor)
        x = x.transpose(1, 2)
        for convolve in self.temporal:
            x = convolve(x)
        x = self.slf_attn(x.transpose(1, 2) * factor, mask)
        styles = self.fc(x).float() * factor  # a mean in half precision would lose frames
        mean: Tensor = styles.sum(dim=1) / factor.sum(dim=1)
        return mean.to(spec.dtype)[..., None]


class _Dense(nn.Module):
    """A linear layer (.., in) -> (.., out) under the official name `fc`."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc(x)
        return out


class _Conv(nn.Module):
    """A convolution (B, in, F) -> (B, out, F) under the official name `conv`."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(in_channels, out_channels, STYLE_KERNEL, padding=STYLE_KERNEL // 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class _GatedConv(nn.Module):
    """x + dropout(a * sigmoid(b)), a and b from one convolution: (B, D, F) -> (B, D, F)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _Conv(channels, 2 * channels)
        self.drop = nn.Dropout(STYLE_DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        gated: Tensor = self.drop(F.glu(self.conv1(x), dim=1))
        return x + gated


class _StyleAttention(nn.Module):
    """Residual self-attention (B, F, D) -> (B, F, D).

    Its scores are divided by the root of the *model* width, not of the head's, as in module/modules.py,
    `MelStyleEncoder` (`temperature=np.power(d_model, 0.5)`).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = channels**-0.5
        self.w_qs, self.w_ks, self.w_vs, self.fc = (nn.Linear(channels, channels) for _ in range(4))
        self.drop = nn.Dropout(STYLE_DROPOUT)

    def forward(self, x: Tensor, key_mask: Tensor) -> Tensor:
        query, key, value = (
            project(x).unflatten(-1, (STYLE_HEADS, -1)).transpose(1, 2) for project in (self.w_qs, self.w_ks, self.w_vs)
        )
        dropout = self.drop.p if self.training else 0.0
        out = attention(query, key, value, key_mask=key_mask, dropout=dropout, scale=self.scale)
        residual: Tensor = self.drop(self.fc(out.transpose(1, 2).flatten(2)))
        return x + residual


def change_speed(hidden: Tensor, speed: float) -> Tensor:
    """Stretch hidden frames in time, linearly: (B, D, F) -> (B, D, int(F / speed) + 1); 1.0 leaves them alone."""
    if speed == 1.0:
        return hidden
    return F.interpolate(hidden, size=int(hidden.shape[-1] / speed) + 1, mode="linear", align_corners=False)


def blend_overlap(hidden: Tensor, overlap: Tensor) -> Tensor:
    """Fade from the last frames of the previous chunk (B, D, L) into the first L of `hidden` (B, D, F): (B, D, F).

    The weights are a quarter sine and a quarter cosine, as the official streaming has them: sin^2 + cos^2 = 1 keeps
    the power of what is uncorrelated, but the weights themselves do not add up to 1.
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
