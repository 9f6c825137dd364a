"""Relative attention by its definition, its band by an index, masks, and long sequences in chunks."""

from functools import partial

import torch

from sovits_cli.models.layers import attention as attention_module
from sovits_cli.models.layers.attention import (
    ChannelNorm,
    ConvFeedForward,
    CrossAttention,
    RelativeEncoder,
    RelativeSelfAttention,
    gather_band,
    length_mask,
    spread_band,
)
from sovits_cli.models.layers.chunked import chunked


def test_band_goes_to_its_diagonals_and_back():
    for steps in (1, 3, 4, 5, 12):
        band = torch.randn(2, 3, steps, 9)
        spread = spread_band(band, 0, steps)
        assert spread.shape == (2, 3, steps, steps)
        for i in range(steps):
            for j in range(steps):
                offset = j - i + 4
                wanted = band[..., i, offset] if 0 <= offset <= 8 else torch.zeros(2, 3)
                assert torch.equal(spread[..., i, j], wanted)
        inside = gather_band(torch.ones(steps, steps), 0)
        assert torch.equal(gather_band(spread, 0), band * inside)
        for start in range(steps):
            assert torch.equal(spread_band(band[..., start:, :], start, steps), spread[..., start:, :])
            assert torch.equal(gather_band(spread[..., start:, :], start), (band * inside)[..., start:, :])


def test_relative_attention_by_the_definition():
    torch.manual_seed(0)
    attention = RelativeSelfAttention(8, 2, dropout=0.0)
    x, mask = torch.randn(1, 8, 7), torch.arange(7)[None] < 6
    query, key, value = (conv(x)[0].view(2, 4, 7) for conv in (attention.conv_q, attention.conv_k, attention.conv_v))
    out = torch.zeros(2, 4, 7)
    for head in range(2):
        for i in range(7):
            near = [(j, j - i + 4) if abs(j - i) <= 4 else (j, None) for j in range(6)]
            scores = torch.stack(
                [
                    query[head, :, i] @ (key[head, :, j] + (attention.emb_rel_k[0, r] if r is not None else 0)) / 2
                    for j, r in near
                ]
            )
            for weight, (j, r) in zip(scores.softmax(0), near, strict=True):
                out[head, :, i] += weight * (value[head, :, j] + (attention.emb_rel_v[0, r] if r is not None else 0))
    torch.testing.assert_close(attention(x, mask), attention.conv_o(out.view(1, 8, 7)))


def test_long_sequences_are_attended_in_chunks(monkeypatch):
    """Same numbers, same gradients, and nothing of the square of the length is kept."""
    torch.manual_seed(0)
    attention = RelativeSelfAttention(8, 2, dropout=0.0)
    x, mask = torch.randn(2, 8, 300), length_mask(torch.tensor([300, 211]), 300)
    found, kept = [], []
    for size in (1000, 64):
        monkeypatch.setattr(attention_module, "chunked", partial(chunked, size=size))
        attention.zero_grad()
        kept.append([])
        with torch.autograd.graph.saved_tensors_hooks(lambda one: kept[-1].append(one.numel()) or one, lambda one: one):
            out = attention(x, mask)
        out.square().sum().backward()
        found.append([out, *(parameter.grad.clone() for parameter in attention.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert max(kept[0]) >= 300 * 300 > max(kept[1])


def test_what_is_masked_is_not_seen_and_comes_out_as_zero():
    torch.manual_seed(0)
    encoder = RelativeEncoder(8, 16, 2, 2, kernel_size=3, dropout=0.0)
    mask = length_mask(torch.tensor([5]), 9)
    x, other = torch.randn(2, 1, 8, 9)
    other[..., :5] = x[..., :5]
    first = encoder(x, mask)
    torch.testing.assert_close(first, encoder(other, mask))
    assert (first[..., 5:] == 0).all()


def test_cross_attention_sees_its_context_as_a_set():
    """The order of the context is nothing to it, a masked position neither."""
    torch.manual_seed(0)
    attention = CrossAttention(8, 2)
    x, context = torch.randn(1, 8, 4), torch.randn(1, 8, 6)
    mask = length_mask(torch.tensor([5]), 6)
    order = torch.tensor([3, 0, 4, 2, 1, 5])
    torch.testing.assert_close(attention(x, context, mask), attention(x, context[..., order], mask))
    torch.testing.assert_close(attention(x, context, mask), attention(x, context[..., :5], mask[:, :5]))


def test_even_and_odd_kernels_keep_the_length():
    for kernel in (3, 4):
        feed_forward = ConvFeedForward(8, 16, kernel, dropout=0.0)
        assert feed_forward(torch.randn(1, 8, 9), torch.ones(1, 1, 9)).shape == (1, 8, 9)


def test_length_mask():
    assert length_mask(torch.tensor([2, 0, 3]), 3).tolist() == [[True, True, False], [False] * 3, [True] * 3]


def test_channel_norm_normalises_every_step():
    out = ChannelNorm(6)(torch.randn(2, 6, 5) * 3 + 1)
    torch.testing.assert_close(out.mean(1), torch.zeros(2, 5), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.std(1, correction=0), torch.ones(2, 5), atol=1e-3, rtol=0)
