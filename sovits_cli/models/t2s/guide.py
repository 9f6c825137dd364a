"""Keeps decoding at its place in the text, for networks with a head that was taught it (`alignment.py`).

The taught head says at which phone a row is; from its block on every head sees, of the text, only that phone and its
neighbours, and the place only moves forward: a window over monotonic attention as in Deep Voice 3 (Ping et al. 2018).
Without it a row jumps back where the same phones come again ("sells fresh bread"), or leaves words out.

Legend: B rows, P phones, L positions attended to, H heads, E head width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sovits_cli.models.t2s.alignment import BLANK, HEAD, taught_layer

REACH = 1
"""How many phones before and after its own a row sees."""


class Guide:
    """The places of some rows. Text lies at the first positions of a row."""

    def __init__(self, layers: int, rows: int, positions: int, device: torch.device) -> None:
        self._layer = taught_layer(layers)
        self._positions = torch.arange(positions, device=device)
        self._texts = torch.zeros(rows, dtype=torch.long, device=device)  # phones of each row
        self._places = torch.zeros(rows, dtype=torch.long, device=device)

    def open(self, row: int, phones: int) -> None:
        """Put a row at the beginning of its text."""
        self._texts[row], self._places[row] = phones, 0

    def keep(self, order: Sequence[int]) -> None:
        """Keep these rows, in this order."""
        index = torch.tensor(order, dtype=torch.long, device=self._places.device)
        self._texts[: len(order)], self._places[: len(order)] = self._texts[index], self._places[index]

    def look(self, layer: int, query: Tensor, keys: Tensor, bias: Tensor) -> Tensor:
        """What a block may see.

        Args:
            layer: which block.
            query: (B, H, E) of the new position.
            keys: (B, H, L, E).
            bias: (B, 1, 1, L) what hides positions from every block, or what this gave for the block before.

        Returns:
            (B, 1, 1, L).
        """
        if layer != self._layer:
            return bias
        rows, extent = len(query), keys.shape[2]
        texts, places = self._texts[:rows, None], self._places[:rows, None]
        positions = self._positions[:extent]
        is_text = positions < texts
        is_near = is_text & (positions >= places - REACH) & (positions <= places + REACH)
        # a sum, not a matrix product: its order does not depend on the other rows
        scores = (keys[:, HEAD] * query[:, HEAD, None]).sum(-1) * query.shape[-1] ** -0.5
        found, place = scores.masked_fill(~is_near, -torch.inf).max(-1)
        ahead = torch.maximum(place, self._places[:rows])
        self._places[:rows] = torch.where(found > BLANK, ahead, self._places[:rows])
        return bias.masked_fill((is_text & ~is_near)[:, None, None], -torch.inf)
