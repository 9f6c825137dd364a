"""Speaker vectors: what the encoder hears, long recordings, and files that are none."""

from pathlib import Path

import pytest
import torch
from torch import nn

from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import AudioError, ModelError
from sovits_cli.features import speaker
from sovits_cli.features.speaker import SpeakerEmbedder
from sovits_cli.models.eres2net import SpeakerConfig, SpeakerEncoder
from sovits_cli.versions import VERSIONS
from tests.checkpoints import synthetic

SMALL = SpeakerConfig(channels=16, blocks=(1, 1, 1, 1), classes=4)


class Levels(nn.Module):
    """Stands for an encoder: the mean of the filter banks."""

    def forward(self, banks):
        return banks.mean(dim=(1, 2))[:, None]


def bundle(path):
    here = Path("gpt")
    return Bundle("pro", VERSIONS["v2Pro"], here, here, None, None, "files", "", speaker=path)


@pytest.fixture
def small(monkeypatch):
    """Published encoders are small."""
    monkeypatch.setattr(speaker, "SpeakerConfig", lambda: SMALL)


@pytest.mark.usefixtures("small")
def test_a_published_encoder(tmp_path):
    path = tmp_path / "any.name"
    torch.save(synthetic.filled(SpeakerEncoder(SMALL)), path)
    vector = speaker.load_speaker_encoder(bundle(path)).embed(torch.randn(32_000), 32_000)
    assert vector.shape == (1, SMALL.width)
    assert bool(torch.isfinite(vector).all())


def test_the_rate_of_the_recording_hardly_matters():
    wave = torch.sin(2 * torch.pi * 440 * torch.arange(48_000) / 48_000)
    vectors = SpeakerEmbedder(Levels(), torch.device("cpu"))
    assert torch.allclose(vectors.embed(wave, 48_000), vectors.embed(wave[::3], 16_000), atol=0.5)


def test_a_long_recording_is_heard_in_parts(monkeypatch):
    vectors = SpeakerEmbedder(Levels(), torch.device("cpu"))
    wave = torch.randn(4 * 16_000) * torch.arange(4).repeat_interleave(16_000).add(1)
    whole = vectors.embed(wave, 16_000)
    monkeypatch.setattr(speaker, "MAX_PART_S", 1.5)
    assert torch.allclose(vectors.embed(wave, 16_000), whole, atol=0.05)


def test_too_short():
    with pytest.raises(AudioError, match="20 ms of audio tell nothing"):
        SpeakerEmbedder(Levels(), torch.device("cpu")).embed(torch.randn(320), 16_000)


@pytest.mark.usefixtures("small")
def test_files_that_are_no_speaker_encoder(tmp_path):
    with pytest.raises(ModelError, match="has no speaker encoder") as caught:
        speaker.load_speaker_encoder(bundle(None))
    assert hint_for(caught.value) == "sovits models pull v2Pro"
    path = tmp_path / "bert"
    synthetic.write_bert(path)
    with pytest.raises(ModelError, match="is a BERT text encoder: expected a speaker encoder"):
        speaker.load_speaker_encoder(bundle(path / "pytorch_model.bin"))
    weight = synthetic.filled(SpeakerEncoder(SMALL))
    del weight["bn1.running_var"]
    torch.save(weight, path / "cut.ckpt")
    with pytest.raises(ModelError, match=r"does not fit a SpeakerEncoder: 1 missing \(bn1.running_var\)"):
        speaker.load_speaker_encoder(bundle(path / "cut.ckpt"))
