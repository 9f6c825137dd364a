"""Finding models: by name, by path, by files, or the newest."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sovits_cli import paths
from sovits_cli.checkpoints import bundle, ours
from sovits_cli.checkpoints.bundle import everything, find, from_files, frozen_parts
from sovits_cli.errors import ModelError
from sovits_cli.features import content
from sovits_cli.models.sovits.synthesizer import Synthesizer
from sovits_cli.models.t2s.model import Text2Semantic
from tests.checkpoints import synthetic


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A package with a bundled model `mini`, and nothing else."""
    folder = tmp_path / "package" / "checkpoints" / "bundled" / "mini"
    gpt, sovits = replace(synthetic.TINY_GPT, bert_dim=0), synthetic.TINY_SOVITS
    ours.save(
        folder / "gpt.safetensors", Text2Semantic(gpt).state_dict(), {"version": "mini", "config": gpt.to_official()}
    )
    ours.save(
        folder / "sovits.safetensors",
        Synthesizer(sovits, posterior=False).state_dict(),
        {"version": "mini", "config": sovits.to_official()},
    )
    ours.save(folder / "content.safetensors", {}, {})
    monkeypatch.setattr(bundle, "package_dir", lambda: tmp_path / "package")
    return folder


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


def aged(path, seconds):
    os.utime(path, (1_000_000 - seconds, 1_000_000 - seconds))


def test_the_bundled_model_is_the_last_resort(shipped, runs):
    found = find(runs=runs)
    assert (found.name, found.version.name, found.origin, found.bert) == ("mini", "mini", "bundled", None)
    assert found.gpt == shipped / "gpt.safetensors"
    assert found.why == "bundled; no other model is installed"
    assert found.size_bytes == sum(file.stat().st_size for file in shipped.iterdir())
    assert bundle.gpt_model(found).config.bert_dim == 0
    assert bundle.sovits_model(found).config.codebook_size == 64


def test_an_installed_model_comes_before_it_the_newest_first(shipped, runs):
    for name, age in (("one", 10), ("two", 0), ("three", 20)):
        aged(synthetic.install(name, bert=name == "two") / "model.json", age)
    found = find(runs=runs)
    assert (found.name, found.origin, found.why) == ("two", "installed", "the newest installed model")
    assert found.bert == paths.models_dir() / "two" / "bert"
    assert find("one", runs=runs).bert is None
    assert [model.name for model in everything(runs)[0]] == ["two", "one", "three", "mini"]


def test_a_trained_voice_comes_first(shipped, runs):
    synthetic.install("base")
    (runs / "alice").mkdir(parents=True)
    synthetic.write_gpt(runs / "alice" / "alice-e15.ckpt", synthetic.TINY_GPT)
    synthetic.write_voice(runs, "alice", "base", gpt="alice-e15.ckpt")
    found = find(runs=runs)
    assert (found.name, found.origin) == ("alice", "trained")
    assert found.gpt == runs / "alice" / "alice-e15.ckpt"
    assert found.sovits == paths.models_dir() / "base" / "sovits.pth"  # not trained yet
    assert found.content == paths.models_dir() / "base" / "hubert"
    assert find(runs=runs, trained=False).name == "base"
    assert find(str(runs / "alice")).name == find("alice", runs=runs).name == "alice"


def test_a_voice_tuned_from_a_voice(shipped, runs):
    synthetic.install("base")
    synthetic.write_voice(runs, "alice", "base")
    synthetic.write_voice(runs, "bob", "alice")
    synthetic.write_voice(runs, "carol", str(runs / "bob"))
    assert find("carol", runs=runs).content == paths.models_dir() / "base" / "hubert"
    synthetic.write_voice(runs, "alice", "carol")
    with pytest.raises(ModelError, match="its base leads back to itself"):
        find("carol", runs=runs)


def test_unknown_names(shipped, runs, tmp_path):
    synthetic.install("base")
    with pytest.raises(ModelError, match="no model is called nobody: there are base, mini") as caught:
        find("nobody", runs=runs)
    assert caught.value.hint == "sovits models list"
    file = tmp_path / "a.ckpt"
    file.write_bytes(b"x")
    with pytest.raises(ModelError, match="is a file: expected the name or folder") as caught:
        find(str(file), runs=runs)
    assert "--gpt" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("{", "cannot be read"),
        ("[]", "is no JSON object"),
        ("{}", "content is None"),
        (
            json.dumps({"name": "x", "version": "v9", "gpt": "g", "sovits": "s", "content": "c"}),
            "its content .* does not exist",
        ),
    ],
)
def test_broken_installed_models_are_named_and_the_rest_is_listed(shipped, runs, said, problem):
    folder = paths.models_dir() / "broken"
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(said)
    found, broken = everything(runs)
    assert [model.name for model in found] == ["mini"]
    assert len(broken) == 1
    with pytest.raises(ModelError, match=problem):
        find("broken", runs=runs)


def test_an_unknown_version_is_named(shipped, runs):
    folder = synthetic.install("base")
    said = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**said, "version": "v9"}))
    with pytest.raises(ModelError, match="unknown model version 'v9'"):
        find("base", runs=runs)


def test_a_bundled_model_that_lost_a_file(shipped, runs):
    (shipped / "content.safetensors").unlink()
    with pytest.raises(ModelError, match="bundled model mini is incomplete"):
        find(runs=runs)


def test_nothing_at_all(tmp_path, runs, monkeypatch):
    monkeypatch.setattr(bundle, "package_dir", lambda: tmp_path)
    with pytest.raises(ModelError, match="there is no model"):
        find(runs=runs)


def test_files_find_the_encoders_of_their_version(shipped, runs, tmp_path):
    folder = synthetic.install("base")
    gpt, sovits = tmp_path / "alice.ckpt", tmp_path / "alice.pth"
    synthetic.write_gpt(gpt, synthetic.TINY_GPT)
    synthetic.write_sovits(sovits, synthetic.TINY_SOVITS)
    found = from_files(gpt, sovits, runs=runs)
    assert (found.origin, found.name, found.version.name) == ("files", "alice", "v2")
    assert (found.gpt, found.sovits, found.content, found.bert) == (gpt, sovits, folder / "hubert", folder / "bert")
    assert found.why == "with the encoders of base"
    only_gpt = from_files(gpt, None, runs=runs)
    assert (only_gpt.gpt, only_gpt.sovits, only_gpt.version.name) == (gpt, folder / "sovits.pth", "v2")
    only_sovits = from_files(None, sovits, runs=runs)
    assert (only_sovits.gpt, only_sovits.sovits) == (folder / "gpt.ckpt", sovits)


def test_files_without_their_encoders(shipped, runs, tmp_path):
    sovits = tmp_path / "alice.pth"
    synthetic.write_sovits(sovits, synthetic.TINY_SOVITS)
    with pytest.raises(ModelError, match=r"no installed model has a GPT that goes with .*alice\.pth, a v2 file"):
        from_files(None, sovits, runs=runs)


def test_files_that_do_not_belong_together(shipped, runs, tmp_path):
    synthetic.install("base")
    gpt = tmp_path / "other.ckpt"
    synthetic.write_gpt(gpt, replace(synthetic.TINY_GPT, vocab=1025))
    with pytest.raises(ModelError, match="together: the GPT says 1024 different tokens, the SoVITS model knows 64"):
        from_files(gpt, None, runs=runs)


def test_frozen_parts(shipped, runs):
    synthetic.install("base")
    parts = frozen_parts(find("base", runs=runs))
    assert {key: tuple(value.shape) for key, value in parts.items()} == {
        "ssl_proj.weight": (48, 48, 2),
        "ssl_proj.bias": (48,),
        bundle.CODEBOOK: (64, 48),
    }
    with pytest.raises(ModelError, match="makes no semantic tokens"):
        frozen_parts(replace(find("base", runs=runs), sovits=Path(paths.models_dir() / "base" / "gpt.ckpt")))


def test_a_family_to_train_from_is_not_spoken_with(shipped, runs):
    folder = paths.models_dir() / "family"
    ours.save(folder / "content.safetensors", {}, {})
    (folder / "model.json").write_text(
        json.dumps({"name": "family", "version": "mini", "content": "content.safetensors"})
    )
    assert not find("family", runs=runs).speaks
    assert find(runs=runs).name == "mini"


def test_two_files_do_without_an_encoder(shipped, runs, tmp_path):
    gpt, sovits = tmp_path / "alice.ckpt", tmp_path / "alice.pth"
    synthetic.write_gpt(gpt, synthetic.TINY_GPT)
    synthetic.write_sovits(sovits, synthetic.TINY_SOVITS)
    found = from_files(gpt, sovits, runs=runs)
    assert (found.content, found.bert, found.why) == (None, None, "without a content encoder: none is installed")
    with pytest.raises(ModelError, match="alice has no hubert content encoder"):
        content.load(found)


def test_a_gpt_of_the_larger_phone_table_does_not_go_with_the_smaller(shipped, runs, tmp_path):
    synthetic.install("base")
    old = replace(synthetic.TINY_SOVITS, phones=322, style_bins=1025)
    gpt, sovits = tmp_path / "alice.ckpt", tmp_path / "alice.pth"
    synthetic.write_sovits(sovits, old, version="v1")
    with pytest.raises(ModelError, match="no installed model has a GPT that goes with") as caught:
        from_files(None, sovits, runs=runs)
    assert caught.value.hint.endswith("sovits models pull v1")
    synthetic.write_gpt(gpt, synthetic.TINY_GPT)
    with pytest.raises(ModelError, match=r"made for 732 phones, the v1 model for 322$"):
        from_files(gpt, sovits, runs=runs)
    synthetic.write_gpt(gpt, replace(synthetic.TINY_GPT, phones=512))
    found = from_files(gpt, sovits, runs=runs)
    assert (found.version.name, found.content) == ("v1", paths.models_dir() / "base" / "hubert")
    with pytest.raises(ModelError, match=r"made for 512 phones, the v2 model for 732$"):
        from_files(gpt, None, runs=runs)


def test_each_part_comes_from_the_newest_model_that_has_it(shipped, runs, tmp_path):
    synthetic.install("base")
    other = synthetic.install("pro", bert=False)
    said = json.loads((other / "model.json").read_text())
    (other / "sv.ckpt").write_bytes(b"x")
    (other / "model.json").write_text(json.dumps({**said, "version": "v2ProPlus", "speaker": "sv.ckpt"}))
    gpt, sovits = tmp_path / "alice.ckpt", tmp_path / "alice.pth"
    synthetic.write_gpt(gpt, synthetic.TINY_GPT)
    synthetic.write_sovits(sovits, replace(synthetic.TINY_SOVITS, speaker_channels=6), version="v2Pro")
    found = from_files(gpt, sovits, runs=runs)
    assert (found.version.name, found.speaker) == ("v2Pro", other / "sv.ckpt")
    assert found.bert == paths.models_dir() / "base" / "bert"
    assert found.vocoder is None


def test_a_model_that_is_said_to_be_of_another_version(shipped, runs):
    folder = synthetic.install("base")
    said = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**said, "version": "v1"}))
    with pytest.raises(ModelError, match=r"sovits\.pth is a v2 file, but base is said to be a v1 model"):
        bundle.sovits_model(find("base", runs=runs))


class TestBegunFrom:
    @pytest.fixture
    def base(self, shipped, runs):
        synthetic.install("base")
        return find("base", runs=runs)

    def test_files_take_the_place_of_parts(self, base, tmp_path):
        gpt, sovits, judges = tmp_path / "epoch=1.ckpt", tmp_path / "G_1.pth", tmp_path / "D_1.pth"
        synthetic.write_gpt(gpt, synthetic.TINY_GPT)
        synthetic.write_sovits(sovits, synthetic.TINY_SOVITS, posterior=True)
        torch.save({"model": {"discriminators.0.convs.0.bias": torch.ones(2)}, "iteration": 1}, judges)
        found = bundle.begun_from(base, [judges, gpt, sovits])
        assert (found.gpt, found.sovits, found.discriminator) == (gpt, sovits, judges)
        assert (found.content, found.name) == (base.content, "base from D_1.pth, epoch=1.ckpt, G_1.pth")
        assert bundle.discriminator_weights(found).keys() == {"discriminators.0.convs.0.bias"}
        assert bundle.begun_from(base, []) == base
        assert bundle.discriminator_weights(base) == {}

    def test_what_does_not_go_with_it(self, base, tmp_path):
        first, second = tmp_path / "a.pth", tmp_path / "b.pth"
        synthetic.write_sovits(first, synthetic.TINY_SOVITS)
        with pytest.raises(ModelError, match=r"a\.pth and .*a\.pth: each is a SoVITS model"):
            bundle.begun_from(base, [first, first])
        with pytest.raises(ModelError, match="is a HuBERT content encoder: training begins from"):
            bundle.begun_from(base, [base.content / "pytorch_model.bin"])
        old = replace(synthetic.TINY_SOVITS, phones=322, style_bins=1025)
        synthetic.write_sovits(second, old, version="v1")
        with pytest.raises(ModelError, match=r"is a SoVITS model \(v1\), but base is a v2 model"):
            bundle.begun_from(base, [second])
        synthetic.write_sovits(second, replace(synthetic.TINY_SOVITS, codebook_size=32))
        with pytest.raises(ModelError, match="do not belong together"):
            bundle.begun_from(base, [second])
