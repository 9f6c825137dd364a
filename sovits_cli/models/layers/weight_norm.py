"""Convolutions whose weight is a direction and a length, kept as the official `weight_v` and `weight_g`.

Weight normalisation (Salimans and Kingma 2016): a step along v turns the weight and cannot change its length. In
inference g and v never change again: `fold_weight_norm` computes W once and leaves plain convolutions.

Legend: B batch, C channels, F frames, p period of a folded waveform.
"""

from __future__ import annotations

from typing import Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@runtime_checkable
class _Foldable(Protocol):
    def folded(self) -> nn.Module: ...


class WeightNormConv1d(nn.Conv1d):
    """A 1-D convolution (zero padding) with weight norm."""

    weight_g: nn.Parameter
    weight_v: nn.Parameter

    def __init__(  # noqa: PLR0913 - those of nn.Conv1d
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
        )
        _split_weight(self)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, C, F) -> (B, C', F')."""
        weight = joined_weight(self.weight_g, self.weight_v)
        return F.conv1d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def folded(self) -> nn.Conv1d:
        """The same convolution with a plain weight."""
        plain = nn.Conv1d(
            self.in_channels,
            self.out_channels,
            self.kernel_size[0],
            stride=self.stride[0],
            padding=self.padding[0],
            dilation=self.dilation[0],
            groups=self.groups,
            device="meta",
        )
        return _with_joined_weight(plain, self)


class WeightNormConv2d(nn.Conv2d):
    """A 2-D convolution (zero padding) with weight norm."""

    weight_g: nn.Parameter
    weight_v: nn.Parameter

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, int],
        *,
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride=stride, padding=padding)
        _split_weight(self)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, C, F, p) -> (B, C', F', p')."""
        weight = joined_weight(self.weight_g, self.weight_v)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


class WeightNormConvTranspose1d(nn.ConvTranspose1d):
    """A transposed 1-D convolution with weight norm; the first axis of its weight is the *input* channel."""

    weight_g: nn.Parameter
    weight_v: nn.Parameter

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, padding: int = 0
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride=stride, padding=padding)
        _split_weight(self)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Upsample (B, C, F) -> (B, C', stride F)."""
        del output_size  # only there because the parent has it
        weight = joined_weight(self.weight_g, self.weight_v)
        return F.conv_transpose1d(x, weight, self.bias, self.stride, self.padding)  # type: ignore[arg-type]

    def folded(self) -> nn.ConvTranspose1d:
        """The same convolution with a plain weight."""
        plain = nn.ConvTranspose1d(
            self.in_channels,
            self.out_channels,
            self.kernel_size[0],
            stride=self.stride[0],
            padding=self.padding[0],  # type: ignore[arg-type]
            device="meta",
        )
        return _with_joined_weight(plain, self)


def joined_weight(weight_g: Tensor, weight_v: Tensor) -> Tensor:
    """Give W: `weight_g` (C, 1, ..) and `weight_v` (C, ..) to the shape of `weight_v`."""
    # W[c] = g[c] v[c] / |v[c]|        c the first axis, the norm over all others
    return torch._weight_norm(weight_v, weight_g, 0)


def fold_weight_norm(module: nn.Module) -> None:
    """Replace every weight-normed convolution inside `module` by a plain one. It can then not be trained as before."""
    for name, child in module.named_children():
        if isinstance(child, _Foldable):
            setattr(module, name, child.folded())
        else:
            fold_weight_norm(child)


_Plain = TypeVar("_Plain", nn.Conv1d, nn.ConvTranspose1d)


def _split_weight(conv: WeightNormConv1d | WeightNormConv2d | WeightNormConvTranspose1d) -> None:
    weight = conv.weight.detach()
    del conv.weight
    conv.weight_g = nn.Parameter(torch.linalg.vector_norm(weight, dim=tuple(range(1, weight.ndim)), keepdim=True))
    conv.weight_v = nn.Parameter(weight)


def _with_joined_weight(plain: _Plain, normed: WeightNormConv1d | WeightNormConvTranspose1d) -> _Plain:
    plain.weight = nn.Parameter(joined_weight(normed.weight_g, normed.weight_v).detach(), requires_grad=False)
    plain.bias = normed.bias
    return plain.train(normed.training)
