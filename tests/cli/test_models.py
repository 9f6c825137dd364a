"""`sovits models`: the table, a file explained, models verified; each with its bad twin."""

from __future__ import annotations

import json
import os

import pytest
from typer.testing import CliRunner

from sovits_cli import paths
from sovits_cli.checkpoints import catalogue
from sovits_cli.checkpoints.registry import REGISTRY
from sovits_cli.cli.app import app
from tests.checkpoints import hub_models, synthetic
from tests.checkpoints.hub import PORTAL, Hub, serving


@pytest.fixture(autouse=True)
def no_package(tmp_path, monkeypatch, empty_folder):
    """No bundled model, so that what is listed is known."""
    monkeypatch.setattr(catalogue, "package_dir", lambda: tmp_path / "package")


def call(*arguments):
    done = CliRunner().invoke(app, ["models", *map(str, arguments)])
    assert "Traceback" not in done.stderr
    return done


def one_line(done):
    """The error and hint of a failed call."""
    lines = done.stderr.splitlines()
    assert lines[-2].startswith("error: ")
    assert lines[-1].startswith("hint: ")
    return lines[-2]


def test_list(empty_folder):
    synthetic.install("base")
    synthetic.write_voice(empty_folder / "runs", "alice", "base")
    done = call("list")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["NAME", "VERSION", "FROM", "SIZE", "LICENCE", "WHERE"]
    assert lines[1].split()[:4] == ["*", "alice", "v2", "trained"]
    assert lines[2].split()[:3] == ["base", "v2", "installed"]
    assert [line.split()[0] for line in lines[3:]] == ["v1", "v2", "v2Pro", "v2ProPlus", "v3", "v4"]
    assert lines[-1].endswith("sovits models pull v4")
    document = json.loads(call("list", "--json").stdout)
    assert [row["name"] for row in document["to_pull"]] == ["v1", "v2", "v2Pro", "v2ProPlus", "v3", "v4"]
    assert [(row["name"], row["default"]) for row in document["models"]] == [("alice", True), ("base", False)]
    assert document["models"][1]["gpt"] == str(paths.models_dir() / "base" / "gpt.ckpt")


def test_list_names_broken_models_and_shows_the_rest():
    synthetic.install("base")
    (paths.models_dir() / "base" / "hubert" / "pytorch_model.bin").unlink()
    synthetic.install("other")
    (paths.models_dir() / "other" / "gpt.ckpt").unlink()
    done = call("list")
    assert done.exit_code == 0
    listed = [line.split()[1] for line in done.stdout.splitlines() if "installed" in line]
    assert "base" in listed
    assert "other" not in listed
    assert "gpt.ckpt does not exist" in done.stderr


def test_list_of_nothing():
    done = call("list")
    assert done.exit_code == 0
    assert "installed" not in done.stdout


def test_inspect(tmp_path):
    path = tmp_path / "a.bin"
    synthetic.write_sovits(path, synthetic.TINY_SOVITS, code=b"01")
    done = call("inspect", path)
    assert done.exit_code == 0
    table = dict(line.split("  ", 1) for line in done.stdout.splitlines())
    told = {name.strip(): value.strip() for name, value in table.items()}
    assert told["is"] == "a SoVITS model (v2)"
    assert told["training"] == "8epoch_96iteration"
    assert told["sample rate hz"] == "32000"
    assert "version code 01" in told["container"]
    assert "dec.conv_pre.bias" not in done.stdout
    listed = [line.split() for line in call("inspect", path, "--keys").stdout.splitlines()]
    assert ["dec.conv_pre.bias", "32", "float16"] in listed


def test_inspect_as_json(tmp_path):
    path = tmp_path / "a.bin"
    synthetic.write_gpt(path, synthetic.TINY_GPT)
    document = json.loads(call("inspect", path, "--keys", "--json").stdout)
    assert (document["what"], document["keys"], document["precision"]) == ("a GPT model", 31, ["float16"])
    assert document["dimensions"]["layers"] == 2
    assert document["tensors"]["ar_predict_layer.weight"] == "65x32 float16"
    assert document["config"]["model"]["n_layer"] == 2


def test_inspect_of_versions_from_the_future(tmp_path):
    path = tmp_path / "a.pth"
    synthetic.write_sovits(path, synthetic.TINY_SOVITS, code=b"09")
    done = call("inspect", path)
    assert done.exit_code == 0
    assert "a SoVITS model (code 09)" in done.stdout
    assert "not yet" in done.stdout


def test_inspect_never_runs_the_file(tmp_path):
    path = tmp_path / "evil.pth"

    class Asks:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path}/executed",)

    import torch

    torch.save({"weight": Asks()}, path)
    done = call("inspect", path)
    assert done.exit_code == 4
    assert "asks to run posix.system; a checkpoint is data" in one_line(done)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("name", ["missing.pth", "."])
def test_inspect_of_no_file(name):
    done = call("inspect", name)
    assert done.exit_code == 4
    one_line(done)


def test_verify(tmp_path):
    synthetic.install("base")
    done = call("verify")
    assert done.exit_code == 0
    assert done.stdout.count("keys fit") == 4
    assert call("verify", "base").stdout == done.stdout
    path = tmp_path / "a.ckpt"
    synthetic.write_gpt(path, synthetic.TINY_GPT)
    assert call("verify", path).stdout.strip() == f"{path}: a GPT model, 31 keys fit"
    document = json.loads(call("verify", path, "--json").stdout)
    assert document["verified"][0]["keys"] == 31


def test_verify_of_what_does_not_fit(tmp_path):
    good, bad = tmp_path / "good.ckpt", tmp_path / "bad.ckpt"
    synthetic.write_gpt(good, synthetic.TINY_GPT)
    bad.write_bytes(good.read_bytes()[:5000])
    done = call("verify", bad)
    assert done.exit_code == 4
    assert "is cut short" in one_line(done)
    both = call("verify", bad, good)
    assert both.exit_code == 7
    assert "good.ckpt: a GPT model" in both.stdout
    assert f"left out: {bad}: is cut short" in both.stderr
    assert call("verify", "nobody").exit_code == 4


def test_verify_of_nothing():
    done = call("verify")
    assert done.exit_code == 0
    assert done.stdout.strip() == ""


def test_pull_and_rm(tmp_path, monkeypatch, empty_folder):
    for name, row in hub_models.without_pins().items():
        monkeypatch.setitem(REGISTRY, name, row)
    with serving(Hub(hub_models.published(tmp_path / "hub"))) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        done = call("pull", "v1")
        assert done.exit_code == 0, done.stderr
        assert "8 files fetched, 0 were here" in done.stdout
        assert json.loads(call("pull", "v1", "--json").stdout)["fetched"] == []
    listed = [line.split() for line in call("list").stdout.splitlines()]
    assert ["*", "v1", "v1", "installed"] in [row[:4] for row in listed]
    (paths.models_dir() / "files" / "s2G488k.pth").write_text("other")
    assert "is not the file that was pulled" in one_line(call("verify", paths.models_dir() / "files" / "s2G488k.pth"))
    synthetic.write_voice(empty_folder / "runs", "alice", "v1")
    gone = call("rm", "v1")
    assert gone.exit_code == 0
    assert "9 files removed" in gone.stdout
    assert "alice cannot speak without v1" in gone.stderr
    assert not list(paths.models_dir().glob("*/*.pth"))


def test_pull_that_fails(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    done = call("pull", "v1")
    assert done.exit_code == 6
    assert "cannot be fetched" in one_line(done)
    assert call("pull", "v9").exit_code == 4
    assert call("rm", "v9").exit_code == 4


def test_pull_through_a_login_page(monkeypatch):
    """Of a hotel, say: 42 bytes of it were a model once."""
    with serving(Hub({}, portal=PORTAL)) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        done = call("pull", "v1")
    assert done.exit_code == 6
    assert "what answers is no hub" in one_line(done)
    assert "login page" in done.stderr
    assert not list(paths.models_dir().glob("*"))
    assert "v1" not in [row["name"] for row in json.loads(call("list", "--json").stdout)["models"]]


def test_convert(tmp_path):
    old, new, back = tmp_path / "a.pth", tmp_path / "a.safetensors", tmp_path / "b.pth"
    synthetic.write_sovits(old, synthetic.TINY_SOVITS)
    done = call("convert", old, new)
    assert done.exit_code == 0
    assert done.stdout.startswith(f"{new}: a SoVITS model (v2), ")
    assert call("convert", new, back).exit_code == 0
    assert call("verify", back).exit_code == 0
    again = call("convert", old, old)
    assert again.exit_code == 2
    assert "over itself" in one_line(again)
