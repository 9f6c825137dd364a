"""The discriminators of the GAN training: one over the waveform and one for each period, official key names.

After HiFi-GAN (Kong et al. 2020); GPT-SoVITS, module/models.py, `MultiPeriodDiscriminator`. The waveform is folded
into columns of every p-th sample, and convolved along the columns only.
Each period sees other periodicities of the voice; they are prime so that they overlap little.

Legend: B batch, T samples, C channels, N scores, p period.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

from torch import Tensor, nn
from torch.nn import functional as F

from sovits_cli.models.layers.weight_norm import WeightNormConv1d, WeightNormConv2d

SLOPE = 0.1

_SCALE_LAYERS = (
    (16, 15, 1, 1),
    (64, 41, 4, 4),
    (256, 41, 4, 16),
    (1024, 41, 4, 64),
    (1024, 41, 4, 256),
    (1024, 5, 1, 1),
)
"""Channels, kernel, stride and groups of the layers over the waveform."""

_PERIOD_LAYERS = ((32, 3), (128, 3), (512, 3), (1024, 3), (1024, 1))
"""Channels and stride of the layers over the folded waveform."""


@dataclass(frozen=True)
class DiscriminatorOutput:
    """Scores (B, N) of one discriminator, 1 for real, and its feature maps (B, C, ..), the unflattened scores last."""

    score: Tensor
    features: list[Tensor]


class Discriminators(nn.Module):
    """All discriminators, the one over the waveform first, then by rising period.

    Args:
        periods: how the waveform is folded.
        width: share of the official channels; 1 is the official size, 1/4 does for a small model on a CPU.
    """

    def __init__(self, periods: Sequence[int], *, width: float = 1.0) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(
            [ScaleDiscriminator(width), *(PeriodDiscriminator(period, width) for period in periods)]
        )

    def forward(self, wave: Tensor) -> list[DiscriminatorOutput]:
        """Score (B, 1, T)."""
        return [discriminator(wave) for discriminator in self.discriminators]


class ScaleDiscriminator(nn.Module):
    """Grouped convolutions straight over the waveform."""

    def __init__(self, width: float) -> None:
        super().__init__()
        self.convs = nn.ModuleList()
        before = 1
        for official, kernel, stride, groups in _SCALE_LAYERS:
            channels = _scaled(official, width)
            self.convs.append(
                WeightNormConv1d(
                    before,
                    channels,
                    kernel,
                    stride=stride,
                    groups=gcd(groups, gcd(before, channels)),
                    padding=kernel // 2,
                )
            )
            before = channels
        self.conv_post = WeightNormConv1d(before, 1, 3, padding=1)

    def forward(self, wave: Tensor) -> DiscriminatorOutput:
        """Score (B, 1, T)."""
        return _discriminate(wave, self.convs, self.conv_post)


class PeriodDiscriminator(nn.Module):
    """Convolutions along the columns of the waveform folded into rows of `period` samples."""

    def __init__(self, period: int, width: float) -> None:
        super().__init__()
        self.period = period
        self.convs = nn.ModuleList()
        before = 1
        for official, stride in _PERIOD_LAYERS:
            channels = _scaled(official, width)
            self.convs.append(WeightNormConv2d(before, channels, (5, 1), stride=(stride, 1), padding=(2, 0)))
            before = channels
        self.conv_post = WeightNormConv2d(before, 1, (3, 1), padding=(1, 0))

    def forward(self, wave: Tensor) -> DiscriminatorOutput:
        """Score (B, 1, T)."""
        # period 3:
        # 0 1 2 3 4 5 6 7 8 .. (B, 1, T)   ──►    0 1 2        (B, 1, T / p, p)
        #                                         3 4 5    │
        #                                         6 7 8    ▼   kernel (5, 1), stride (3, 1)
        #                                         . . .
        missing = -wave.shape[-1] % self.period
        folded = F.pad(wave, (0, missing), mode="reflect").unflatten(-1, (-1, self.period))  # type: ignore[no-untyped-call]
        return _discriminate(folded, self.convs, self.conv_post)


def _discriminate(x: Tensor, convs: nn.ModuleList, conv_post: nn.Module) -> DiscriminatorOutput:
    """Run the layers over (B, 1, T) or (B, 1, T / p, p)."""
    features = []
    for conv in convs:
        x = F.leaky_relu(conv(x), SLOPE)
        features.append(x)
    scores: Tensor = conv_post(x)
    return DiscriminatorOutput(score=scores.flatten(1), features=[*features, scores])


def _scaled(channels: int, width: float) -> int:
    return max(1, round(channels * width))
