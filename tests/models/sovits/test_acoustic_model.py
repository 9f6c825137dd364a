"""Semantic tokens and styles: what all acoustic models share."""

import pytest
import torch

from sovits_cli.errors import ModelError
from sovits_cli.models.sovits.acoustic_model import tokens_to_frames
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.vits import VitsModel
from tests.differences import every_case
from tests.models.sovits.small import SMALL, phones, small_model, tokens


@pytest.fixture(scope="module")
def model():
    return small_model().requires_grad_(False)


def test_tokens_of_content_drop_an_odd_frame(model):
    for frames in (2, 7, 8):
        found = model.extract_tokens(torch.randn(1, 20, frames))
        assert found.shape == (1, 1, frames // 2)
        assert found.dtype == torch.int64


def test_tokens_are_the_nearest_entries(model):
    entries = model.quantizer.decode(torch.tensor([[4, 49, 0]]))
    assert model.quantizer.encode(entries + 0.01).tolist() == [[4, 49, 0]]
    x = torch.randn(2, 20, 30)
    distances = torch.cdist(x.transpose(1, 2), model.quantizer.codebook.embed[None].expand(2, -1, -1))
    assert torch.equal(model.quantizer.encode(x), distances.argmin(-1))


def test_a_token_lasts_two_frames():
    assert tokens_to_frames(torch.tensor([[[1.0, 2.0, 3.0]]])).tolist() == [[[1, 1, 2, 2, 3, 3]]]


def test_tokens_and_phones_outside_their_tables(model):
    style = model.encode_style([torch.rand(1, 513, 9)])
    for bad in (torch.tensor([[[3, 50]]]), torch.tensor([[[-1]]]), torch.zeros(1, 1, 0, dtype=torch.long)):
        with pytest.raises(ModelError, match="semantic tokens"):
            model.encode(bad, phones(3), style)
    for bad in (torch.tensor([[732]]), torch.zeros(1, 0, dtype=torch.long)):
        with pytest.raises(ModelError, match="phones"):
            model.encode(tokens(3), bad, style)


def test_style_is_the_mean_over_references(model):
    first, second = torch.rand(1, 513, 20), torch.rand(1, 513, 33)
    both = model.encode_style([first, second])
    assert both.shape == (1, 32, 1)
    torch.testing.assert_close(both, (model.encode_style([first]) + model.encode_style([second])) / 2)


@every_case(
    ("specs", "code"),
    [([], "model.no_reference"), ([torch.rand(1, 512, 9)], "model"), ([torch.rand(1, 513, 0)], "model")],
)
def test_unusable_references(specs, code):
    with pytest.raises(ModelError, match="reference") as caught:
        small_model().encode_style(specs)
    assert caught.value.code == code


def test_speaker_vectors_where_the_model_takes_them(model):
    spec, vector = torch.rand(1, 513, 9), torch.randn(1, 6)
    torch.manual_seed(0)
    sections = {**SMALL, "model": {**SMALL["model"], "gin_channels": 48, "mrte_channels": 32, "speaker_channels": 6}}
    speaking = VitsModel(SovitsConfig.from_official(sections)).eval().requires_grad_(False)
    style = speaking.encode_style([spec], [vector])
    assert style.shape == (1, 48, 1)
    assert speaking.style_for_text(style).shape == (1, 32, 1)
    assert not torch.allclose(speaking.encode_style([spec], [vector + 1]), style)
    for other, given, code in ((speaking, [], "model.speaker_vector"), (model, [vector], "model")):
        with pytest.raises(ModelError, match="speaker vector") as caught:
            other.encode_style([spec], given)
        assert caught.value.code == code
    with pytest.raises(ModelError, match="1 reference spectrograms and 2 speaker vectors"):
        speaking.encode_style([spec], [vector, vector])
