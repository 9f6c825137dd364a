from functools import partial

import pytest
import torch
from torch import nn

from sovits_cli.models.layers import attention as attention_module
from sovits_cli.models.layers.attention import (
    ChannelNorm,
    RelativeEncoder,
    RelativeSelfAttention,
    gather_band,
    length_mask,
    spread_band,
)
from sovits_cli.models.layers.chunked import chunked
from sovits_cli.models.layers.hifigan import ChannelsLast
from sovits_cli.models.layers.weight_norm import (
    WeightNormConv1d,
    WeightNormConv2d,
    WeightNormConvTranspose1d,
    fold_weight_norm,
)
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.decoders import SpectrumHead
from sovits_cli.models.sovits.flow import Flow


@pytest.mark.parametrize("steps", [1, 3, 4, 5, 12])
def test_band_goes_to_its_diagonals_and_back(steps):
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
    x, keep = torch.randn(1, 8, 7), torch.arange(7)[None] < 6
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
            for chance, (j, r) in zip(scores.softmax(0), near, strict=True):
                out[head, :, i] += chance * (value[head, :, j] + (attention.emb_rel_v[0, r] if r is not None else 0))
    torch.testing.assert_close(attention(x, keep), attention.conv_o(out.view(1, 8, 7)))


def test_long_sequences_are_attended_in_blocks(monkeypatch):
    """Same numbers, same gradients, and nothing of the square of the length is kept."""
    torch.manual_seed(0)
    attention = RelativeSelfAttention(8, 2, dropout=0.0)
    x, keep = torch.randn(2, 8, 300), length_mask(torch.tensor([300, 211]), 300)
    found, kept = [], []
    for size in (1000, 64):
        monkeypatch.setattr(attention_module, "chunked", partial(chunked, size=size))
        attention.zero_grad()
        kept.append([])
        with torch.autograd.graph.saved_tensors_hooks(lambda one: kept[-1].append(one.numel()) or one, lambda one: one):
            out = attention(x, keep)
        out.square().sum().backward()
        found.append([out, *(parameter.grad.clone() for parameter in attention.parameters())])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert max(kept[0]) >= 300 * 300 > max(kept[1])


def test_attention_does_not_see_what_is_not_kept():
    torch.manual_seed(0)
    encoder = RelativeEncoder(8, 16, 2, 2, kernel_size=3, dropout=0.0)
    keep = length_mask(torch.tensor([5]), 9)
    x, other = torch.randn(2, 1, 8, 9)
    other[..., :5] = x[..., :5]
    first = encoder(x, keep)
    torch.testing.assert_close(first, encoder(other, keep))
    assert (first[..., 5:] == 0).all()


def test_keep_mask():
    assert length_mask(torch.tensor([2, 0, 3]), 3).tolist() == [[True, True, False], [False] * 3, [True] * 3]


def test_channel_norm_normalises_every_step():
    out = ChannelNorm(6)(torch.randn(2, 6, 5) * 3 + 1)
    torch.testing.assert_close(out.mean(1), torch.zeros(2, 5), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.std(1, correction=0), torch.ones(2, 5), atol=1e-3, rtol=0)


NORMED = {
    "conv1d": (lambda: WeightNormConv1d(4, 6, 5, stride=2, padding=2, groups=2), (2, 4, 11), (6, 1, 1)),
    "conv2d": (lambda: WeightNormConv2d(4, 6, (5, 1), stride=(3, 1), padding=(2, 0)), (2, 4, 11, 3), (6, 1, 1, 1)),
    "transposed": (lambda: WeightNormConvTranspose1d(4, 6, 8, stride=4, padding=2), (2, 4, 11), (4, 1, 1)),
}


@pytest.mark.parametrize("name", NORMED)
def test_weight_norm_keeps_the_length_apart_from_the_direction(name):
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


@pytest.mark.parametrize("name", ["conv1d", "transposed"])
def test_folded_and_in_channels_last_it_is_the_same(name):
    make, shape, _ = NORMED[name]
    net, x = nn.Sequential(make(), nn.Tanh()), torch.randn(shape)
    wanted = net(x)
    fold_weight_norm(net)
    assert set(net.state_dict()) == {"0.weight", "0.bias"}
    torch.testing.assert_close(net(x), wanted)
    torch.testing.assert_close(ChannelsLast(net)(x), wanted)


def test_flow_inverts():
    torch.manual_seed(0)
    config = SovitsConfig(inter_channels=8, hidden_channels=16, gin_channels=512)
    flow = Flow(config)
    for parameter in flow.parameters():
        nn.init.normal_(parameter, std=0.3)
    z, ge = torch.randn(2, 8, 9), torch.randn(2, 512, 1)
    places = length_mask(torch.tensor([9, 6]), 9)[:, None].float()
    there = flow(z * places, places, ge)
    assert not torch.allclose(there, z * places)
    torch.testing.assert_close(flow.inverse(there, places, ge), z * places, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("frames", "n_fft", "hop"), [(1, 640, 160), (5, 640, 160), (9, 1024, 320)])
def test_spectrum_head_inverts_a_spectrum(frames, n_fft, hop):
    """Fed with the spectrum of a wave, the head gives the wave back, also near the ends."""
    wave = torch.randn(1, frames * hop)
    head = SpectrumHead(n_fft + 2, n_fft, hop)
    reach = (n_fft - hop) // 2
    pieces = nn.functional.pad(wave, (reach, reach)).unfold(1, n_fft, hop) * head.window
    spectrum = torch.fft.rfft(pieces)
    with torch.no_grad():
        head.project.weight.copy_(torch.eye(n_fft + 2))
        head.project.bias.zero_()
    got = head(torch.cat([spectrum.abs().log(), spectrum.angle()], dim=-1))
    torch.testing.assert_close(got, wave, atol=1e-4, rtol=1e-4)
