"""HuBERT (Hsu et al. 2021), base form: 16 kHz samples to content features, 50 a second, under published key names.

Only what extracting needs: no masking, no training losses. Numbers are those of transformers, `HubertModel`, which
GPT-SoVITS calls (feature_extractor/cnhubert.py). Knows nothing of files.

Legend: B batch, T samples, F frames, C channels of the convolutions, D width, H heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits_cli.models.dimensions import (
    KERNEL,
    LAYERS,
    DimensionError,
    bounds,
    check_fields,
    check_relations,
    read_fields,
)

HOP_SAMPLES = 320
"""The family's tokens are made of 50 frames a second; no tensor has the shape of the strides."""

# The convolutions, each of kernel k and stride s over the one before, and what one output sees of the waveform:
#
#     layer        0      1      2      3      4      5      6
#     k / s     10/5    3/2    3/2    3/2    3/2    2/2    2/2
#     hop          5     10     20     40     80    160    320  samples: the product of the strides
#     sees        10     20     40     80    160    240    400  samples: w <- w + (k - 1) * hop of the layer before
#
# so T samples give floor((T - 400) / 320) + 1 frames, without padding at either end.

BLOCK_FRAMES = 500
"""Frames that pass the convolutions together: ten seconds. Their memory does not grow with the recording."""

UNUSED_KEYS = ("masked_spec_embed", "final_proj.", "label_embs_concat")
"""Beginnings of published keys that extracting does not need."""


@dataclass(frozen=True)
class HubertConfig:
    """Dimensions, named as in the published `config.json`."""

    hidden_size: int = 768
    num_hidden_layers: int = field(default=12, metadata=LAYERS)
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    conv_dim: tuple[int, ...] = (512,) * 7
    conv_kernel: tuple[int, ...] = field(default=(10, 3, 3, 3, 3, 2, 2), metadata=KERNEL)
    conv_stride: tuple[int, ...] = field(default=(5, 2, 2, 2, 2, 2, 2), metadata=KERNEL)
    conv_bias: bool = False
    num_conv_pos_embeddings: int = field(default=128, metadata=KERNEL)
    num_conv_pos_embedding_groups: int = 16
    feat_proj_layer_norm: bool = True
    layer_norm_eps: float = field(default=1e-5, metadata=bounds(1e-20, 0.1))

    def __post_init__(self) -> None:
        check_fields(self, _NAME)
        check_relations(
            _NAME,
            {
                "conv_dim, conv_kernel and conv_stride differ in length": (
                    len(self.conv_dim) == len(self.conv_kernel) == len(self.conv_stride)
                ),
                f"its convolutions give a frame every {self.hop_samples} samples, expected {HOP_SAMPLES}": (
                    self.hop_samples == HOP_SAMPLES
                ),
                "hidden_size is no multiple of num_attention_heads": self.hidden_size % self.num_attention_heads == 0,
                "hidden_size is no multiple of num_conv_pos_embedding_groups": (
                    self.hidden_size % self.num_conv_pos_embedding_groups == 0
                ),
            },
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> HubertConfig:
        """Read a published config; other keys are ignored.

        Raises:
            DimensionError: a variant that is not the base form, or sizes that contradict each other.
        """
        for key, expected in _BASE_FORM.items():
            if values.get(key, expected) != expected:
                raise DimensionError(f"{_NAME}: {key} is {values[key]!r}, expected {expected!r}, the base form")
        return cls(**read_fields(cls, values))

    @property
    def hop_samples(self) -> int:
        """Samples from one frame to the next: the product of the strides."""
        hop = 1
        for stride in self.conv_stride:
            hop *= stride
        return hop

    @property
    def window_samples(self) -> int:
        """Samples that one frame sees, its receptive field; fewer give no frame."""
        window = 1
        for kernel, stride in zip(reversed(self.conv_kernel), reversed(self.conv_stride), strict=True):
            window = (window - 1) * stride + kernel
        return window


_NAME = "HuBERT config"
_BASE_FORM = {"feat_extract_norm": "group", "do_stable_layer_norm": False, "hidden_act": "gelu"}


class Hubert(nn.Module):
    """Convolutions over samples, a projection, and a post-norm transformer."""

    def __init__(self, config: HubertConfig) -> None:
        super().__init__()
        self.config = config
        self.feature_extractor = ConvStack(config)
        self.feature_projection = Projection(config)
        self.encoder = HubertEncoder(config)

    def forward(self, wave: Tensor) -> Tensor:
        """Samples (B, T) at 16 kHz, T >= 400, not normalised, to features (B, F, D), F = floor((T - 400) / 320) + 1."""
        hidden: Tensor = self.encoder(self.feature_projection(self.feature_extractor(wave)))
        return hidden


class ConvStack(nn.Module):
    """Strided convolutions; the first is normalised per channel over the whole recording."""

    def __init__(self, config: HubertConfig) -> None:
        super().__init__()
        self.hop_samples, self.window_samples = config.hop_samples, config.window_samples
        channels = (1, *config.conv_dim)
        sizes = zip(pairwise(channels), config.conv_kernel, config.conv_stride, strict=True)
        self.conv_layers = nn.ModuleList(
            _ConvLayer(before, after, kernel, stride, bias=config.conv_bias, norm=index == 0)
            for index, ((before, after), kernel, stride) in enumerate(sizes)
        )

    def forward(self, wave: Tensor) -> Tensor:
        """Convolve (B, T) -> (B, C, F), block by block; the result is that of the whole recording."""
        # The first layer is normalised over all of the recording, so its statistics are taken in a pass of their own:
        # with them every layer is local, and blocks that overlap a little give what the whole gives.
        #
        #     block 0   ├───────── 499 hops + 400 samples ─────────┤
        #     block 1                                            ├───────── 499 hops + 400 samples ─────────┤
        #               0                            500 hops    └─┘ 80 samples, 400 - 320, seen by both
        frames = (wave.shape[-1] - self.window_samples) // self.hop_samples + 1
        mean, deviation = self._statistics(wave)
        blocks = []
        for first in range(0, frames, BLOCK_FRAMES):
            count = min(BLOCK_FRAMES, frames - first)
            start = first * self.hop_samples
            samples = wave[:, None, start : start + (count - 1) * self.hop_samples + self.window_samples]
            hidden = self._first.scaled(samples, mean, deviation)
            for layer in self.conv_layers[1:]:
                hidden = layer(hidden)
            blocks.append(hidden)
        return torch.cat(blocks, dim=-1)

    @property
    def _first(self) -> _ConvLayer:
        return cast(_ConvLayer, self.conv_layers[0])

    def _statistics(self, wave: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation (B, C, 1) of the first convolution over all of the recording."""
        layer = self._first
        stride, kernel = layer.conv.stride[0], layer.conv.kernel_size[0]
        steps = (wave.shape[-1] - kernel) // stride + 1
        block = BLOCK_FRAMES * self.hop_samples // stride
        # in float64: sum of squares minus square of sum loses digits
        total = torch.zeros((), dtype=torch.float64, device=wave.device)
        squares = torch.zeros_like(total)
        for first in range(0, steps, block):
            count = min(block, steps - first)
            start = first * stride
            values: Tensor = layer.conv(wave[:, None, start : start + (count - 1) * stride + kernel]).double()
            total, squares = total + values.sum(-1, keepdim=True), squares + values.square().sum(-1, keepdim=True)
        mean = total / steps
        variance = (squares / steps - mean.square()).clamp(min=0)
        return mean.to(wave.dtype), (variance + layer.layer_norm.eps).sqrt().to(wave.dtype)


class _ConvLayer(nn.Module):
    """One convolution and GELU, (B, C, F) -> (B, C', F'); the first has an affine norm between them."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, *, bias: bool, norm: bool) -> None:
        super().__init__()
        self.conv = nn.Conv1d(before, after, kernel, stride=stride, bias=bias)
        if norm:
            self.layer_norm = nn.GroupNorm(after, after)

    def forward(self, hidden: Tensor) -> Tensor:
        return F.gelu(self.conv(hidden))

    def scaled(self, hidden: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
        """The layer with statistics (B, C, 1) of its norm that were taken elsewhere."""
        weight, bias = self.layer_norm.weight[:, None], self.layer_norm.bias[:, None]
        return F.gelu((self.conv(hidden) - mean) * (weight / deviation) + bias)


class Projection(nn.Module):
    """Layer norm over channels, then a linear map to the width."""

    def __init__(self, config: HubertConfig) -> None:
        super().__init__()
        channels = config.conv_dim[-1]
        if config.feat_proj_layer_norm:
            self.layer_norm = nn.LayerNorm(channels, eps=config.layer_norm_eps)
        self.projection = nn.Linear(channels, config.hidden_size)
        self.normed = config.feat_proj_layer_norm

    def forward(self, features: Tensor) -> Tensor:
        """Project (B, C, F) -> (B, F, D)."""
        features = features.transpose(1, 2)
        hidden: Tensor = self.projection(self.layer_norm(features) if self.normed else features)
        return hidden


class HubertEncoder(nn.Module):
    """Positions by convolution, then post-norm transformer layers."""

    def __init__(self, config: HubertConfig) -> None:
        super().__init__()
        self.pos_conv_embed = PositionConv(config)
        self.layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.layers = nn.ModuleList(HubertLayer(config) for _ in range(config.num_hidden_layers))

    def forward(self, hidden: Tensor) -> Tensor:
        """Encode (B, F, D) -> (B, F, D)."""
        hidden = self.layer_norm(hidden + self.pos_conv_embed(hidden))
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden


class PositionConv(nn.Module):
    """A wide grouped convolution, added to the features: relative positions, where BERT has absolute ones."""

    def __init__(self, config: HubertConfig) -> None:
        super().__init__()
        self.conv = _NormedConv(
            config.hidden_size, config.num_conv_pos_embeddings, config.num_conv_pos_embedding_groups
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """Convolve (B, F, D) -> (B, F, D)."""
        positions = F.gelu(self.conv(hidden.transpose(1, 2))[..., : hidden.shape[1]])  # an even kernel gives one more
        return positions.transpose(1, 2)


class _NormedConv(nn.Module):
    """A convolution (B, D, F) -> (B, D, F + 1) with weight norm, one gain for each tap of the kernel.

    Unlike in `layers/weight_norm.py` the norm is over both channel axes: W[:, :, k] = g[k] v[:, :, k] / |v[:, :, k]|.
    """

    def __init__(self, width: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.weight_g = nn.Parameter(torch.ones(1, 1, kernel))
        self.weight_v = nn.Parameter(torch.randn(width, width // groups, kernel))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, hidden: Tensor) -> Tensor:
        weight = self.weight_g * self.weight_v / self.weight_v.norm(dim=(0, 1), keepdim=True)
        return F.conv1d(hidden, weight, self.bias, padding=weight.shape[-1] // 2, groups=self.groups)


class HubertLayer(nn.Module):
    """Attention and feed-forward, each added and then normalised."""

    def __init__(self, config: HubertConfig) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.layer_norm_eps
        self.attention = HubertAttention(width, config.num_attention_heads)
        self.layer_norm = nn.LayerNorm(width, eps=eps)
        self.feed_forward = HubertFeedForward(width, config.intermediate_size)
        self.final_layer_norm = nn.LayerNorm(width, eps=eps)

    def forward(self, hidden: Tensor) -> Tensor:
        """Transform (B, F, D) -> (B, F, D)."""
        hidden = self.layer_norm(hidden + self.attention(hidden))
        mixed: Tensor = self.final_layer_norm(hidden + self.feed_forward(hidden))
        return mixed


class HubertAttention(nn.Module):
    """Self-attention over all frames."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(width, width) for _ in range(3))
        self.out_proj = nn.Linear(width, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """Attend (B, F, D) -> (B, F, D)."""
        query, key, value = (
            project(hidden).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        out: Tensor = self.out_proj(mixed)
        return out


class HubertFeedForward(nn.Module):
    """Widen, GELU, narrow."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.intermediate_dense = nn.Linear(width, inner)
        self.output_dense = nn.Linear(inner, width)

    def forward(self, hidden: Tensor) -> Tensor:
        """Transform (B, F, D) -> (B, F, D)."""
        out: Tensor = self.output_dense(F.gelu(self.intermediate_dense(hidden)))
        return out
