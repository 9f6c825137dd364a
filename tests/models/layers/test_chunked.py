"""Attention by blocks against attention in one piece: values, gradients, dropout, and what is kept in memory."""

import pytest
import torch

from sovits_cli.models.layers import chunked as chunked_module
from sovits_cli.models.layers.chunked import CHUNK, attention, chunked
from tests.differences import every_case

QUERIES, KEYS = 2 * CHUNK + 5, 3 * CHUNK + 1


def inputs():
    torch.manual_seed(3)
    return [torch.randn(2, 3, length, 8, requires_grad=True) for length in (QUERIES, KEYS, KEYS)]


def assert_same(found, expected, ours, plain):
    """Values, and the gradients of what they were made from."""
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    weight = torch.randn_like(found)
    (found * weight).sum().backward()
    (expected * weight).sum().backward()
    for one, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-5)


def whole(inputs, *, key_mask=None, causal=False, lost=None, dropout=0.0):
    query, key, value = inputs
    scores = query @ key.transpose(-2, -1) * 8**-0.5
    if causal:
        scores = scores.masked_fill(torch.ones(QUERIES, KEYS).tril(KEYS - QUERIES) == 0, float("-inf"))
    if key_mask is not None:
        scores = scores.masked_fill(~key_mask[:, None, None], float("-inf"))
    weights = scores.softmax(-1)
    return (weights if lost is None else weights.masked_fill(lost, 0) / (1 - dropout)) @ value


KEEP = torch.arange(KEYS) < torch.tensor([KEYS, 200])[:, None]
RULES = ({}, {"causal": True}, {"key_mask": KEEP})


@every_case(("rule", "drop"), [(rule, drop) for rule in RULES for drop in (False, True)])
def test_equals_attention_in_one_piece(rule, drop):
    """With dropout, the drawn bytes of all chunks together are the mask of the whole."""
    drawn = torch.zeros(2, 3, QUERIES, KEYS, dtype=torch.bool)
    real = chunked_module._AttentionWeights.__call__

    def remembered(self, chunk):
        weights, kept = real(self, chunk)
        drawn[chunk.row, chunk.heads, chunk.queries, : chunk.seen] = kept == 0
        return weights, kept

    ours, plain = inputs(), inputs()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunked_module._AttentionWeights, "__call__", remembered)
        patch.setattr(chunked_module, "HEADS", 2)
        found = attention(*ours, dropout=0.25 if drop else 0.0, **rule)
        lost = drawn.clone()
        assert bool(lost.any()) is drop
        expected = whole(plain, **rule, lost=lost, dropout=0.25 if drop else 0.0)
        assert_same(found, expected, ours, plain)


@every_case("drop", [False, True])
def test_a_prefix_sees_itself_and_what_follows_sees_all_before(monkeypatch, drop):
    """Everything by itself equals the two parts one after the other, with the same numbers dropped."""
    monkeypatch.setattr(
        chunked_module,
        "fill_keep_mask",
        lambda out, dropout, draw: out.fill_(0).add_(torch.arange(out.shape[-1]) % 4 > 0),
    )
    torch.manual_seed(4)
    prefix, dropout = CHUNK + 9, 0.25 if drop else 0.0
    ours = [torch.randn(1, 3, KEYS, 8, requires_grad=True) for _ in range(3)]
    plain = [one.detach().clone().requires_grad_() for one in ours]
    found = attention(*ours, causal=True, prefix=prefix, dropout=dropout)
    first = attention(*(one[..., :prefix, :] for one in plain), dropout=dropout)
    rest = attention(plain[0][..., prefix:, :], *plain[1:], causal=True, dropout=dropout)
    expected = torch.cat((first, rest), -2)
    assert_same(found, expected, ours, plain)


def test_bfloat16_is_float32_rounded():
    torch.manual_seed(5)
    wide = [one.detach().bfloat16().float().requires_grad_() for one in inputs()]
    narrow = [one.detach().bfloat16().requires_grad_() for one in wide]
    found = []
    for ones in (wide, narrow):
        torch.manual_seed(6)
        out = attention(*ones, causal=True, dropout=0.1)
        out.float().square().sum().backward()
        found.append([out, *(one.grad for one in ones)])
    for one, other in zip(*found, strict=True):
        assert other.dtype is torch.bfloat16
        torch.testing.assert_close(other.float(), one, rtol=2e-2, atol=2e-2)


def test_nobody_asks():
    _, key, value = inputs()
    for dropout in (0.0, 0.1):
        assert attention(torch.zeros(2, 3, 0, 8), key, value, causal=True, dropout=dropout).shape == (2, 3, 0, 8)


def test_dropout_drops_its_share_and_keeps_the_mean():
    torch.manual_seed(1)
    query, key = torch.zeros(1, 1, 200, 4), torch.zeros(1, 1, 500, 4)
    found = attention(query, key, torch.ones(1, 1, 500, 4), dropout=0.1)
    assert abs(float(found.mean()) - 1) < 0.01
    assert 0.005 < float(found[..., 0].std()) < 0.03


def test_keeps_nothing_of_the_square():
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda one: kept.append(one.numel()) or one, lambda one: one):
        for dropout in (0.0, 0.1):
            attention(*inputs(), dropout=dropout, causal=True)
    assert max(kept) < QUERIES * KEYS
    kept.clear()
    with torch.autograd.graph.saved_tensors_hooks(lambda one: kept.append(one.numel()) or one, lambda one: one):
        whole(inputs(), causal=True)
    assert max(kept) >= QUERIES * KEYS


def test_half_precision_stays_near():
    query, key, value = (one.detach().bfloat16() for one in inputs())
    found = attention(query, key, value, dropout=0.004, causal=True)  # a thousandth that is dropped
    expected = whole((query.float(), key.float(), value.float()), causal=True)
    assert found.dtype is torch.bfloat16
    assert float((found - expected).abs().mean()) < 0.02


@every_case("length", [7, 16, 50])
def test_chunks_are_joined(length):
    x = torch.randn(2, length, requires_grad=True)
    found = chunked(length, lambda start, stop: x[:, start:stop] ** 2, dim=1, size=16)
    torch.testing.assert_close(found, x**2)
    found.sum().backward()
    torch.testing.assert_close(x.grad, 2 * x.detach())
