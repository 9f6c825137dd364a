"""Real models of a bundle, at tiny size: features and tokens are those of the encoders, keys follow the files."""

import pytest
import torch

from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.checkpoints.catalogue import find_model
from sovits_cli.checkpoints.safetensors_io import save_safetensors
from sovits_cli.data.experiment import Experiment, load_feature
from sovits_cli.errors import ModelError
from sovits_cli.features.content import load_hubert
from sovits_cli.models.phonetic import PhoneticConfig, PhoneticEncoder
from sovits_cli.prep.feature_models import BundleFeatureModels
from sovits_cli.versions import VERSIONS
from tests.checkpoints import synthetic
from tests.data.recordings import spoken_folder
from tests.prep.fakes import contents, run


@pytest.fixture
def models():
    synthetic.install()
    return BundleFeatureModels(find_model("v2"), "cpu", "v2")


def test_official_features_end_to_end(models, tmp_path):
    report = run(spoken_folder(tmp_path / "in", 2), tmp_path / "out", models)
    assert (report.clips, report.model, report.version) == (2, "v2", "v2")
    made = Experiment(tmp_path / "out")
    content = load_feature(made.content_path("clip0.wav"))
    assert content.shape == (1, 48, 49)
    assert content.dtype is torch.float32
    codes = made.read_semantic().rows["clip0.wav"]
    assert len(codes) == 24
    assert 0 <= codes.min() <= codes.max() < 64
    run(tmp_path / "in", tmp_path / "again", models, workers=1)
    assert contents(tmp_path / "out") == contents(tmp_path / "again")


def test_the_encoder_is_the_one_of_the_bundle(models):
    wave = torch.randn(8000)
    folder = find_model("v2").content
    assert torch.equal(models.encode(wave), load_hubert(folder, torch.device("cpu")).encode(wave))
    assert models.content_scale == 1145.14


def test_keys_follow_the_files(models):
    again = BundleFeatureModels(find_model("v2"), "cpu", "v2")
    keys = (models.content_key, models.semantic_key, models.bert_key)
    assert keys == (again.content_key, again.semantic_key, again.bert_key)
    assert len(set(keys)) == 3
    found = find_model("v2")
    synthetic.write_hubert(found.content, seed=2)
    synthetic.write_sovits(found.sovits, synthetic.TINY_SOVITS, seed=2)
    synthetic.write_bert(found.bert, seed=2)
    changed = BundleFeatureModels(find_model("v2"), "cpu", "v2")
    assert not {changed.content_key, changed.semantic_key, changed.bert_key} & set(keys)


def test_bert(models):
    assert models.bert("ab", [2, 1]).shape == (64, 3)


def test_a_model_without_bert():
    synthetic.install("plain", bert=False)
    models = BundleFeatureModels(find_model("plain"), "cpu", "plain")
    assert models.bert_key is None
    with pytest.raises(ModelError, match="plain has no text encoder"):
        models.bert("ab", [1, 1])


def test_a_small_family(models, tmp_path):
    encoder = PhoneticEncoder(PhoneticConfig(mels=16, width=16, layers=1, phones=tuple("abcdefghijkl")))
    path = tmp_path / "content.safetensors"
    save_safetensors(
        path, encoder.state_dict(), {"kind": "content", "content": "phonetic", "config": encoder.config.to_dict()}
    )
    found = find_model("v2")
    small = Bundle("small", VERSIONS["mini"], found.gpt, found.sovits, path, None, "files", "")
    wave = torch.randn(8000)
    made = BundleFeatureModels(small, "cpu", "small")
    assert made.content_scale == 1.0
    assert torch.equal(made.encode(wave), encoder.eval().features(wave[None]).detach())
