"""What the networks are told of a text and a prompt, and that what they give is finite."""

import numpy as np
import pytest
import torch

from sovits_cli.errors import ModelError
from sovits_cli.inference.networks import VoiceNetworks, joined_features
from sovits_cli.inference.reference import Prompt, recording_of
from sovits_cli.inference.request import SynthesisOptions
from sovits_cli.models.t2s.decode import T2SRequest
from sovits_cli.text.reading import ReadingOptions
from sovits_cli.text.utterances import read_whole
from tests.inference import toys

NO_TOKENS = torch.zeros(0, dtype=torch.long)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOVITS_HOME", str(tmp_path_factory.mktemp("home")))
        return VoiceNetworks(toys.install(tokens=45), "cpu")


def test_text_features_one_after_the_other():
    one, two = torch.full((3, 4), 2.0), torch.ones(3, 2)
    assert joined_features((one, two), (4, 2)).sum(0).tolist() == [6.0] * 4 + [3.0] * 2
    assert joined_features((None, two), (4, 2)).sum(0).tolist() == [0.0] * 4 + [3.0] * 2
    assert joined_features((one, None), (4, 2)).sum(0).tolist() == [6.0] * 4 + [0.0] * 2
    assert joined_features((None, None), (4, 2)) is None


def test_the_prompt_goes_before_the_utterance(networks):
    utterance = read_whole("Hello there.", "en", ReadingOptions(toys.ROW.symbols))
    ids = networks.phone_ids(utterance).tolist()
    alone = networks.request(utterance, None, 7)
    assert (alone.phones.tolist(), alone.bert, len(alone.prompt), alone.seed) == (ids, None, 0, 7)
    prompt = Prompt(torch.tensor([700, 701]), torch.ones(3, 2), torch.tensor([5, 6, 7]))
    request = networks.request(utterance, prompt, 7)
    assert (request.phones.tolist(), request.prompt.tolist()) == ([700, 701, *ids], [5, 6, 7])
    assert request.bert.sum(0).tolist() == [3.0, 3.0] + [0.0] * len(ids)


def test_a_window_becomes_tokens_25_a_second(networks):
    recording = recording_of(0.2 * np.random.default_rng(0).standard_normal(4 * 16_000), 16_000)
    tokens = networks.semantic_tokens(recording)
    assert (tokens.ndim, len(tokens)) == (1, 114), "4 s, and 0.6 s of silence after it"
    assert networks.style(recording, None).vector.shape == (1, toys.TOY_SOVITS.gin_channels, 1)


def test_what_is_nan_is_an_error_of_the_model(networks, monkeypatch):
    utterance = read_whole("Hello.", "en", ReadingOptions(toys.ROW.symbols))
    monkeypatch.setattr(networks._acoustic, "wave", lambda *args, **rest: np.full(100, np.nan, np.float32))
    with pytest.raises(ModelError, match=r"sovits.safetensors gives samples that are NaN or infinite") as error:
        networks.wave(NO_TOKENS, utterance, None, SynthesisOptions(1), seed=1)
    assert (error.value.code, error.value.fields["file"]) == ("inference.not_finite", networks.bundle.sovits)

    def decode_each(*args, **rest):
        raise FloatingPointError
        yield

    monkeypatch.setattr("sovits_cli.inference.networks.decode_each", decode_each)
    request = T2SRequest(torch.arange(3), None, NO_TOKENS, 1)
    with pytest.raises(ModelError, match=r"gpt.safetensors gives logits that are NaN or infinite"):
        list(networks.decoded([request], SynthesisOptions(1), max_tokens=9, monotonic=False))
