"""Decoders of the acoustic model: latent frames and a style in, a waveform out. One for each `decoder` of the config.

    hifigan   official: transposed convolutions up to the sample rate (`layers/hifigan.py`), the style added at first
    istft     ours, for small models, cheap enough to train on a CPU: after Vocos (Siuzdak 2023), with each norm scaled
              and shifted by the style. Nothing runs at the sample rate but an inverse Fourier transform.

Legend: B batch, Z latent width, F frames, D width, T samples, G width of the style vector.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits_cli.models.layers.hifigan import ChannelsLast, Hifigan, HifiganConfig
from sovits_cli.models.sovits.config import SovitsConfig

MAX_LOG_MAGNITUDE = 6.0
"""Louder than anything a waveform in -1..1 can hold; keeps early training finite."""


class Decoder(nn.Module):
    """(B, Z, F) and style (B, G, 1) -> waveform (B, 1, T), T = F * hop."""

    def __call__(self, z: Tensor, style: Tensor) -> Tensor:
        """Decode `z` (B, Z, F) in `style` (B, G, 1) to (B, 1, T), see `forward` of the kind."""
        wave: Tensor = super().__call__(z, style)
        return wave

    def for_inference(self) -> nn.Module:
        """The fastest form of this decoder, giving the same numbers; its weight norm must be folded already."""
        return self


class HifiganGenerator(Hifigan, Decoder):
    """The HiFi-GAN stack, the style added at its entry (module/models.py, `Generator`)."""

    def __init__(self, config: SovitsConfig) -> None:
        super().__init__(
            HifiganConfig(
                initial_channel=config.inter_channels,
                upsample_rates=config.upsample_rates,
                upsample_kernel_sizes=config.upsample_kernel_sizes,
                upsample_initial_channel=config.upsample_initial_channel,
                resblock_kernel_sizes=config.resblock_kernel_sizes,
                resblock_dilation_sizes=config.resblock_dilation_sizes,
            )
        )
        self.cond = nn.Conv1d(config.gin_channels, config.upsample_initial_channel, 1)

    def forward(self, z: Tensor, style: Tensor) -> Tensor:
        """Decode latents (B, Z, F) in `style` (B, G, 1) to samples (B, 1, T) in -1..1."""
        return self.synthesize(self.conv_pre(z) + self.cond(style))

    def for_inference(self) -> nn.Module:
        """Channels-last on a CPU, where it was measured to pay."""
        return ChannelsLast(self) if self.conv_pre.weight.device.type == "cpu" else self


# z (B, Z, F) ─ conv, x upsample ─ ConvNeXt blocks ─┬─ log-magnitude ─┬─ inverse FFT ─ window ─ overlap-add ─ wave
#                                                   └─ phase ─────────┘
class IstftGenerator(Decoder):
    """ConvNeXt blocks at `istft_upsample` times the frame rate, then one spectrum for each of their frames."""

    def __init__(self, config: SovitsConfig) -> None:
        super().__init__()
        width, self.upsample = config.istft_width, config.istft_upsample
        self.conv_pre = nn.Conv1d(config.inter_channels, width * self.upsample, 7, padding=3)
        self.norm_pre = StyleNorm(width, config.gin_channels)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(width, config.gin_channels, scale=1 / config.istft_layers) for _ in range(config.istft_layers)
        )
        self.norm_post = nn.LayerNorm(width)
        self.head = SpectrumHead(width, config.istft_n_fft, config.hop_length // config.istft_upsample)

    def forward(self, z: Tensor, style: Tensor) -> Tensor:
        """Decode latents (B, Z, F) in `style` (B, G, 1) to samples (B, 1, T)."""
        x: Tensor = self.conv_pre(z).transpose(1, 2)  # (B, F, upsample * D)
        x = x.reshape(len(x), z.shape[-1] * self.upsample, -1)
        style = style.transpose(1, 2)  # (B, 1, G)
        x = self.norm_pre(x, style)
        for block in self.blocks:
            x = block(x, style)
        wave: Tensor = self.head(self.norm_post(x))
        return wave[:, None]


class StyleNorm(nn.Module):
    """Layer norm whose scale and shift come from the style; starts as a plain layer norm."""

    def __init__(self, width: int, style_channels: int) -> None:
        super().__init__()
        self.modulate = nn.Linear(style_channels, 2 * width)
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Normalise (B, F, D) under `style` (B, 1, G): (B, F, D)."""
        scale, shift = self.modulate(style).chunk(2, dim=-1)
        styled: Tensor = F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift
        return styled


class ConvNeXtBlock(nn.Module):
    """A depthwise convolution and a two-layer perceptron, added to the input (Liu et al. 2022)."""

    def __init__(self, width: int, style_channels: int, *, scale: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = StyleNorm(width, style_channels)
        self.widen = nn.Linear(width, 3 * width)
        self.narrow = nn.Linear(3 * width, width)
        self.scale = nn.Parameter(torch.full((width,), scale))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Transform (B, F, D) under `style` (B, 1, G): (B, F, D)."""
        hidden = self.depthwise(x.transpose(1, 2)).transpose(1, 2)
        hidden = self.narrow(F.gelu(self.widen(self.norm(hidden, style))))
        out: Tensor = x + self.scale * hidden
        return out


class SpectrumHead(nn.Module):
    """Log-magnitude and phase of every frame, joined to a waveform by overlap-add, always in float32."""

    window: Tensor

    def __init__(self, width: int, n_fft: int, hop: int) -> None:
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        self.project = nn.Linear(width, n_fft + 2)
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Synthesise (B, F, D) -> (B, F * hop)."""
        log_magnitude, phase = self.project(x).float().chunk(2, dim=-1)
        spectrum = torch.polar(log_magnitude.clamp(max=MAX_LOG_MAGNITUDE).exp(), phase)
        pieces = torch.fft.irfft(spectrum, n=self.n_fft, dim=-1) * self.window  # (B, F, n_fft)
        energy = self.window.square().expand(1, x.shape[1], -1)
        return self._overlap_add(pieces) / self._overlap_add(energy)

    def _overlap_add(self, pieces: Tensor) -> Tensor:
        """(B, F, n_fft) -> (B, F * hop)."""
        # frame 0   ╭──window──╮
        # frame 1        ╭──window──╮               divided by the sum of the squared windows, so that
        # frame 2             ╭──window──╮          the spectrum of a waveform gives that waveform back
        #           cut  ├ hop ┼ hop ┼ hop ┤  cut   (n_fft - hop) / 2 at both ends: F frames, F * hop samples
        frames = pieces.shape[1]
        length = (frames - 1) * self.hop + self.n_fft
        folded = F.fold(pieces.transpose(1, 2), (1, length), (1, self.n_fft), stride=(1, self.hop))
        start = (self.n_fft - self.hop) // 2
        return folded[:, 0, 0, start : start + frames * self.hop]


DECODERS: dict[str, Callable[[SovitsConfig], Decoder]] = {"hifigan": HifiganGenerator, "istft": IstftGenerator}
