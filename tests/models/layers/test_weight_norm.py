"""Weight norm: length apart from direction, and folded into plain convolutions."""

import torch
from torch import nn

from sovits_cli.models.layers.weight_norm import (
    WeightNormConv1d,
    WeightNormConv2d,
    WeightNormConvTranspose1d,
    fold_weight_norm,
    joined_weight,
)
from tests.differences import every_case

NORMED = {
    "conv1d": (lambda: WeightNormConv1d(4, 6, 5, stride=2, padding=2, groups=2), (2, 4, 11), (6, 1, 1)),
    "conv2d": (lambda: WeightNormConv2d(4, 6, (5, 1), stride=(3, 1), padding=(2, 0)), (2, 4, 11, 3), (6, 1, 1, 1)),
    "transposed": (lambda: WeightNormConvTranspose1d(4, 6, 8, stride=4, padding=2), (2, 4, 11), (4, 1, 1)),
}


@every_case("name", list(NORMED))
def test_the_length_is_apart_from_the_direction(name):
    make, shape, lengths = NORMED[name]
    conv, x = make(), torch.randn(shape)
    assert conv.weight_g.shape == lengths
    before = conv(x)
    with torch.no_grad():
        conv.weight_v *= 3
    torch.testing.assert_close(conv(x), before)
    with torch.no_grad():
        conv.weight_g *= 2
        conv.bias *= 2
    torch.testing.assert_close(conv(x), 2 * before)


@every_case("name", list(NORMED))
def test_each_slice_of_the_first_axis_has_its_length(name):
    make, _, _ = NORMED[name]
    conv = make()
    with torch.no_grad():
        conv.weight_g.copy_(torch.arange(1.0, 1 + len(conv.weight_g)).view_as(conv.weight_g))
    weight = joined_weight(conv.weight_g, conv.weight_v)
    torch.testing.assert_close(weight.flatten(1).norm(dim=1), torch.arange(1.0, 1 + len(weight)))
    turned = (weight * conv.weight_v).flatten(1).sum(1) / conv.weight_v.flatten(1).norm(dim=1)
    torch.testing.assert_close(turned, torch.arange(1.0, 1 + len(weight)))


@every_case("name", ["conv1d", "transposed"])
def test_folded_it_is_the_same(name):
    make, shape, _ = NORMED[name]
    net, x = nn.Sequential(nn.Sequential(make()), nn.Tanh()), torch.randn(shape)
    wanted = net(x)
    fold_weight_norm(net)
    assert set(net.state_dict()) == {"0.0.weight", "0.0.bias"}
    torch.testing.assert_close(net(x), wanted)
