"""The gated stack: one layer by its definition, masks and styles."""

import torch

from sovits_cli.models.layers.attention import length_mask
from sovits_cli.models.layers.wavenet import WaveNet


def test_two_layers_by_the_definition():
    torch.manual_seed(0)
    net, x, style = WaveNet(4, 2, 3), torch.randn(1, 4, 9), torch.randn(1, 3, 1)
    styles = net.cond_layer(style)
    a = net.in_layers[0](x) + styles[:, :8]
    mixed = net.res_skip_layers[0](a[:, :4].tanh() * a[:, 4:].sigmoid())
    b = net.in_layers[1](x + mixed[:, :4]) + styles[:, 8:]
    last = net.res_skip_layers[1](b[:, :4].tanh() * b[:, 4:].sigmoid())
    torch.testing.assert_close(net(x, torch.ones(1, 1, 9), style), mixed[:, 4:] + last)


def test_masked_frames_come_out_as_zero_and_are_not_seen():
    torch.manual_seed(0)
    net, style = WaveNet(4, 3, 3), torch.randn(1, 3, 1)
    mask = length_mask(torch.tensor([6]), 10)[:, None].float()
    x = torch.randn(1, 4, 10) * mask
    padded = net(x, mask, style)
    assert (padded[..., 6:] == 0).all()
    torch.testing.assert_close(padded[..., :6], net(x[..., :6], mask[..., :6], style))
