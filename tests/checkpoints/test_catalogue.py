"""Finding models: by name, by path, or the newest."""

from __future__ import annotations

import json
import os

import pytest

from sovits_cli import paths
from sovits_cli.checkpoints import catalogue
from sovits_cli.checkpoints.bundle import models_using
from sovits_cli.checkpoints.catalogue import find_model, list_models
from sovits_cli.checkpoints.hub_cache import voices_using
from sovits_cli.checkpoints.networks import load_gpt, load_vits
from sovits_cli.checkpoints.safetensors_io import save_safetensors
from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import ModelError
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
