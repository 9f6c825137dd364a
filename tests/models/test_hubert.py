"""HuBERT: what its convolutions see, and recordings that pass them in blocks."""

import pytest
import torch
from torch.nn import functional as F

from sovits_cli.models import hubert
from sovits_cli.models.dimensions import DimensionError
from sovits_cli.models.hubert import ConvStack, Hubert, HubertConfig

TINY = HubertConfig(
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=24,
    conv_dim=(8,) * 7,
    num_conv_pos_embeddings=8,
    num_conv_pos_embedding_groups=2,
)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Hubert(TINY).eval().requires_grad_(False)


def test_a_frame_sees_400_samples_and_comes_every_320(model):
    assert (TINY.hop_samples, TINY.window_samples) == (320, 400)
    for samples, frames in ((400, 1), (719, 1), (720, 2), (16_000, 49)):
        assert model(torch.randn(1, samples)).shape == (1, frames, 16)


def test_a_sample_reaches_the_frames_that_see_it(model):
    wave = torch.randn(1, 400 + 9 * 320)
    other = wave.clone()
    other[0, 5 * 320 + 350] += 5  # inside frames 5 (from 1600) and 6 (from 1920)
    stack = model.feature_extractor
    mean, deviation = stack._statistics(wave)

    def layers(samples):
        hidden = stack._first.scaled(samples[:, None], mean, deviation)
        for layer in stack.conv_layers[1:]:
            hidden = layer(hidden)
        return hidden

    changed = (layers(wave) != layers(other)).any(1)[0]
    assert changed.nonzero()[:, 0].tolist() == [5, 6]


def test_blocks_give_what_the_whole_gives(model, monkeypatch):
    wave = torch.randn(2, 30_000)
    whole = model.feature_extractor(wave)
    monkeypatch.setattr(hubert, "BLOCK_FRAMES", 7)
    torch.testing.assert_close(model.feature_extractor(wave), whole, atol=1e-5, rtol=1e-5)


def test_the_first_layer_is_normalised_over_the_recording():
    torch.manual_seed(1)
    stack, wave = ConvStack(TINY).requires_grad_(False), torch.randn(1, 4000)
    values = stack._first.conv(wave[:, None])
    mean, deviation = stack._statistics(wave)
    torch.testing.assert_close(mean, values.mean(-1, keepdim=True), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(deviation, values.std(-1, keepdim=True, correction=0), atol=1e-4, rtol=1e-4)
    hidden = F.gelu(stack._first.layer_norm(values))  # torch's own norm, over all of it
    for layer in stack.conv_layers[1:]:
        hidden = layer(hidden)
    torch.testing.assert_close(stack(wave), hidden, atol=1e-5, rtol=1e-4)


def test_other_forms_are_refused():
    for key, value in (("do_stable_layer_norm", True), ("feat_extract_norm", "layer"), ("hidden_act", "relu")):
        with pytest.raises(DimensionError, match=f"{key} is {value!r}"):
            HubertConfig.from_dict({key: value})
    with pytest.raises(DimensionError, match="a frame every 160 samples"):
        HubertConfig(conv_stride=(5, 2, 2, 2, 2, 2, 1))
