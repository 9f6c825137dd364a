"""The content encoder of small models: log-mel frames to phone probabilities, 50 a second, instead of HuBERT.

Trained to name the phone of each frame. What it gives is how sure it is of each (a phonetic posteriorgram, Hazen et
al. 2009), which carries words and little of the voice. Knows torch and nothing of files, languages or training.

Legend: B batch, T samples at 16 kHz, F frames, C channels, M mel bins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits_cli.models.dimensions import KERNEL, LAYERS, check_fields, check_relations, read_fields
from sovits_cli.models.layers.chunked import checkpoint

RATE_HZ = 16_000
WINDOW_SAMPLES = 400
HOP_SAMPLES = 160
FFT_SAMPLES = 512
_NAME = "configuration of the phonetic content encoder"


@dataclass(frozen=True)
class PhoneticConfig:
    """Dimensions: `phones` are the classes it was trained to name, one channel each of what comes out."""

    mels: int = 64
    width: int = 192
    layers: int = field(default=6, metadata=LAYERS)
    kernel: int = field(default=5, metadata=KERNEL)
    phones: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self, _NAME)
        check_relations(_NAME, {"`kernel` must be odd": self.kernel % 2 == 1})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PhoneticConfig:
        """The inverse of `to_dict`. Raises DimensionError."""
        return cls(**read_fields(cls, values))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for the checkpoint's metadata."""
        return {**asdict(self), "phones": list(self.phones)}


class PhoneticEncoder(nn.Module):
    """Log-mel frames, a stride of two, dilated residual convolutions, a phone head.

    With `activation_checkpointing` training computes each block again in the backward pass: more time, less memory.
    """

    def __init__(self, config: PhoneticConfig) -> None:
        super().__init__()
        self.config = config
        self.activation_checkpointing = False
        self.entry = nn.Conv1d(config.mels, config.width, 5, stride=2, padding=2)
        self.blocks = nn.ModuleList(
            _Block(config.width, config.kernel, dilation=2 ** (layer % 3)) for layer in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, len(config.phones))

    def features(self, wave: Tensor) -> Tensor:
        """Samples (B, T) at 16 kHz to features (B, C, F), F = floor((T - 400) / 320) + 1.

        Square roots of the phones' probabilities: then the distance of two frames is that of two distributions,
        which is what the codebook is made with.
        """
        # Hellinger distance of p and q:  H^2 = 1/2 sum_c (sqrt p_c - sqrt q_c)^2
        scores: Tensor = self(wave)
        return scores.softmax(-1).sqrt().transpose(1, 2)

    def forward(self, wave: Tensor) -> Tensor:
        """Samples (B, T) to phone scores (B, F, phones)."""
        # log-mel 100 Hz ─ conv, stride 2 ─ blocks of dilation 1 2 4 1 2 4 .. ─ norm ─ linear ─ phone scores 50 Hz
        hidden = F.gelu(self.entry(self._log_mel(wave)))
        again = self.activation_checkpointing and torch.is_grad_enabled()
        for block in self.blocks:
            hidden = checkpoint(block, hidden) if again else block(hidden)
        scores: Tensor = self.head(self.norm(hidden.transpose(1, 2)))
        return scores

    def _log_mel(self, wave: Tensor) -> Tensor:
        """(B, T) to (B, M, frames of 10 ms), each bin at mean 0 over the utterance, all at variance 1.

        In float32 always: the power of quiet frames is below what half precision can tell from 0.
        """
        with torch.autocast(wave.device.type, enabled=False):
            return self._levelled(wave)

    def _levelled(self, wave: Tensor) -> Tensor:
        """As `_log_mel`, in float32: (B, T) -> (B, M, frames of 10 ms)."""
        frames = wave.unfold(-1, WINDOW_SAMPLES, HOP_SAMPLES) * torch.hann_window(WINDOW_SAMPLES, device=wave.device)
        power = torch.fft.rfft(frames, FFT_SAMPLES).abs().square()
        levels = torch.log(power @ _mel_filters(self.config.mels).to(wave) + 1e-7).transpose(1, 2)
        centred = levels - levels.mean(-1, keepdim=True)
        return centred / (centred.square().mean((1, 2), keepdim=True).sqrt() + 1e-5)


class _Block(nn.Module):
    """Depthwise convolution over time, then a two-layer mix of channels, added to the input (ConvNeXt, Liu 2022)."""

    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(
            width, width, kernel, padding=dilation * (kernel - 1) // 2, dilation=dilation, groups=width
        )
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, C, F) to the same shape."""
        mixed = self.norm(self.depthwise(hidden).transpose(1, 2))
        added: Tensor = self.narrow(F.gelu(self.widen(mixed)))
        return hidden + added.transpose(1, 2)


@cache
def _mel_filters(mels: int) -> Tensor:
    """Triangles on the mel scale 1127 ln(1 + f / 700) from 60 Hz to 7600 Hz: (bins, mels), on the CPU."""
    #            ╱╲  ╱╲
    #   rising  ╱  ╲╱  ╲  falling          each filter is the smaller of two lines, cut at 0; equally wide in mel,
    #          ╱   ╱╲   ╲                  so wider in Hz the higher it lies
    #      low   point  high
    scale = 1127 * np.log(1 + np.linspace(0, RATE_HZ / 2, FFT_SAMPLES // 2 + 1) / 700)
    low, high = (1127 * np.log(1 + edge / 700) for edge in (60.0, 7600.0))
    points = np.linspace(low, high, mels + 2)
    rising = (scale[:, None] - points[:-2]) / (points[1:-1] - points[:-2])
    falling = (points[2:] - scale[:, None]) / (points[2:] - points[1:-1])
    return torch.from_numpy(np.minimum(rising, falling).clip(min=0).astype(np.float32))
