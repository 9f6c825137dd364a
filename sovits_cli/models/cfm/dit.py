"""The diffusion transformer that gives the velocity of the flow (Peebles and Xie 2023, after F5-TTS); official keys.

The official network is f5_tts/model/backbones/dit.py and f5_tts/model/modules.py of GPT-SoVITS.

Legend: B batch, F mel frames, M mel bands, U width of the condition, D width, H heads. Masks are True where a frame
counts.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits_cli.models.cfm.config import DitConfig
from sovits_cli.models.layers.chunked import checkpoint

NORM_EPS = 1e-6

WAVES = 128
"""Sines and as many cosines that describe a timestep."""

TIMESTEP_SCALE = 1000.0
BASE = 10_000.0
LAST_POSITION = 4095
"""Frames further on are conditioned as if they were here, as in f5_tts/model/modules.py, `get_pos_embed_indices`."""

POSITION_KERNEL, POSITION_GROUPS = 31, 16


# timestep t, step size d ─ sines ─ perceptrons ─ + ─ timestep vector (B, D), which scales, shifts and gates below
#
# x (B, M, F) ─────────────┐
# prompt (B, M, F) ────────┼─ linear, position convolutions ─ blocks ─ norm ─ linear ─ velocity (B, M, F)
# condition ─ ConvNeXt V2 ─┘
class Dit(nn.Module):
    """The velocity (B, M, F) of noisy frames, given the prompt's frames, a condition and the timestep of the flow.

    With `activation_checkpointing` training computes each block again in the backward pass: more time, less memory.
    """

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        self.config = config
        self.activation_checkpointing = False
        self.time_embed = TimestepEmbedding(config.dim)
        self.d_embed = TimestepEmbedding(config.dim)
        self.text_embed = ConditionEmbedding(config.text_dim, config.conv_layers)
        self.input_embed = InputEmbedding(2 * config.mel_dim + config.text_dim, config.dim)
        self.rotary_embed = Rotary(config.dim_head)
        self.transformer_blocks = nn.ModuleList(DitBlock(config) for _ in range(config.depth))
        self.norm_out = FinalNorm(config.dim)
        self.proj_out = nn.Linear(config.dim, config.mel_dim)

    def forward(
        self, x: Tensor, prompt: Tensor, condition: Tensor, mask: Tensor | None, t: Tensor, d: Tensor
    ) -> Tensor:
        """The velocity of the flow at one point.

        Args:
            x: (B, M, F) frames at timestep `t`.
            prompt: (B, M, F) frames that are given, zero elsewhere.
            condition: (B, F, U) as `text_embed` gives it, the same at every timestep.
            mask: (B, F) bool, or None where every frame counts.
            t: (B,) timesteps, 0 to 1.
            d: (B,) step sizes, 0 for the limit of small steps.

        Returns:
            (B, M, F).
        """
        timestep = self.time_embed(t) + self.d_embed(d)  # (B, D)
        h = self.input_embed(torch.cat([x.transpose(1, 2), prompt.transpose(1, 2), condition], dim=-1))
        rotations = self.rotary_embed(h.shape[1])
        for block in self.transformer_blocks:
            again = self.activation_checkpointing and torch.is_grad_enabled()
            h = checkpoint(block, h, timestep, rotations, mask) if again else block(h, timestep, rotations, mask)
        out: Tensor = self.proj_out(self.norm_out(h, timestep))
        return out.transpose(1, 2)


class DitBlock(nn.Module):
    """Attention and feed-forward under adaptive layer norm.

    Its shifts, scales and gates are linear in the timestep vector.
    """

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        self.attn_norm = _Modulation(config.dim, 6)
        self.attn = DitAttention(config)
        self.ff = DitFeedForward(config)

    def forward(self, h: Tensor, timestep: Tensor, rotations: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        """Transform (B, F, D) -> (B, F, D).

        Args:
            h: (B, F, D).
            timestep: (B, D).
            rotations: cosines and sines (F, D / H / 2) of the positions.
            mask: (B, F) bool, or None.
        """
        # h <- h + gate_1 attention( norm(h) (1 + scale_1) + shift_1 )
        # h <- h + gate_2 feed_forward( norm(h) (1 + scale_2) + shift_2 )
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = self.attn_norm(timestep)
        h = h + gate_1 * self.attn(_modulated(h, scale_1, shift_1), rotations, mask)
        out: Tensor = h + gate_2 * self.ff(_modulated(h, scale_2, shift_2))
        return out


class DitAttention(nn.Module):
    """Attention whose rotary positions turn only the first head, as the official model was trained.

    There the rotation comes before the split into heads and reaches only the first `dim_head` channels
    (f5_tts/model/modules.py, `AttnProcessor`, with x-transformers' `apply_rotary_pos_emb`): the other heads see no
    position but through the position convolutions.
    """

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        inner = config.heads * config.dim_head
        self.heads = config.heads
        self.to_q, self.to_k, self.to_v = (nn.Linear(config.dim, inner) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(inner, config.dim), nn.Dropout(config.dropout)])

    def forward(self, x: Tensor, rotations: tuple[Tensor, Tensor], mask: Tensor | None) -> Tensor:
        """Attend within (B, F, D): (B, F, D). Frames where `mask` (B, F) is False are not seen and come out as zero."""
        query, key, value = (
            project(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for project in (self.to_q, self.to_k, self.to_v)
        )
        query, key = (_rotate_first_head(heads, rotations) for heads in (query, key))
        key_mask = None if mask is None else mask[:, None, None]
        out = F.scaled_dot_product_attention(query, key, value, attn_mask=key_mask).transpose(1, 2).flatten(2)
        for layer in self.to_out:
            out = layer(out)
        return out if mask is None else out * mask[..., None]


class DitFeedForward(nn.Module):
    """Two layers with a GELU between (tanh form). The nesting only serves the official key names."""

    def __init__(self, config: DitConfig) -> None:
        super().__init__()
        inner = config.ff_mult * config.dim
        first = nn.Sequential(nn.Linear(config.dim, inner), nn.GELU(approximate="tanh"))
        self.ff = nn.Sequential(first, nn.Dropout(config.dropout), nn.Linear(inner, config.dim))

    def forward(self, x: Tensor) -> Tensor:
        """Transform (B, F, D) -> (B, F, D)."""
        out: Tensor = self.ff(x)
        return out


class FinalNorm(nn.Module):
    """The last adaptive layer norm; its scale comes before its shift, unlike in the blocks."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, 2 * width)

    def forward(self, h: Tensor, timestep: Tensor) -> Tensor:
        """Normalise (B, F, D) under `timestep` (B, D): (B, F, D)."""
        scale, shift = self.linear(F.silu(timestep))[:, None].chunk(2, dim=-1)
        return _modulated(h, scale, shift)


class _Modulation(nn.Module):
    """The timestep (B, D) to `parts` vectors (B, 1, D)."""

    def __init__(self, width: int, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.linear = nn.Linear(width, parts * width)

    def forward(self, timestep: Tensor) -> tuple[Tensor, ...]:
        return self.linear(F.silu(timestep))[:, None].chunk(self.parts, dim=-1)  # type: ignore[no-any-return]


def _modulated(h: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Layer norm of (B, F, D) without weights, then `scale` and `shift` (B, 1, D)."""
    return F.layer_norm(h, h.shape[-1:], eps=NORM_EPS) * (1 + scale) + shift


def _rotate_first_head(heads: Tensor, rotations: tuple[Tensor, Tensor]) -> Tensor:
    """Turn the channel pairs of head 0 by the angles of their positions: (B, H, F, D / H) to the same shape."""
    # (x_2k, x_2k+1)  ->  (x_2k cos a - x_2k+1 sin a,  x_2k+1 cos a + x_2k sin a)        a = position * frequency k
    cos, sin = rotations
    first = heads[:, :1]
    even, odd = first[..., 0::2], first[..., 1::2]
    rotated = torch.stack([even * cos - odd * sin, odd * cos + even * sin], dim=-1).flatten(-2)
    return torch.cat([rotated.to(heads.dtype), heads[:, 1:]], dim=1)


class TimestepEmbedding(nn.Module):
    """A number between 0 and 1 per row, a timestep or a step size, as sines and cosines through a perceptron."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.time_mlp = nn.Sequential(nn.Linear(2 * WAVES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, timestep: Tensor) -> Tensor:
        """Embed (B,) -> (B, D)."""
        waves = torch.exp(torch.arange(WAVES, device=timestep.device) * (-math.log(BASE) / (WAVES - 1)))
        angles = TIMESTEP_SCALE * timestep.float()[:, None] * waves
        out: Tensor = self.time_mlp(torch.cat([angles.sin(), angles.cos()], dim=-1))
        return out


class ConditionEmbedding(nn.Module):
    """The condition with its positions, through some convolutional blocks."""

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.text_blocks = nn.ModuleList(ConvNextBlock(channels) for _ in range(layers))

    def forward(self, condition: Tensor) -> Tensor:
        """Embed (B, U, F) -> (B, F, U). A condition of zeros is that of a flow without one."""
        x = condition.transpose(1, 2)
        x = x + _positions(x.shape[1], x.shape[2], x.device).to(x.dtype)
        for block in self.text_blocks:
            x = block(x)
        return x


class ConvNextBlock(nn.Module):
    """A block of ConvNeXt V2 (Woo et al. 2023)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv1d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=NORM_EPS)
        self.pwconv1 = nn.Linear(channels, 2 * channels)
        self.grn = ResponseNorm(2 * channels)
        self.pwconv2 = nn.Linear(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Transform (B, F, U) -> (B, F, U)."""
        h = self.norm(self.dwconv(x.transpose(1, 2)).transpose(1, 2))
        out: Tensor = x + self.pwconv2(self.grn(F.gelu(self.pwconv1(h))))
        return out


class ResponseNorm(nn.Module):
    """Global response normalisation: each channel scaled by its share of the energy over all frames.

    gamma x N(x) + beta + x,  N(x) = |x_c| / mean over channels of |x_c|, the norms over time, padding included.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, channels))
        self.beta = nn.Parameter(torch.zeros(1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, F, C) -> (B, F, C)."""
        energy = torch.linalg.vector_norm(x.float(), dim=1, keepdim=True)
        share = energy / (energy.mean(dim=-1, keepdim=True) + NORM_EPS)
        out: Tensor = self.gamma * (x * share) + self.beta + x
        return out


class InputEmbedding(nn.Module):
    """Frames, prompt and condition side by side to the width of the transformer."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(in_channels, width)
        self.conv_pos_embed = _PositionConv(width)

    def forward(self, x: Tensor) -> Tensor:
        """Embed (B, F, 2 M + U) -> (B, F, D)."""
        h = self.proj(x)
        out: Tensor = self.conv_pos_embed(h) + h
        return out


class _PositionConv(nn.Module):
    """Neighbouring frames, by which attention can tell near from far: (B, F, D) -> (B, F, D)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        first, second = (
            nn.Conv1d(width, width, POSITION_KERNEL, groups=POSITION_GROUPS, padding=POSITION_KERNEL // 2)
            for _ in range(2)
        )
        self.conv1d = nn.Sequential(first, nn.Mish(), second, nn.Mish())

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv1d(x.transpose(1, 2))
        return out.transpose(1, 2)


class Rotary(nn.Module):
    """Angles of rotary positions. Half-precision files hold rounded frequencies, which are used as they are."""

    inv_freq: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("inv_freq", BASE ** (-torch.arange(0, width, 2).float() / width))

    def forward(self, frames: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines (F, width / 2) of every position."""
        with torch.autocast(self.inv_freq.device.type, enabled=False):
            angles = torch.arange(frames, device=self.inv_freq.device).float()[:, None] * self.inv_freq.float()
            return angles.cos(), angles.sin()


def _positions(frames: int, width: int, device: torch.device) -> Tensor:
    """Cosines then sines (F, width) of every position."""
    waves = BASE ** (-torch.arange(0, width, 2, device=device).float() / width)
    angles = torch.arange(frames, device=device).clamp(max=LAST_POSITION).float()[:, None] * waves
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
