"""The HiFi-GAN generator inside the official acoustic models: latent frames and a style to a waveform.

Legend: B batch, Z latent width, F frames, G width of the style vector.
"""

from __future__ import annotations

from torch import Tensor, nn

from sovits_cli.models.layers.channels_last import ChannelsLast
from sovits_cli.models.layers.hifigan import Hifigan, HifiganShape
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.decoder import Decoder


class Generator(Hifigan, Decoder):
    """The HiFi-GAN stack, told the style at its entry."""

    def __init__(self, config: SovitsConfig) -> None:
        super().__init__(
            HifiganShape(
                initial_channel=config.inter_channels,
                upsample_rates=config.upsample_rates,
                upsample_kernel_sizes=config.upsample_kernel_sizes,
                upsample_initial_channel=config.upsample_initial_channel,
                resblock_kernel_sizes=config.resblock_kernel_sizes,
                resblock_dilation_sizes=config.resblock_dilation_sizes,
            )
        )
        self.cond = nn.Conv1d(config.gin_channels, config.upsample_initial_channel, 1)

    def forward(self, z: Tensor, ge: Tensor) -> Tensor:
        """Decode latents (B, Z, F) to samples in -1..1."""
        return self.wave_of(self.conv_pre(z) + self.cond(ge))

    def for_inference(self) -> nn.Module:
        """Channels-last on a CPU, where it was measured to pay."""
        return ChannelsLast(self) if self.conv_pre.weight.device.type == "cpu" else self
