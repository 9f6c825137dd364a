"""The normalising flow between the latents of the posterior and those of the prior: couplings and channel flips.

An invertible map f with log |det df/dz| = 0 (RealNVP, Dinh et al. 2017; Glow, Kingma and Dhariwal 2018; official
`ResidualCouplingBlock`, mean-only).

Legend: B batch, Z latent width, F frames, G width of the style vector.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sovits_cli.models.layers.wavenet import WaveNet
from sovits_cli.models.sovits.config import SovitsConfig


class Flow(nn.Module):
    """An invertible map of (B, Z, F), conditioned on the style."""

    def __init__(self, config: SovitsConfig) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        for _ in range(config.flow_couplings):
            steps += [Coupling(config), nn.Identity()]  # official keys count the flips, which hold nothing
        self.flows = nn.ModuleList(steps)

    def forward(self, z: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        """From posterior to prior latents: (B, Z, F) -> (B, Z, F).

        `mask` (B, 1, F) is 1 where a frame counts, `style` is (B, G, 1).
        """
        for coupling in self._couplings():
            z = coupling(z, mask, style).flip(1)
        return z

    def inverse(self, z: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        """From prior to posterior latents, (B, Z, F): undoes `forward`."""
        for coupling in reversed(self._couplings()):
            z = coupling.inverse(z.flip(1), mask, style)
        return z

    def _couplings(self) -> list[Coupling]:
        return [step for step in self.flows if isinstance(step, Coupling)]


# z ─┬─ first half ────────────┬──────────────────► same
#    │                         ▼
#    │                      WaveNet (style)
#    │                         ▼ shift
#    └─ second half ────────── + ─────────────────► shifted      inverse: minus the same shift, as the
#                                                                first half, which decides it, is still there
#
# Then `Flow` flips the channels, so that the next coupling moves the other half.
class Coupling(nn.Module):
    """Shifts the second half of the channels by a function of the first half; starts as the identity."""

    def __init__(self, config: SovitsConfig) -> None:
        super().__init__()
        half, width = config.inter_channels // 2, config.hidden_channels
        self.pre = nn.Conv1d(half, width, 1)
        self.enc = WaveNet(width, config.flow_layers, config.gin_channels)
        self.post = nn.Conv1d(width, half, 1)
        for parameter in self.post.parameters():
            nn.init.zeros_(parameter)

    def forward(self, z: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        """Shift (B, Z, F): (B, Z, F)."""
        first, second = z.chunk(2, dim=1)
        return torch.cat([first, self._shift(first, mask, style) + second * mask], dim=1)

    def inverse(self, z: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        """Shift (B, Z, F) back."""
        first, second = z.chunk(2, dim=1)
        return torch.cat([first, (second - self._shift(first, mask, style)) * mask], dim=1)

    def _shift(self, first: Tensor, mask: Tensor, style: Tensor) -> Tensor:
        """(B, Z / 2, F) -> (B, Z / 2, F)."""
        hidden = self.enc(self.pre(first) * mask, mask, style)
        shift: Tensor = self.post(hidden) * mask
        return shift
