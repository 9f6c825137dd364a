"""The flow between the latents of the posterior and those of the prior: mean-only couplings and channel flips.

Legend: B batch, Z latent width, F frames, G width of the style vector.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sovits_cli.models.layers.wavenet import GatedStack
from sovits_cli.models.sovits.config import SovitsConfig


class Flow(nn.Module):
    """An invertible map of (B, Z, F), conditioned on the style."""

    def __init__(self, config: SovitsConfig) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        for _ in range(config.flow_couplings):
            steps += [Coupling(config), nn.Identity()]  # official keys count the flips, which hold nothing
        self.flows = nn.ModuleList(steps)

    def forward(self, z: Tensor, places: Tensor, ge: Tensor) -> Tensor:
        """From posterior to prior latents (B, Z, F); `places` (B, 1, F) is 1 where kept, `ge` is (B, G, 1)."""
        for coupling in self._couplings():
            z = coupling(z, places, ge).flip(1)
        return z

    def inverse(self, z: Tensor, places: Tensor, ge: Tensor) -> Tensor:
        """From prior to posterior latents: undoes `forward`."""
        for coupling in reversed(self._couplings()):
            z = coupling.inverse(z.flip(1), places, ge)
        return z

    def _couplings(self) -> list[Coupling]:
        return [step for step in self.flows if isinstance(step, Coupling)]


class Coupling(nn.Module):
    """Shifts the second half of the channels by what the first half says; starts as the identity."""

    def __init__(self, config: SovitsConfig) -> None:
        super().__init__()
        half, width = config.inter_channels // 2, config.hidden_channels
        self.pre = nn.Conv1d(half, width, 1)
        self.enc = GatedStack(width, config.flow_layers, config.gin_channels)
        self.post = nn.Conv1d(width, half, 1)
        for parameter in self.post.parameters():
            nn.init.zeros_(parameter)

    def forward(self, z: Tensor, places: Tensor, ge: Tensor) -> Tensor:
        """Shift (B, Z, F)."""
        still, moved = z.chunk(2, dim=1)
        return torch.cat([still, self._shift(still, places, ge) + moved * places], dim=1)

    def inverse(self, z: Tensor, places: Tensor, ge: Tensor) -> Tensor:
        """Shift back."""
        still, moved = z.chunk(2, dim=1)
        return torch.cat([still, (moved - self._shift(still, places, ge)) * places], dim=1)

    def _shift(self, still: Tensor, places: Tensor, ge: Tensor) -> Tensor:
        hidden = self.enc(self.pre(still) * places, places, ge)
        shift: Tensor = self.post(hidden) * places
        return shift
