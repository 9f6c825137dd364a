"""Keys and values of every layer for utterances decoded side by side: allocated once, written in place.

Each row begins at position 0 and has its own length. What is attended to is rounded up to a whole block, the rest
hidden by a bias, so a row's numbers are the same whatever lies beside it (see `stack.py`).
Knows nothing of phones, tokens or sampling.

Legend: R rows allocated, B rows in use, L positions attended to, H heads, E head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK = 16
"""Attention is asked for whole blocks of positions; a multiple of every vector width of a CPU."""


@dataclass(frozen=True)
class CacheSize:
    """How much memory: `layers` x `rows` x 2 x `heads` x `positions` x `head_dim` numbers."""

    layers: int
    rows: int
    heads: int
    positions: int
    head_dim: int


class KVCache:
    """The memory of B rows of at most `positions`. `bias` (B, 1, 1, L) hides from each row what is not its own."""

    def __init__(self, size: CacheSize, *, device: torch.device, dtype: torch.dtype) -> None:
        self.rows = size.rows
        self.lengths = [0] * size.rows
        self.positions = _whole_blocks(size.positions)
        shape = (size.layers, size.rows, 2, size.heads, self.positions, size.head_dim)
        self._store = torch.empty(shape, device=device, dtype=dtype)
        self._clean = 0  # positions before this one hold numbers, never uninitialised memory
        self._hidden = torch.full((size.rows, 1, 1, self.positions), float("-inf"), device=device, dtype=dtype)
        self._next = torch.zeros(size.rows, dtype=torch.long, device=device)
        self._refresh()

    def open(self, row: int, length: int) -> None:
        """Start `row` anew with `length` positions, to be written with `fill`."""
        self.lengths[row] = length
        self._next[row] = length
        self._hidden[row, :, :, :length] = 0
        self._hidden[row, :, :, length:] = float("-inf")
        self._refresh()

    def fill(self, layer: int, row: int, keys: Tensor, values: Tensor) -> None:
        """Write all keys and values (H, L, E) of an opened row."""
        place = self._store[layer, row, :, :, : keys.shape[1]]
        place[0], place[1] = keys, values

    def advance(self) -> None:
        """Open one more position in every row, to be written with `append`."""
        self._at = (self._every_row, self._next[: self.rows].clone())
        self._hidden[: self.rows, 0, 0].index_put_(self._at, self._visible)
        self._next += 1
        self.lengths = [length + 1 for length in self.lengths]
        if max(self.lengths) > self._extent:
            self._refresh()

    def append(self, layer: int, pairs: Tensor) -> None:
        """Write the newest key and value of every row, (B, 2, H, E)."""
        self._slots[layer].index_put_(self._at, pairs)

    def read(self, layer: int) -> tuple[Tensor, Tensor]:
        """Give keys and values (B, H, L, E)."""
        keys, values = self._views[layer]
        return keys, values

    def keep(self, order: Sequence[int]) -> None:
        """Keep these rows, in this order; a row may only move to a place whose own row does not stay."""
        for target, source in enumerate(order):
            if target != source:
                assert target not in order, "a row would overwrite another"
                length = self.lengths[source]
                self._store[:, target, :, :, :length] = self._store[:, source, :, :, :length]
                self._hidden[target], self._next[target] = self._hidden[source], self._next[source]
        self.rows = len(order)
        self.lengths = [self.lengths[row] for row in order]
        self._refresh()

    def _refresh(self) -> None:
        """Renew the views after rows or the extent changed."""
        extent = self._extent = _whole_blocks(max(self.lengths, default=0))
        assert extent <= self.positions, "the cache is full"
        if extent > self._clean:
            self._store[:, :, :, :, self._clean : extent] = 0
            self._clean = extent
        used = self._store[:, : self.rows]
        self._slots = used.permute(0, 1, 4, 2, 3, 5).unbind(0)
        self._views = [pair.unbind(1) for pair in used[:, :, :, :, :extent].unbind(0)]
        self.bias = self._hidden[: self.rows, :, :, :extent]
        self._every_row = torch.arange(self.rows, device=self._store.device)
        self._visible = torch.zeros((), device=self._store.device, dtype=self._store.dtype)


def holes_filled(alive: Sequence[bool]) -> list[int]:
    """Order the living rows so that few move: holes are filled from the end.

    >>> holes_filled([True, False, True, True])
    [0, 3, 2]
    """
    count = sum(alive)
    movers = [row for row in range(count, len(alive)) if alive[row]]
    return [row if alive[row] else movers.pop() for row in range(count)]


def _whole_blocks(positions: int) -> int:
    return -(-positions // BLOCK) * BLOCK
