"""Keys and values of every layer for sequences decoded together: allocated once, written in place.

All rows end at the same position; shorter ones begin later (left padding, which the owner masks).
Knows nothing of phones, tokens or sampling.

Legend: B rows, L positions, H heads, E head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class LayerStep(NamedTuple):
    """One layer's part of the cache at one step.

    Args:
        slot: (B, 2, H, 1, E), where the new key and value go.
        keys: (B, H, L, E), the new position included.
        values: (B, H, L, E).
    """

    slot: Tensor
    keys: Tensor
    values: Tensor


class KVCache:
    """The memory. `rows` and `length` say how much of it is in use."""

    def __init__(
        self,
        *,
        layers: int,
        rows: int,
        heads: int,
        head_dim: int,
        capacity: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._store = torch.empty(layers, rows, 2, heads, capacity, head_dim, device=device, dtype=dtype)
        self.capacity = capacity
        self.rows = rows
        self.length = 0

    def begin(self, length: int) -> None:
        """Open positions 0 .. length-1 to be filled row by row with `fill`."""
        assert length <= self.capacity, "cache too small for its prompts"
        self.length = length

    def fill(self, layer: int, row: int, keys: Tensor, values: Tensor) -> None:
        """Write keys and values (H, L', E) of one row at the last L' open positions; what lies before is zeroed."""
        start = self.length - keys.shape[-2]
        place = self._store[layer, row, :, :, : self.length]
        place[:, :, :start] = 0
        place[0, :, start:] = keys
        place[1, :, start:] = values

    def advance(self) -> list[LayerStep]:
        """Open one more position and give each layer's views on it."""
        assert self.length < self.capacity, "cache is full"
        used = self._store[:, : self.rows]
        slots = used.narrow(4, self.length, 1).unbind(0)
        self.length += 1
        pairs = used.narrow(4, 0, self.length).unbind(0)
        return [LayerStep(slot, *pair.unbind(1)) for slot, pair in zip(slots, pairs, strict=True)]

    def keep(self, order: Sequence[int]) -> None:
        """Keep these rows, in this order; a row may only move to a place that is free or its own."""
        for target, source in enumerate(order):
            if target != source:
                assert target not in order[target:], "a row would overwrite another"
                self._store[:, target, :, :, : self.length] = self._store[:, source, :, :, : self.length]
        self.rows = len(order)


def holes_filled(alive: Sequence[bool]) -> list[int]:
    """Order the living rows so that few move: holes are filled from the end.

    >>> holes_filled([True, False, True, True])
    [0, 3, 2]
    """
    count = sum(alive)
    movers = [row for row in range(count, len(alive)) if alive[row]]
    return [row if alive[row] else movers.pop() for row in range(count)]
