"""The speaker encoder: filter banks, vectors and keys against the recorded ones."""

import json

import pytest
import torch

from sovits_cli.audio.fbank import fbank
from sovits_cli.models.eres2net import SpeakerConfig, SpeakerEncoder
from sovits_cli.terms import SPEAKER_CHANNELS
from tests.parity import golden
from tests.parity.acoustic import distance, fill, tensors

FBANK_TOLERANCE = 1e-3
EMBEDDING_TOLERANCE = 1e-4
MANIFEST = golden.FOLDER / "manifests" / "eres2netv2_w24s4ep4.json"


@pytest.fixture(scope="module", params=golden.files("speaker"))
def case(request):
    recorded = golden.load(request.param)
    return recorded, fill(SpeakerEncoder(), int(recorded["seed"])).eval()


@pytest.mark.parametrize("which", ["", "2"])
def test_vector(case, which):
    recorded, network = case
    if f"embedding{which}" not in recorded:
        pytest.skip("the file has one recording")
    (wave,) = tensors(recorded, f"wave{which}_16k")
    banks = fbank(wave)
    assert distance(banks, recorded, f"fbank{which}") <= FBANK_TOLERANCE
    with torch.inference_mode():
        vector = network(banks[None])
    scale = abs(recorded[f"embedding{which}"]).max()
    assert distance(vector, recorded, f"embedding{which}") / scale <= EMBEDDING_TOLERANCE


@pytest.mark.skipif(not MANIFEST.is_file(), reason=f"no such list in {golden.FOLDER}")
def test_keys():
    wanted = json.loads(MANIFEST.read_text(encoding="utf-8"))["keys"]
    found = {key: list(value.shape) for key, value in SpeakerEncoder().state_dict().items()}
    assert found == {key: shape for key, (shape, _) in wanted.items()}


def test_the_width_is_that_of_the_acoustic_models():
    assert SpeakerConfig().width == SPEAKER_CHANNELS
