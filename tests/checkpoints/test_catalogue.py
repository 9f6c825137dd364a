"""Finding models: by name, by path, or the newest."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
import torch

from sovits_cli import paths
from sovits_cli.checkpoints import catalogue
from sovits_cli.checkpoints.bundle import models_using
from sovits_cli.checkpoints.catalogue import bundle_from_files, find_model, list_models, with_initial_weights
from sovits_cli.checkpoints.hub_cache import voices_using
from sovits_cli.checkpoints.networks import load_gpt, load_vits, read_discriminator_weights
from sovits_cli.checkpoints.safetensors_io import save_safetensors
from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import ModelError
from sovits_cli.features import content
from sovits_cli.models.sovits.vits import VitsModel
from sovits_cli.versions import VERSIONS
from tests.checkpoints import synthetic
from tests.differences import differences, every_case


def aged(path, seconds):
    os.utime(path, (1_000_000 - seconds, 1_000_000 - seconds))


def test_the_bundled_model_is_the_last_resort(shipped, runs):
    found = find_model(runs=runs)
    assert (found.name, found.version.name, found.origin, found.bert) == ("mini", "mini", "bundled", None)
    assert found.gpt == shipped / "gpt.safetensors"
    assert found.why == "bundled; no other model is installed"
    assert found.size_bytes == sum(file.stat().st_size for file in shipped.iterdir())
    assert load_gpt(found).config.bert_dim == 0
    assert load_vits(found).config.codebook_size == 64


def test_an_installed_model_comes_before_it_the_newest_first(shipped, runs):
    for name, age in (("one", 10), ("two", 0), ("three", 20)):
        aged(synthetic.install(name, bert=name == "two") / "model.json", age)
    found = find_model(runs=runs)
    assert (found.name, found.origin, found.why) == ("two", "installed", "the newest installed model")
    assert found.bert == paths.models_dir() / "two" / "bert"
    assert find_model("one", runs=runs).bert is None
    assert [model.name for model in list_models(runs)[0]] == ["two", "one", "three", "mini"]


def test_a_trained_voice_comes_first(shipped, runs):
    synthetic.install("base")
    (runs / "alice").mkdir(parents=True)
    synthetic.write_gpt(runs / "alice" / "alice-e15.ckpt", synthetic.TINY_GPT)
    synthetic.write_voice(runs, "alice", "base", gpt="alice-e15.ckpt")
    found = find_model(runs=runs)
    assert (found.name, found.origin) == ("alice", "trained")
    assert found.gpt == runs / "alice" / "alice-e15.ckpt"
    assert found.sovits == paths.models_dir() / "base" / "sovits.pth"  # not trained yet
    assert found.content == paths.models_dir() / "base" / "hubert"
    assert find_model(runs=runs, trained=False).name == "base"
    assert find_model(str(runs / "alice")).name == find_model("alice", runs=runs).name == "alice"


def test_a_voice_tuned_from_a_voice(shipped, runs):
    synthetic.install("base")
    synthetic.write_voice(runs, "alice", "base")
    synthetic.write_voice(runs, "bob", "alice")
    synthetic.write_voice(runs, "carol", str(runs / "bob"))
    assert find_model("carol", runs=runs).content == paths.models_dir() / "base" / "hubert"
    synthetic.write_voice(runs, "alice", "carol")
    with pytest.raises(ModelError, match="its base leads back to itself"):
        find_model("carol", runs=runs)


def test_unknown_names(shipped, runs, tmp_path):
    synthetic.install("base")
    with pytest.raises(ModelError, match="no model is called nobody: there are base, mini") as caught:
        find_model("nobody", runs=runs)
    assert hint_for(caught.value) == "sovits models list"
    file = tmp_path / "a.ckpt"
    file.write_bytes(b"x")
    with pytest.raises(ModelError, match="is a file: expected the name or folder") as caught:
        find_model(str(file), runs=runs)
    assert "--gpt" in hint_for(caught.value)


@every_case(
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
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.json").write_text(said)
    found, broken = list_models(runs)
    assert [model.name for model in found] == ["mini"]
    assert len(broken) == 1
    with pytest.raises(ModelError, match=problem):
        find_model("broken", runs=runs)


def test_an_unknown_version_is_named(shipped, runs):
    folder = synthetic.install("base")
    said = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**said, "version": "v9"}))
    with pytest.raises(ModelError, match="unknown model version 'v9'"):
        find_model("base", runs=runs)


def test_a_bundled_model_that_lost_a_file(shipped, runs):
    (shipped / "content.safetensors").unlink()
    with pytest.raises(ModelError, match="bundled model mini is incomplete"):
        find_model(runs=runs)


def test_nothing_at_all(tmp_path, runs, monkeypatch):
    monkeypatch.setattr(catalogue, "package_dir", lambda: tmp_path)
    with pytest.raises(ModelError, match="there is no model"):
        find_model(runs=runs)


def test_a_family_to_train_from_is_not_spoken_with(shipped, runs):
    folder = paths.models_dir() / "family"
    save_safetensors(folder / "content.safetensors", {}, {})
    (folder / "model.json").write_text(
        json.dumps({"name": "family", "version": "mini", "content": "content.safetensors"})
    )
    assert not find_model("family", runs=runs).speaks
    assert find_model(runs=runs).name == "mini"


@every_case("path", ["../../secret.ckpt", "../secret.ckpt", "absolute"])
def test_a_model_names_files_of_its_own_only(shipped, runs, path):
    """What a folder from elsewhere says is not a way to other files; a link in it is its owner's."""
    synthetic.install("base")
    for place in (runs / "secret.ckpt", runs.parent / "secret.ckpt"):
        synthetic.write_gpt(place, synthetic.TINY_GPT)
    named = str(runs / "secret.ckpt") if path == "absolute" else path
    foreign = synthetic.write_voice(runs, "foreign", "base", gpt=named)
    with pytest.raises(ModelError, match=r"foreign/voice\.json: its gpt is .* is no file in"):
        find_model("foreign", runs=runs)
    (foreign / "own.ckpt").unlink(missing_ok=True)
    (foreign / "own.ckpt").symlink_to(runs / "secret.ckpt")
    synthetic.write_voice(runs, "foreign", "base", gpt="own.ckpt")
    assert find_model("foreign", runs=runs).gpt == foreign / "own.ckpt"


def test_installed_models_share_files_from_wherever_they_are_named(shipped, runs, monkeypatch):
    folder = synthetic.install("base")
    files = paths.models_dir() / "files"
    files.mkdir()
    (folder / "gpt.ckpt").rename(files / "gpt.ckpt")
    said = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**said, "gpt": "../files/gpt.ckpt"}))
    assert find_model("base", runs=runs).gpt == files / "gpt.ckpt"
    monkeypatch.chdir(paths.models_dir())
    assert find_model("base", runs=runs).gpt.samefile(files / "gpt.ckpt")
    monkeypatch.chdir(folder)
    assert find_model(".", runs=runs).gpt.samefile(files / "gpt.ckpt")
    (folder / "model.json").write_text(json.dumps({**said, "gpt": "../../gpt.ckpt"}))
    with pytest.raises(ModelError, match="is no file in"):
        find_model("base", runs=runs)


@every_case("text", ["[" * 200_000, "[" * 900 + "]" * 900])
def test_json_nested_out_of_all_reason(shipped, runs, text):
    folder = synthetic.install("base")
    (folder / "model.json").write_text(text)
    with pytest.raises(ModelError, match="nested too deep"):
        find_model("base", runs=runs)


HOSTILE_VALUES = [0, 1e308, -1, True, [], {}, "x" * 5000, "a\0b", ["gpt.ckpt"], "\udc80", 10**400]


def hostile_records(keys):
    """Each key with each value; any text is a name."""
    return [(key, value) for key in keys for value in HOSTILE_VALUES if not (key == "name" and isinstance(value, str))]


def test_an_installed_model_of_any_values_is_refused_in_one_line(shipped, runs):
    place = synthetic.install("base") / "model.json"
    record = json.loads(place.read_text())
    with differences() as compare:
        for key, value in hostile_records(
            ["name", "version", "gpt", "sovits", "content", "bert", "vocoder", "speaker", "discriminator"]
        ):
            with compare(f"{key}: {ascii(value)[:12]}"):
                place.write_text(json.dumps({**record, key: value}))
                refused(lambda: find_model("base", runs=runs))
                found, broken = list_models(runs)
                assert [one.name for one in found] == ["mini"]
                assert len(broken) == 1


def test_a_voice_of_any_values_is_refused_in_one_line(shipped, runs):
    synthetic.install("base")
    place = synthetic.write_voice(runs, "anna", "base") / "voice.json"
    record = json.loads(place.read_text())
    with differences() as compare:
        for key, value in hostile_records(["name", "version", "base", "gpt", "sovits"]):
            with compare(f"{key}: {ascii(value)[:12]}"):
                place.write_text(json.dumps({**record, key: value}))
                refused(lambda: find_model("anna", runs=runs))


@pytest.mark.timeout(30)
def test_a_pipe_in_the_place_of_a_json_file_waits_for_nobody(shipped, runs):
    for place in (synthetic.install("base") / "model.json", synthetic.write_voice(runs, "anna", "base") / "voice.json"):
        place.unlink()
        os.mkfifo(place)
    found, broken = list_models(runs)
    assert ([one.name for one in found], broken) == (["mini"], [])
    assert models_using(paths.models_dir() / "base" / "gpt.ckpt") == ["base"]
    assert voices_using("base", runs) == []
    refused(lambda: find_model("base", runs=runs))
    refused(lambda: find_model("anna", runs=runs))


def refused(load):
    with pytest.raises(ModelError) as caught:
        load()
    assert len(caught.value.message) < 600
    assert hint_for(caught.value)


def test_files_find_the_encoders_of_their_version(shipped, runs, tmp_path):
    folder = synthetic.install("base")
    gpt, sovits = tmp_path / "alice.ckpt", tmp_path / "alice.pth"
    synthetic.write_gpt(gpt, synthetic.TINY_GPT)
    synthetic.write_sovits(sovits, synthetic.TINY_SOVITS)
    found = bundle_from_files(gpt, sovits, runs=runs)
    assert (found.origin, found.name, found.version.name) == ("files", "alice", "v2")
    assert (found.gpt, found.sovits, found.content, found.bert) == (gpt, sovits, folder / "hubert", folder / "bert")
    assert found.why == "with the encoders of base"
    only_gpt = bundle_from_files(gpt, None, runs=runs)
    assert (only_gpt.gpt, only_gpt.sovits, only_gpt.version.name) == (gpt, folder / "sovits.pth", "v2")
    only_sovits = bundle_from_files(None, sovits, runs=runs)
    assert (only_sovits.gpt, only_sovits.sovits) == (folder / "gpt.ckpt", sovits)


def test_files_without_their_encoders(shipped, runs, tmp_path):
    sovits = tmp_path / "alice.pth"
    synthetic.write_sovits(sovits, synthetic.TINY_SOVITS)
    with pytest.raises(ModelError, match=r"no installed model has a GPT that goes with .*alice\.pth, a v2 file"):
        bundle_from_files(None, sovits, runs=runs)


def test_files_that_do_not_belong_together(shipped, runs, tmp_path):
    synthetic.install("base")
    gpt = tmp_path / "other.ckpt"
    synthetic.write_gpt(gpt, replace(synthetic.TINY_GPT, vocab=1025))
    with pytest.raises(ModelError, match="together: the GPT says 1024 different tokens, the SoVITS model knows 64"):
        bundle_from_files(gpt, None, runs=runs)


def test_two_files_do_without_an_encoder(shipped, runs, tmp_path):
    gpt, sovits = tmp_path / "alice.ckpt", tmp_path / "alice.pth"
    synthetic.write_gpt(gpt, synthetic.TINY_GPT)
    synthetic.write_sovits(sovits, synthetic.TINY_SOVITS)
    found = bundle_from_files(gpt, sovits, runs=runs)
    assert (found.content, found.bert, found.why) == (None, None, "without a content encoder: none is installed")
    with pytest.raises(ModelError, match="alice has no hubert content encoder"):
        content.load_content_encoder(found)


def test_a_gpt_of_the_larger_phone_table_does_not_go_with_the_smaller(shipped, runs, tmp_path):
    synthetic.install("base")
    old = replace(synthetic.TINY_SOVITS, phones=322, style_bins=1025)
    gpt, sovits = tmp_path / "alice.ckpt", tmp_path / "alice.pth"
    synthetic.write_sovits(sovits, old, version="v1")
    with pytest.raises(ModelError, match="no installed model has a GPT that goes with") as caught:
        bundle_from_files(None, sovits, runs=runs)
    assert hint_for(caught.value).endswith("sovits models pull v1")
    synthetic.write_gpt(gpt, synthetic.TINY_GPT)
    with pytest.raises(ModelError, match=r"made for 732 phones, the v1 model for 322$"):
        bundle_from_files(gpt, sovits, runs=runs)
    synthetic.write_gpt(gpt, replace(synthetic.TINY_GPT, phones=512))
    found = bundle_from_files(gpt, sovits, runs=runs)
    assert (found.version.name, found.content) == ("v1", paths.models_dir() / "base" / "hubert")
    with pytest.raises(ModelError, match=r"made for 512 phones, the v2 model for 732$"):
        bundle_from_files(gpt, None, runs=runs)


def test_each_part_comes_from_the_newest_model_that_has_it(shipped, runs, tmp_path):
    synthetic.install("base")
    other = synthetic.install("pro", bert=False)
    said = json.loads((other / "model.json").read_text())
    (other / "sv.ckpt").write_bytes(b"x")
    (other / "model.json").write_text(json.dumps({**said, "version": "v2ProPlus", "speaker": "sv.ckpt"}))
    gpt, sovits = tmp_path / "alice.ckpt", tmp_path / "alice.pth"
    synthetic.write_gpt(gpt, synthetic.TINY_GPT)
    synthetic.write_sovits(sovits, replace(synthetic.TINY_SOVITS, speaker_channels=6), version="v2Pro")
    found = bundle_from_files(gpt, sovits, runs=runs)
    assert (found.version.name, found.speaker) == ("v2Pro", other / "sv.ckpt")
    assert found.bert == paths.models_dir() / "base" / "bert"
    assert found.vocoder is None


class TestBegunFrom:
    @pytest.fixture
    def base(self, shipped, runs):
        synthetic.install("base")
        return find_model("base", runs=runs)

    def test_files_take_the_place_of_parts(self, base, tmp_path):
        gpt, sovits, judges = tmp_path / "epoch=1.ckpt", tmp_path / "G_1.pth", tmp_path / "D_1.pth"
        synthetic.write_gpt(gpt, synthetic.TINY_GPT)
        synthetic.write_sovits(sovits, synthetic.TINY_SOVITS, posterior=True)
        torch.save({"model": {"discriminators.0.convs.0.bias": torch.ones(2)}, "iteration": 1}, judges)
        found = with_initial_weights(base, [judges, gpt, sovits])
        assert (found.gpt, found.sovits, found.discriminator) == (gpt, sovits, judges)
        assert (found.content, found.name) == (base.content, "base from D_1.pth, epoch=1.ckpt, G_1.pth")
        assert read_discriminator_weights(found).keys() == {"discriminators.0.convs.0.bias"}
        assert with_initial_weights(base, []) == base
        assert read_discriminator_weights(base) == {}

    @every_case("dtype", [torch.float32, torch.float16])
    def test_a_training_state_of_the_official_program(self, base, tmp_path, monkeypatch, dtype):
        """No config, no version, an optimiser that is not read; its posterior encoder goes on, an export has none."""
        sizes = synthetic.TINY_SOVITS.to_official()["model"]
        monkeypatch.setitem(VERSIONS, "v2", replace(VERSIONS["v2"], dimensions=sizes))
        base = replace(base, version=VERSIONS["v2"])
        path, export = tmp_path / "G_233333333333.pth", tmp_path / "a.pth"
        weight = {key: value.to(dtype) for key, value in synthetic.filled(VitsModel(synthetic.TINY_SOVITS)).items()}
        optimizer = {"state": {0: {"step": torch.tensor(8.0)}}, "param_groups": [{"lr": 1e-4, "betas": (0.8, 0.99)}]}
        torch.save({"model": weight, "iteration": 8, "optimizer": optimizer, "learning_rate": 1e-4}, path)
        got = load_vits(with_initial_weights(base, [path]), posterior=True).state_dict()
        assert got.keys() == weight.keys()
        assert all(torch.equal(got[key], value.float()) for key, value in weight.items())
        synthetic.write_sovits(export, synthetic.TINY_SOVITS)
        fresh = load_vits(with_initial_weights(base, [export]), posterior=True).state_dict()
        assert not torch.equal(fresh["enc_q.pre.weight"], got["enc_q.pre.weight"])

    def test_what_does_not_go_with_it(self, base, tmp_path):
        first, second = tmp_path / "a.pth", tmp_path / "b.pth"
        synthetic.write_sovits(first, synthetic.TINY_SOVITS)
        with pytest.raises(ModelError, match=r"a\.pth and .*a\.pth: each is a SoVITS model"):
            with_initial_weights(base, [first, first])
        with pytest.raises(ModelError, match="is a HuBERT content encoder: training begins from"):
            with_initial_weights(base, [base.content / "pytorch_model.bin"])
        old = replace(synthetic.TINY_SOVITS, phones=322, style_bins=1025)
        synthetic.write_sovits(second, old, version="v1")
        with pytest.raises(ModelError, match=r"is a SoVITS model \(v1\), but base is a v2 model"):
            with_initial_weights(base, [second])
        synthetic.write_sovits(second, replace(synthetic.TINY_SOVITS, codebook_size=32))
        with pytest.raises(ModelError, match="do not belong together"):
            with_initial_weights(base, [second])
