"""Masks made from lengths. True (or 1) means keep."""

from __future__ import annotations

import torch
from torch import Tensor


def keep_mask(lengths: Tensor, size: int) -> Tensor:
    """Mark the first `lengths[b]` of `size` places: (B,) integer -> (B, size) bool."""
    return torch.arange(size, device=lengths.device) < lengths[:, None]
