"""The diffusion transformer that gives the velocity of the flow (Peebles and Xie 2023, after F5-TTS); official keys.

Legend: B batch, F mel frames, M mel bands, U width of the condition, D width, H heads. Masks say what to keep.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits_cli.models.cfm.embeddings import ConditionEmbedding, InputEmbedding, MomentEmbedding, Rotary
from sovits_cli.models.dimensions import DROPOUT, LAYERS, check
from sovits_cli.models.layers.blockwise import recomputed

NORM_EPS = 1e-6


@dataclass(frozen=True)
class DitConfig:
    """Dimensions of `Dit`; the defaults are official, and the only ones that official files have.

    Args:
        dim: width of the transformer.
        dim_head: width of one of `heads` heads.
        ff_mult: how much wider the feed-forward layers are.
        mel_dim: mel bands.
        text_dim: width of the condition.
        conv_layers: convolutional blocks that the condition goes through.
    """

    dim: int = 1024
    depth: int = field(default=22, metadata=LAYERS)
    heads: int = 16
    dim_head: int = 64
    ff_mult: int = 2
    mel_dim: int = 100
    text_dim: int = 512
    conv_layers: int = field(default=4, metadata=LAYERS)
    dropout: float = field(default=0.1, metadata=DROPOUT)

    def __post_init__(self) -> None:
        check(self, "acoustic model configuration: `model.dit`")


class Dit(nn.Module):
    """The velocity (B, M, F) of noisy frames, given the prompt's frames, a condition and the moment of the flow.

    With `checkpointing` training computes each block again in the backward pass: more time, less memory.

    Args:
        config: dimensions.
    """

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        self.config = config
        self.checkpointing = False
        self.time_embed = MomentEmbedding(config.dim)
        self.d_embed = MomentEmbedding(config.dim)
        self.text_embed = ConditionEmbedding(config.text_dim, config.conv_layers)
        self.input_embed = InputEmbedding(2 * config.mel_dim + config.text_dim, config.dim)
        self.rotary_embed = Rotary(config.dim_head)
        self.transformer_blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm_out = FinalNorm(config.dim)
        self.proj_out = nn.Linear(config.dim, config.mel_dim)

    def forward(
        self, x: Tensor, prompt: Tensor, condition: Tensor, keep: Tensor | None, t: Tensor, d: Tensor
    ) -> Tensor:
        """One look at the flow.

        Args:
            x: (B, M, F) frames at moment `t`.
            prompt: (B, M, F) frames that are known, zero elsewhere.
            condition: (B, F, U) as `text_embed` gives it, the same at every moment.
            keep: (B, F) bool, or None where every frame is kept.
            t: (B,) moments, 0 to 1; d: (B,) step sizes, 0 for the limit of small steps.

        Returns:
            (B, M, F).
        """
        moment = self.time_embed(t) + self.d_embed(d)  # (B, D)
        h = self.input_embed(torch.cat([x.transpose(1, 2), prompt.transpose(1, 2), condition], dim=-1))
        turns = self.rotary_embed(h.shape[1])
        for block in self.transformer_blocks:
            again = self.checkpointing and torch.is_grad_enabled()
            h = recomputed(block, h, moment, turns, keep) if again else block(h, moment, turns, keep)
        out: Tensor = self.proj_out(self.norm_out(h, moment))
        return out.transpose(1, 2)


class Block(nn.Module):
    """Attention and feed-forward, each scaled, shifted and gated by the moment (adaptive layer norm)."""

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        self.attn_norm = _Modulation(config.dim, 6)
        self.attn = Attention(config)
        self.ff = FeedForward(config)

    def forward(self, h: Tensor, moment: Tensor, turns: tuple[Tensor, Tensor], keep: Tensor | None) -> Tensor:
        """Transform (B, F, D)."""
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = self.attn_norm(moment)
        h = h + gate_1 * self.attn(_modulated(h, scale_1, shift_1), turns, keep)
        out: Tensor = h + gate_2 * self.ff(_modulated(h, scale_2, shift_2))
        return out


class Attention(nn.Module):
    """Attention whose positions turn only the first head, as the official model was trained: (B, F, D) -> (B, F, D)."""

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        inner = config.heads * config.dim_head
        self.heads = config.heads
        self.to_q, self.to_k, self.to_v = (nn.Linear(config.dim, inner) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(inner, config.dim), nn.Dropout(config.dropout)])

    def forward(self, x: Tensor, turns: tuple[Tensor, Tensor], keep: Tensor | None) -> Tensor:
        """Attend; places outside `keep` are not seen and come out as zero."""
        query, key, value = (
            project(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for project in (self.to_q, self.to_k, self.to_v)
        )
        query, key = (_first_head_turned(heads, turns) for heads in (query, key))
        mask = None if keep is None else keep[:, None, None]
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).flatten(2)
        for layer in self.to_out:
            out = layer(out)
        return out if keep is None else out * keep[..., None]


class FeedForward(nn.Module):
    """Two layers with a GELU between (tanh form). The nesting only serves the official key names."""

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        inner = config.ff_mult * config.dim
        first = nn.Sequential(nn.Linear(config.dim, inner), nn.GELU(approximate="tanh"))
        self.ff = nn.Sequential(first, nn.Dropout(config.dropout), nn.Linear(inner, config.dim))

    def forward(self, x: Tensor) -> Tensor:
        """Transform (B, F, D)."""
        out: Tensor = self.ff(x)
        return out


class FinalNorm(nn.Module):
    """The last adaptive layer norm; its scale comes before its shift, unlike in the blocks."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 2 * width)

    def forward(self, h: Tensor, moment: Tensor) -> Tensor:
        """Normalise (B, F, D)."""
        scale, shift = self.linear(F.silu(moment))[:, None].chunk(2, dim=-1)
        return _modulated(h, scale, shift)


class _Modulation(nn.Module):
    """The moment (B, D) to `parts` vectors (B, 1, D)."""

    def __init__(self, width: int, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.linear = nn.Linear(width, parts * width)

    def forward(self, moment: Tensor) -> tuple[Tensor, ...]:
        return self.linear(F.silu(moment))[:, None].chunk(self.parts, dim=-1)  # type: ignore[no-any-return]


def _modulated(h: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    return F.layer_norm(h, h.shape[-1:], eps=NORM_EPS) * (1 + scale) + shift


def _first_head_turned(heads: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """(B, H, F, D / H) with the channel pairs of head 0 turned by the angles of their positions."""
    cos, sin = turns
    first = heads[:, :1]
    even, odd = first[..., 0::2], first[..., 1::2]
    turned = torch.stack([even * cos - odd * sin, odd * cos + even * sin], dim=-1).flatten(-2)
    return torch.cat([turned.to(heads.dtype), heads[:, 1:]], dim=1)
