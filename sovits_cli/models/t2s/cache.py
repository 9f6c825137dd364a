"""Keys and values of every layer for utterances decoded side by side: allocated once, written in place.

Each row begins at position 0 and has its own length: rows need no padding on the left, and a row that ended is
overwritten by the next request. Attention reads positions 0 .. extent, the longest row rounded up to a whole block,
and `bias` hides from each row what is not its own. So a row's sums always run over whole blocks in one order, and its
numbers are the same whatever lies beside it (see `inference_transformer.py`).

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


# The store is (layers, rows, 2, heads, positions, head_dim); of one layer:
#
#                   positions ─────────────────────────────►
#                  0          16          32          48
# row 0   K and V  │ p p p p t t t t t t t · · · · ·          p  prefilled: phones, then prompt tokens
# row 1   K and V  │ p p p p p p p p p p p p p p t · │        t  appended, one a step
# row 2   K and V  │ p p p t t t t · · · · · · · · ·          ·  hidden by `bias` (-inf), see below
#                  └──────────── extent ───────────┘
class KVCache:
    """Keys and values of B rows of at most `positions`.

    `bias` (B, 1, 1, L), added to attention scores, is 0 on a row's own positions and -inf elsewhere.
    """

    def __init__(self, size: CacheSize, *, device: torch.device, dtype: torch.dtype) -> None:
        self.rows = size.rows
        self.lengths = [0] * size.rows
        self.positions = _round_up_to_block(size.positions)
        shape = (size.layers, size.rows, 2, size.heads, self.positions, size.head_dim)
        self._store = torch.empty(shape, device=device, dtype=dtype)
        # -inf hides a score, but 0 * NaN is NaN: values that nobody wrote yet must be finite before they are read
        self._zeroed = 0
        self._bias = torch.full((size.rows, 1, 1, self.positions), float("-inf"), device=device, dtype=dtype)
        self._next = torch.zeros(size.rows, dtype=torch.long, device=device)
        self._refresh_views()

    def open(self, row: int, length: int) -> None:
        """Start `row` anew with `length` positions, to be written with `fill`."""
        self.lengths[row] = length
        self._next[row] = length
        self._bias[row, :, :, :length] = 0
        self._bias[row, :, :, length:] = float("-inf")
        self._refresh_views()

    def fill(self, layer: int, row: int, keys: Tensor, values: Tensor) -> None:
        """Write all of an opened row.

        Args:
            layer: whose.
            row: which.
            keys: (H, L, E).
            values: (H, L, E).
        """
        target = self._store[layer, row, :, :, : keys.shape[1]]
        target[0], target[1] = keys, values

    def advance(self) -> None:
        """Open one more position in every row, to be written with `append`."""
        self._at = (self._every_row, self._next[: self.rows].clone())
        self._bias[: self.rows, 0, 0].index_put_(self._at, self._visible)
        self._next += 1
        self.lengths = [length + 1 for length in self.lengths]
        if max(self.lengths) > self._extent:
            self._refresh_views()

    def append(self, layer: int, keys_values: Tensor) -> None:
        """Write the newest key and value of every row, (B, 2, H, E)."""
        self._slots[layer].index_put_(self._at, keys_values)

    def layer(self, index: int) -> tuple[Tensor, Tensor]:
        """Give keys and values of one layer, views (B, H, L, E)."""
        keys, values = self._views[index]
        return keys, values

    def reorder(self, order: Sequence[int]) -> None:
        """Keep these rows, in this order; a row may only move into one whose own contents do not stay."""
        for target, source in enumerate(order):
            if target != source:
                assert target not in order, "a row would overwrite another"
                length = self.lengths[source]
                self._store[:, target, :, :, :length] = self._store[:, source, :, :, :length]
                self._bias[target], self._next[target] = self._bias[source], self._next[source]
        self.rows = len(order)
        self.lengths = [self.lengths[row] for row in order]
        self._refresh_views()

    def _refresh_views(self) -> None:
        """Renew the views after the rows or the extent changed; in between, a step makes none."""
        extent = self._extent = _round_up_to_block(max(self.lengths, default=0))
        assert extent <= self.positions, "the cache is full"
        if extent > self._zeroed:
            self._store[:, :, :, :, self._zeroed : extent] = 0
            self._zeroed = extent
        used = self._store[:, : self.rows]
        self._slots = used.permute(0, 1, 4, 2, 3, 5).unbind(0)  # each (B, positions, 2, H, E)
        self._views = [pair.unbind(1) for pair in used[:, :, :, :, :extent].unbind(0)]
        self.bias = self._bias[: self.rows, :, :, :extent]
        self._every_row = torch.arange(self.rows, device=self._store.device)
        self._visible = torch.zeros((), device=self._store.device, dtype=self._store.dtype)


def compact_rows(alive: Sequence[bool]) -> list[int]:
    """Order the living rows so that few move: holes are filled from the end.

    >>> compact_rows([True, False, True, True])
    [0, 3, 2]
    """
    count = sum(alive)
    movers = [row for row in range(count, len(alive)) if alive[row]]
    return [row if alive[row] else movers.pop() for row in range(count)]


def _round_up_to_block(positions: int) -> int:
    return -(-positions // BLOCK) * BLOCK
