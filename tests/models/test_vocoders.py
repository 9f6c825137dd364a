"""The table of vocoders: lengths, the form for inference, and configurations of wrong types."""

import pytest
import torch

from sovits_cli.errors import ModelError
from sovits_cli.models.vocoders import VOCODERS
from sovits_cli.versions import VocoderKind
from tests.checkpoints.synthetic_flow import TINY_VOCODERS
from tests.differences import every_case


@every_case("kind", list(VocoderKind))
def test_a_frame_is_a_hop_and_the_form_for_inference_sounds_the_same(kind):
    torch.manual_seed(0)
    vocoder = VOCODERS[kind](TINY_VOCODERS[kind]).eval().requires_grad_(False)
    for frames in (1, 7):
        mel = torch.randn(2, 100, frames)
        wave = vocoder(mel)
        assert wave.shape == (2, 1, frames * vocoder.hop)
        assert wave.abs().max() <= 1
    assert torch.allclose(vocoder.for_inference()(mel), wave, atol=1e-5)
    with pytest.raises(ModelError, match="`upsample_rates` is"):
        VOCODERS[kind]({"upsample_rates": ["four"]})


def test_published_configurations_make_the_published_hops():
    bigvgan, hifigan = (VOCODERS[kind](TINY_VOCODERS[kind]) for kind in (VocoderKind.BIGVGAN, VocoderKind.HIFIGAN))
    assert (bigvgan.hop, hifigan.hop) == (256, 480)
    assert hifigan.conv_post.bias is not None
    assert not any("weight_g" in key for key in hifigan.state_dict()), "the published file is folded"
