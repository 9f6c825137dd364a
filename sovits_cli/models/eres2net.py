"""ERes2NetV2, the speaker encoder: filter banks of a voice become one vector (Chen et al. 2024).

Knows its dimensions and nothing of files or audio. Key names are those of the published weights, of which the last
layer (`seg_1`) and its pooling are never used: GPT-SoVITS calls `forward3` (eres2net/ERes2NetV2.py), the mean over time
of the fused last two stages.
Legend: B batch, F frames, M mel bins, C channels, V width of the vector.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

CEILING = 20.0
"""Inside the blocks activations are cut at this."""

SCALE = 4
"""Groups of channels in a block, each seeing the ones before it."""

EXPANSION = 4
"""Channels a block gives for each of its planes."""

REDUCTION = 4
"""How much narrower the inside of a fusion is."""


@dataclass(frozen=True)
class SpeakerConfig:
    """Dimensions. The defaults are those of the published `w24s4ep4`.

    Args:
        mels: filter banks read.
        channels: planes of the first stage; each stage has twice those of the one before.
        base_width: channels of a group per 64 planes.
        blocks: blocks of the four stages.
        classes: width of the unused last layer.
    """

    mels: int = 80
    channels: int = 64
    base_width: int = 24
    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    classes: int = 192

    @property
    def width(self) -> int:
        """Width of the speaker vector: channels times what is left of the mel bins after the stages."""
        return 8 * self.channels * EXPANSION * -(-self.mels // 8)


class SpeakerEncoder(nn.Module):
    """Four stages of residual blocks, all but the first halving the resolution, and a fusion of the last two."""

    def __init__(self, config: SpeakerConfig = SpeakerConfig()) -> None:
        super().__init__()
        self.config = config
        channels, outer = config.channels, config.channels * EXPANSION
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.layer1 = _stage(config, 0, channels, stride=1, fused=False)
        self.layer2 = _stage(config, 1, outer, stride=2, fused=False)
        self.layer3 = _stage(config, 2, 2 * outer, stride=2, fused=True)
        self.layer4 = _stage(config, 3, 4 * outer, stride=2, fused=True)
        self.layer3_ds = nn.Conv2d(4 * outer, 8 * outer, 3, stride=2, padding=1, bias=False)
        self.fuse34 = Fusion(8 * outer)
        self.seg_1 = nn.Linear(2 * config.width, config.classes)

    def forward(self, banks: Tensor) -> Tensor:
        """Summarise filter banks (B, F, M) as (B, V)."""
        # conv ─ stage 1 ─ stage 2 ─ stage 3 ─┬─ stage 4 ───────────┐
        #  1         1        1/2       1/4    │    1/8              ├─ fusion ─ mean over time ─ (B, V)
        #                                     └─ conv of stride 2 ──┘
        x = torch.relu(self.bn1(self.conv1(banks.transpose(1, 2)[:, None])))
        third = self.layer3(self.layer2(self.layer1(x)))
        fused: Tensor = self.fuse34(self.layer4(third), self.layer3_ds(third))
        return fused.flatten(1, 2).mean(dim=-1)


class Res2Block(nn.Module):
    """A residual block whose groups of channels are convolved one after another, each with what came before.

    The hierarchy of Res2Net (Gao et al. 2019): later groups have seen more of the surroundings.
    """

    def __init__(self, in_channels: int, planes: int, width: int, *, stride: int, fused: bool) -> None:
        super().__init__()
        outer = planes * EXPANSION
        self.width = width
        self.conv1 = nn.Conv2d(in_channels, width * SCALE, 1, stride=stride, bias=False)
        self.bn1 = nn.BatchNorm2d(width * SCALE)
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(SCALE))
        self.bns = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(SCALE))
        self.fuse_models = nn.ModuleList(Fusion(width) for _ in range(SCALE - 1)) if fused else None
        self.conv3 = nn.Conv2d(width * SCALE, outer, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outer)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != outer:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, outer, 1, stride=stride, bias=False), nn.BatchNorm2d(outer)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Transform (B, C, M, F) -> (B, C', M', F')."""
        # conv 1x1 ─ split ─┬─ group 0 ─ conv ─┬───────────────────────── y0 ─┐
        #                   ├─ group 1 ───────[+]─ conv ─┬─────────────── y1 ─┤
        #                   ├─ group 2 ─────────────────[+]─ conv ─┬───── y2 ─┼─ concat ─ conv 1x1 ─ + shortcut
        #                   └─ group 3 ───────────────────────────[+]─ conv y3┘
        #
        # [+] adds, or in stages 3 and 4 weighs the two against each other (`Fusion`)
        groups = torch.split(_clipped(self.bn1(self.conv1(x))), self.width, dim=1)
        last, outputs = groups[0], []
        for index, (conv, norm) in enumerate(zip(self.convs, self.bns, strict=True)):
            if index and self.fuse_models is not None:
                last = self.fuse_models[index - 1](last, groups[index])
            elif index:
                last = last + groups[index]
            last = _clipped(norm(conv(last)))
            outputs.append(last)
        return _clipped(self.bn3(self.conv3(torch.cat(outputs, dim=1))) + self.shortcut(x))


class Fusion(nn.Module):
    """Attentional feature fusion: weighs two maps against each other, position by position.

    x (1 + a) + y (1 - a), with a = tanh(local attention of both) between -1 and 1: their sum where it is undecided.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // REDUCTION
        self.local_att = nn.Sequential(
            nn.Conv2d(2 * channels, inner, 1),
            nn.BatchNorm2d(inner),
            nn.SiLU(),
            nn.Conv2d(inner, channels, 1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Fuse two (B, C, M, F): (B, C, M, F)."""
        share = 1 + torch.tanh(self.local_att(torch.cat([x, y], dim=1)))
        mixed: Tensor = x * share + y * (2 - share)
        return mixed


def _stage(config: SpeakerConfig, index: int, in_channels: int, *, stride: int, fused: bool) -> nn.Sequential:
    """Blocks of one stage; only the first changes size."""
    planes = config.channels << index
    width = planes * config.base_width // 64
    first = Res2Block(in_channels, planes, width, stride=stride, fused=fused)
    others = [
        Res2Block(planes * EXPANSION, planes, width, stride=1, fused=fused) for _ in range(config.blocks[index] - 1)
    ]
    return nn.Sequential(first, *others)


def _clipped(x: Tensor) -> Tensor:
    """ReLU with a ceiling, of any shape."""
    return x.clamp(0.0, CEILING)
