"""Vocoders: their lengths, their filter, and configurations that are not built."""

import pytest
import torch

from sovits_cli.errors import ModelError
from sovits_cli.models.bigvgan import AntiAliased, lowpass_filter
from sovits_cli.models.vocoders import VOCODERS
from sovits_cli.versions import VocoderKind
from tests.checkpoints.synthetic_flow import TINY_VOCODERS

EACH = pytest.mark.parametrize("kind", VocoderKind)


@EACH
@pytest.mark.parametrize("frames", [1, 7])
def test_a_frame_is_a_hop(kind, frames):
    vocoder = VOCODERS[kind](TINY_VOCODERS[kind]).eval()
    with torch.inference_mode():
        wave = vocoder(torch.randn(2, 100, frames))
    assert wave.shape == (2, 1, frames * vocoder.hop)
    assert wave.abs().max() <= 1


@EACH
def test_the_form_for_inference_says_the_same(kind):
    torch.manual_seed(0)
    vocoder = VOCODERS[kind](TINY_VOCODERS[kind]).eval().requires_grad_(False)
    mel = torch.randn(1, 100, 5)
    before = vocoder(mel)
    assert torch.allclose(vocoder.for_inference()(mel), before, atol=1e-5)


def test_the_filter_is_the_published_one():
    """Its first half, as recorded from the official program (models.md 4.1); it is symmetric and of sum 1."""
    taps = lowpass_filter().flatten()
    half = torch.tensor([0.00202896, 0.00938947, -0.02554346, -0.05765738, 0.12857258, 0.44320980])
    assert torch.allclose(taps[:6], half, atol=1e-7)
    assert torch.equal(taps, taps.flip(0))
    assert float(taps.sum()) == pytest.approx(1.0)


def test_anti_aliasing_keeps_what_is_slow():
    layer = AntiAliased(1)
    slow = torch.full((1, 1, 50), 0.3)
    assert torch.allclose(layer(slow), layer.act(slow), atol=1e-3)


@pytest.mark.parametrize(("key", "value"), [("resblock", "2"), ("snake_logscale", False), ("activation", "snake")])
def test_other_kinds_of_bigvgan_are_refused(key, value):
    with pytest.raises(ModelError, match=f"`{key}` is"):
        VOCODERS[VocoderKind.BIGVGAN]({key: value})


@EACH
def test_a_configuration_of_wrong_types_is_refused(kind):
    with pytest.raises(ModelError, match="`upsample_rates` is"):
        VOCODERS[kind]({"upsample_rates": ["four"]})
