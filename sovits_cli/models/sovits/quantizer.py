"""The frozen codebook of semantic tokens: nearest entry by Euclidean distance, one codebook, official buffer names.

It is never trained here: the official trainer keeps it in evaluation mode too, so its commitment loss is zero.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Codebook(nn.Module):
    """Entries (codebook size, C) and the statistics that official checkpoints carry along."""

    inited: Tensor
    cluster_size: Tensor
    embed: Tensor
    embed_avg: Tensor

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("inited", torch.ones(1))
        self.register_buffer("cluster_size", torch.zeros(size))
        self.register_buffer("embed", torch.zeros(size, channels))
        self.register_buffer("embed_avg", torch.zeros(size, channels))


class _Layer(nn.Module):
    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self._codebook = Codebook(size, channels)


class _Layers(nn.Module):
    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([_Layer(size, channels)])


class Quantizer(nn.Module):
    """Content vectors to codes and back. The nesting only serves the official key names."""

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.vq = _Layers(size, channels)

    @property
    def codebook(self) -> Codebook:
        """The one codebook."""
        return self.vq.layers[0]._codebook  # type: ignore[return-value]

    def encode(self, x: Tensor) -> Tensor:
        """Nearest entries of (B, C, S): (B, S) int64."""
        entries = self.codebook.embed.to(x.dtype)
        flat = x.transpose(1, 2).reshape(-1, x.shape[1])
        # the order of the terms is the official one: it decides near ties
        distance = flat.square().sum(1, keepdim=True) - 2 * flat @ entries.T + entries.square().sum(1)
        return (-distance).argmax(dim=-1).view(x.shape[0], -1)

    def decode(self, codes: Tensor) -> Tensor:
        """Entries of the codes (B, S) as (B, C, S)."""
        return nn.functional.embedding(codes, self.codebook.embed).transpose(1, 2)

    @torch.no_grad()
    def fill(self, entries: Tensor) -> None:
        """Set the codebook to `entries` (codebook size, C), for a model that is trained from nothing."""
        self.codebook.embed.copy_(entries)
        self.codebook.embed_avg.copy_(entries)
        self.codebook.cluster_size.fill_(1.0)
