"""What a voice hears in a reference, for versions whose style also comes from a speaker embedding."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import ModelError
from sovits_cli.features import speaker
from sovits_cli.inference.acoustic import VitsAcoustic
from sovits_cli.inference.reference import read_recording
from sovits_cli.terms import SPEAKER_CHANNELS
from sovits_cli.versions import VERSIONS
from tests.checkpoints import synthetic
from tests.inference.toys import voice_recording

SPEAKING = replace(synthetic.TINY_SOVITS, speaker_channels=SPEAKER_CHANNELS)


class Vectors:
    """Stands for a speaker encoder; keeps what it heard."""

    def __init__(self, value: float) -> None:
        self.value = value
        self.heard: list[tuple[int, int]] = []

    def embed(self, wave: torch.Tensor, rate: int) -> torch.Tensor:
        self.heard.append((len(wave), rate))
        return torch.full((1, SPEAKER_CHANNELS), self.value)


@pytest.fixture
def bundle(tmp_path):
    path = tmp_path / "pro.pth"
    synthetic.write_sovits(path, SPEAKING, version="v2Pro", code=b"05")
    return Bundle("pro", VERSIONS["v2Pro"], path, path, None, None, "files", "")


def test_each_stretch_is_heard_by_the_speaker_encoder(bundle, tmp_path, monkeypatch):
    found = read_recording(voice_recording(tmp_path / "r.wav", 24.0))
    styles = []
    for value in (0.0, 0.01):
        vectors = Vectors(value)
        monkeypatch.setattr(speaker, "load_speaker_encoder", lambda *_, vectors=vectors: vectors)
        acoustic = VitsAcoustic(bundle, torch.device("cpu"))
        styles.append(acoustic.style(found, None).vector)
        assert len(vectors.heard) == len(found.style_spans) > 1
        assert {rate for _, rate in vectors.heard} == {32_000}
    assert styles[0].shape == (1, SPEAKING.gin_channels, 1)
    assert not torch.allclose(styles[0], styles[1])


def test_without_its_speaker_encoder_it_does_not_speak(bundle):
    with pytest.raises(ModelError, match="pro has no speaker encoder") as caught:
        VitsAcoustic(bundle, torch.device("cpu"))
    assert hint_for(caught.value) == "sovits models pull v2Pro"
