"""What every decoder of the acoustic model has in common: latent frames and a style in, a waveform out.

Legend: B batch, Z latent width, F frames, G width of the style vector.
"""

from __future__ import annotations

from torch import Tensor, nn


class Decoder(nn.Module):
    """(B, Z, F) and style (B, G, 1) -> waveform (B, 1, F * hop)."""

    def __call__(self, z: Tensor, ge: Tensor) -> Tensor:
        """Decode, as `forward` of the kind says."""
        wave: Tensor = super().__call__(z, ge)
        return wave

    def for_inference(self) -> nn.Module:
        """The fastest form of this decoder, giving the same numbers; its weight norm must be folded already."""
        return self
