"""Vocoders against recorded waveforms, and their key names against the recorded lists."""

from pathlib import Path

import pytest
import torch

from sovits_cli.checkpoints.weight_loading import build_uninitialised
from sovits_cli.models.vocoders import VOCODERS
from sovits_cli.versions import VERSIONS, VocoderKind
from tests.parity import golden, keylists
from tests.parity.acoustic import distance, fill, tensors
from tests.parity.keylists import KEYS, differing, shapes

AUDIO_TOLERANCE = 2e-4
LISTS = {
    "v3_bigvgan_24khz_100band_256x": VocoderKind.BIGVGAN,
    "v4_vocoder": VocoderKind.HIFIGAN,
}


@pytest.mark.parametrize("folded", [False, True], ids=["as-stored", "for-inference"])
@pytest.mark.parametrize("path", golden.files("vocoder"))
def test_wave(path, measured, folded):
    if folded and "full" in path.stem:
        pytest.skip("one form is enough at full size")
    recorded = golden.load(path)
    kind = VERSIONS[path.stem.partition("_")[0]].decoder.vocoder
    vocoder = fill(VOCODERS[kind](recorded["vocoder_json"]), int(recorded["seed"])).eval()
    if folded:
        vocoder = vocoder.for_inference()
    (mel,) = tensors(recorded, "voc/mel")
    with torch.inference_mode():
        wave = vocoder(mel)
    assert wave.shape == (1, 1, recorded["voc/audio"].size)
    measured(distance(wave, recorded, "voc/audio"), AUDIO_TOLERANCE, "voc/audio")


def unfilled(kind, config):
    return build_uninitialised(
        lambda: VOCODERS[kind](config), {"as many": torch.empty(100_000_000)}, layers=0, source=Path("here")
    )


@pytest.mark.parametrize("path", keylists.files(LISTS))
def test_keys(path, measured):
    config, wanted = keylists.recorded(path)
    measured(differing(shapes(unfilled(LISTS[path.stem], config)), wanted), 0, KEYS)


@pytest.mark.parametrize("path", keylists.files(["v3_bigvgan_24khz_100band_256x_noweightnorm"]))
def test_folded_keys(path, measured):
    config, wanted = keylists.recorded(path)
    vocoder = unfilled(VocoderKind.BIGVGAN, config).for_inference()
    measured(differing(shapes(vocoder), wanted), 0, KEYS)
