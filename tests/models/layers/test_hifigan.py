"""The HiFi-GAN stack: lengths, its residual blocks, and the same numbers in channels-last memory."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sovits_cli.models.layers.hifigan import SLOPE, ChannelsLast, Hifigan, HifiganConfig, ResBlock
from sovits_cli.models.layers.weight_norm import fold_weight_norm

TINY = HifiganConfig(
    initial_channel=5,
    upsample_rates=(3, 2),
    upsample_kernel_sizes=(7, 4),
    upsample_initial_channel=8,
    resblock_kernel_sizes=(3, 5),
    resblock_dilation_sizes=((1, 3), (1, 2)),
)


@pytest.fixture
def stack():
    torch.manual_seed(0)
    return Hifigan(TINY).requires_grad_(False)


def test_a_frame_becomes_a_hop(stack):
    assert TINY.hop == 6
    for frames in (1, 11):
        wave = stack.synthesize(stack.conv_pre(torch.randn(2, 5, frames)))
        assert wave.shape == (2, 1, 6 * frames)
        assert wave.abs().max() <= 1


def test_a_block_by_its_definition():
    torch.manual_seed(0)
    block, x = ResBlock(4, 3, (1, 3)), torch.randn(1, 4, 20)
    expected = x
    for dilated, plain in zip(block.convs1, block.convs2, strict=True):
        expected = expected + plain(F.leaky_relu(dilated(F.leaky_relu(expected, SLOPE)), SLOPE))
    torch.testing.assert_close(block(x), expected)


def test_a_stage_is_the_mean_of_its_blocks(stack):
    x = torch.randn(1, 8, 5)
    wave = x
    for stage in range(2):
        wave = stack.ups[stage](F.leaky_relu(wave, SLOPE))
        wave = (stack.resblocks[2 * stage](wave) + stack.resblocks[2 * stage + 1](wave)) / 2
    torch.testing.assert_close(stack.synthesize(x), stack.conv_post(F.leaky_relu(wave, 0.01)).tanh())


def test_in_channels_last_it_is_the_same(stack):
    fold_weight_norm(stack)

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.stack = stack

        def forward(self, x):
            return self.stack.synthesize(self.stack.conv_pre(x))

    x, net = torch.randn(2, 5, 9), Whole()
    wanted = net(x)
    torch.testing.assert_close(ChannelsLast(net)(x), wanted)
    assert all(parameter.ndim != 3 for parameter in net.parameters()), "every convolution became 2-D"
