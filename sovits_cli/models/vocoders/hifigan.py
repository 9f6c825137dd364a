"""The 48 kHz vocoder of v4: the HiFi-GAN stack without a condition. Its published file holds folded weights.

Legend: B batch, M mel bands, F frames, T samples.
"""

from __future__ import annotations

from torch import Tensor, nn

from sovits_cli.models.layers.channels_last import ChannelsLast
from sovits_cli.models.layers.hifigan import Hifigan, HifiganShape
from sovits_cli.models.layers.weight_norm import fold_weight_norm
from sovits_cli.models.vocoders.vocoder import Vocoder

PUBLISHED = HifiganShape(
    initial_channel=100,
    upsample_rates=(10, 6, 2, 2, 2),
    upsample_kernel_sizes=(20, 12, 4, 4, 4),
    upsample_initial_channel=512,
    is_bias=True,
)
"""Of the published file, which holds no configuration."""


class HifiganVocoder(Hifigan, Vocoder):
    """The stack with plain convolutions."""

    def __init__(self, shape: HifiganShape = PUBLISHED) -> None:
        super().__init__(shape)
        self.hop = shape.hop
        fold_weight_norm(self)

    def forward(self, mel: Tensor) -> Tensor:
        """Make samples (B, 1, T) of a log-mel spectrogram (B, M, F)."""
        return self.wave_of(self.conv_pre(mel))

    def for_inference(self) -> nn.Module:
        """Channels-last on a CPU, where it was measured to pay."""
        return ChannelsLast(self) if self.conv_pre.weight.device.type == "cpu" else self
