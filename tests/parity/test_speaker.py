"""The speaker encoder: filter banks, vectors and keys against the recorded ones."""

import pytest
import torch

from sovits_cli.audio.mel import kaldi_fbank
from sovits_cli.models.eres2net import SpeakerConfig, SpeakerEncoder
from sovits_cli.terms import SPEAKER_CHANNELS
from tests.parity import golden, keylists
from tests.parity.acoustic import distance, fill, tensors
from tests.parity.keylists import KEYS, differing, shapes

FBANK_TOLERANCE = 1e-3
EMBEDDING_TOLERANCE = 1e-4


@pytest.fixture(scope="module", params=golden.files("speaker"))
def case(request):
    recorded = golden.load(request.param)
    return recorded, fill(SpeakerEncoder(), int(recorded["seed"])).eval()


@pytest.mark.parametrize("which", ["", "2"])
def test_vector(case, measured, which):
    recorded, network = case
    if f"embedding{which}" not in recorded:
        pytest.skip("the file has one recording")
    (wave,) = tensors(recorded, f"wave{which}_16k")
    banks = kaldi_fbank(wave)
    measured(distance(banks, recorded, f"fbank{which}"), FBANK_TOLERANCE, f"fbank{which}")
    with torch.inference_mode():
        vector = network(banks[None])
    name = f"embedding{which}"
    measured(distance(vector, recorded, name) / abs(recorded[name]).max(), EMBEDDING_TOLERANCE, name)


@pytest.mark.parametrize("path", keylists.files(["eres2netv2_w24s4ep4"]))
def test_keys(path, measured):
    _, wanted = keylists.recorded(path)
    measured(differing(shapes(SpeakerEncoder()), wanted), 0, KEYS)


def test_the_width_is_that_of_the_acoustic_models():
    assert SpeakerConfig().width == SPEAKER_CHANNELS
