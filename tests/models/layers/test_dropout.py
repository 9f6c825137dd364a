"""Dropout in place: which numbers stay, what flows back, and the same for a seed."""

import torch

from sovits_cli.models.layers.dropout import ROWS, RandomBytes, add_dropped, fill_keep_mask, keep_share, relu_dropout
from tests.differences import every_case

SHAPE = (3 * ROWS + 5, 24)
DROPOUT = 0.25


def numbers():
    return torch.randn(SHAPE, requires_grad=True)


def through(function, *inputs):
    """What it makes of fresh copies of the inputs, and the gradients of a weighted sum."""
    leaves = [one.detach().clone().requires_grad_() for one in inputs]
    out = function(*(one * 1 for one in leaves))
    (out.float() * torch.arange(out.numel()).view(out.shape)).sum().backward()
    return out, [one.grad for one in leaves]


def test_kept_is_a_share_of_whole_numbers():
    found = fill_keep_mask(torch.empty(1000, 100), 0.1, RandomBytes(1))
    assert set(found.unique().tolist()) == {0.0, 1.0}
    assert abs(float(found.mean()) - keep_share(0.1)) < 0.005


def test_relu_dropout():
    torch.manual_seed(2)
    x = numbers()
    out, (gradient,) = through(lambda x: relu_dropout(x, DROPOUT), x)
    stays = out != 0
    assert 0.3 < float(stays.float().mean()) < 0.45
    torch.testing.assert_close(out, x.relu() * stays / (1 - DROPOUT))
    weight = torch.arange(out.numel()).view(out.shape)
    torch.testing.assert_close(gradient, weight * stays / (1 - DROPOUT))


def test_add_dropped():
    torch.manual_seed(3)
    x, more = numbers(), numbers()
    out, (d_x, d_more) = through(lambda x, more: add_dropped(x, more, DROPOUT), x, more)
    stays = d_more != 0
    stays.view(-1)[0] = out.view(-1)[0] != x.view(-1)[0]  # its weight is 0
    assert 0.7 < float(stays.float().mean()) < 0.8
    torch.testing.assert_close(out, x + more * stays / (1 - DROPOUT))
    weight = torch.arange(out.numel()).view(out.shape).float()
    torch.testing.assert_close(d_x, weight)
    torch.testing.assert_close(d_more, weight * stays / (1 - DROPOUT))


def test_add_dropped_of_two_number_formats():
    """As under autocast: the sum stays as exact as the first."""
    x, more = numbers(), numbers()
    found = []
    for kind in (torch.float32, torch.bfloat16):
        torch.manual_seed(4)
        found.append(through(lambda x, more: add_dropped(x, more, DROPOUT), x, more.to(kind)))
    (wide, _), (narrow, (_, d_more)) = found
    assert narrow.dtype is torch.float32
    assert d_more.dtype is torch.bfloat16
    torch.testing.assert_close(narrow, wide, atol=0.05, rtol=0)


@every_case("dropout", [0.0, 0.001])
def test_no_dropout_is_exact(dropout):
    x, more = numbers(), numbers()
    assert torch.equal(relu_dropout(x * 1, 0.0), x.relu())
    assert torch.equal(add_dropped(x, more * 1, 0.0), x + more)
    assert add_dropped(x, more * 1, dropout).isfinite().all()


def test_the_same_for_a_seed():
    x, more = numbers(), numbers()
    found = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        found.append((relu_dropout(x * 1, DROPOUT), add_dropped(x, more * 1, DROPOUT)))
    first, again, other = found
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    assert not any(torch.equal(*pair) for pair in zip(first, other, strict=True))
