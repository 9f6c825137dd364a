"""Vocoders against recorded waveforms, and their key names against the recorded lists."""

import json
from pathlib import Path

import pytest
import torch

from sovits_cli.checkpoints import build
from sovits_cli.models.vocoders.kinds import VOCODERS
from sovits_cli.versions import VERSIONS, VocoderKind
from tests.parity import golden
from tests.parity.acoustic import distance, fill, tensors
from tests.parity.test_s2_keys import manifests, shapes

AUDIO_TOLERANCE = 2e-4
LISTS = {
    "v3_bigvgan_24khz_100band_256x": VocoderKind.BIGVGAN,
    "v4_vocoder": VocoderKind.HIFIGAN,
}


@pytest.mark.parametrize("folded", [False, True], ids=["as-stored", "for-inference"])
@pytest.mark.parametrize("path", golden.files("vocoder"))
def test_wave(path, folded):
    if folded and "full" in path.stem:
        pytest.skip("one form is enough at full size")
    recorded = golden.load(path)
    kind = VERSIONS[path.stem.partition("_")[0]].flow.vocoder
    vocoder = fill(VOCODERS[kind](recorded["vocoder_json"]), int(recorded["seed"])).eval()
    if folded:
        vocoder = vocoder.for_inference()
    (mel,) = tensors(recorded, "voc/mel")
    with torch.inference_mode():
        wave = vocoder(mel)
    assert wave.shape == (1, 1, recorded["voc/audio"].size)
    assert distance(wave, recorded, "voc/audio") <= AUDIO_TOLERANCE


def unfilled(kind, config):
    return build.unfilled(
        lambda: VOCODERS[kind](config), {"as many": torch.empty(100_000_000)}, layers=0, source=Path("here")
    )


@pytest.mark.parametrize("path", manifests(LISTS))
def test_keys(path):
    manifest = json.loads(path.read_text(encoding="utf-8"))
    vocoder = unfilled(LISTS[path.stem], manifest["config"])
    assert shapes(vocoder) == {key: shape for key, (shape, _) in manifest["keys"].items()}


@pytest.mark.parametrize("path", manifests(["v3_bigvgan_24khz_100band_256x_noweightnorm"]))
def test_folded_keys(path):
    manifest = json.loads(path.read_text(encoding="utf-8"))
    vocoder = unfilled(VocoderKind.BIGVGAN, manifest["config"]).for_inference()
    assert shapes(vocoder) == {key: shape for key, (shape, _) in manifest["keys"].items()}
