"""A LoRA and its base: spoken with, put into one file, verified, inspected; and bases that are missing or wrong."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from sovits_cli import paths
from sovits_cli.checkpoints.catalogue import bundle_from_files, find_model
from sovits_cli.checkpoints.inspection import convert_model, summarise_model, verify_model
from sovits_cli.checkpoints.model_file import ModelKind, read_model, read_model_file
from sovits_cli.checkpoints.networks import load_flow, load_vocoder, read_whole_sovits
from sovits_cli.checkpoints.official import read_sovits, to_half
from sovits_cli.cli.app import app
from sovits_cli.errors import ModelError
from tests.checkpoints import synthetic
from tests.checkpoints import synthetic_flow as files
from tests.differences import every_case

EACH = pytest.mark.parametrize("name", [pytest.param(name, id=f"{name}_lora") for name in files.FLOWS])
WRAPPER = "cfm.base_model.model."
SPEECH = 1e-5
HALF = 5e-3
"""Merged matrices are rounded to half precision in the file; the factors beside them are not."""


@pytest.fixture
def lora(tmp_path):
    """An installed model, and a LoRA of it."""

    def make(name):
        files.install(name)
        path = tmp_path / "alice_e2_s24_l4.pth"
        files.write_lora(path, name)
        return path

    return make


def speech(model, vocoder):
    """The same codes, phones, reference and noise for all."""
    draw = torch.Generator().manual_seed(1)
    codes, phones = (torch.randint(60, (1, *shape), generator=draw) for shape in ((1, 12), (9,)))
    ge = model.encode_style([torch.rand(1, 1025, 40, generator=draw)])
    prompt, noise = (torch.randn(1, 100, frames, generator=draw) for frames in (8, 60))
    with torch.inference_mode():
        condition = model.condition(codes, phones, ge)
        frames = condition.shape[-1]
        return vocoder(model.cfm.sample(condition, prompt, noise[..., :frames], steps=4))


def beside(base, weight):
    """The base with the factors beside its matrices, W x + B (A x), by the names in the file."""
    for key, down in weight.items():
        if ".lora_A." in key:
            layer = base.cfm.get_submodule(key.removeprefix(WRAPPER).removesuffix(".lora_A.default.weight"))
            layer.register_forward_hook(_adding(down.float(), weight[key.replace("lora_A", "lora_B")].float()))
    rest = {key.replace(WRAPPER, "cfm."): value for key, value in weight.items() if ".lora_" not in key}
    assert not base.load_state_dict(rest, strict=False).unexpected_keys
    return base


def _adding(down, up):
    return lambda _layer, inputs, output: output + inputs[0] @ down.T @ up.T


@EACH
def test_speech_of_the_merged_model(lora, measured, name, tmp_path):
    path, vocoder = lora(name), load_vocoder(find_model(name))
    wanted = speech(beside(load_flow(find_model(name)), read_model_file(path).weight), vocoder)
    untuned = speech(load_flow(find_model(name)), vocoder)
    merged = speech(load_flow(bundle_from_files(None, path)), vocoder)
    measured((merged - wanted).abs().max(), SPEECH, "speech, the LoRA put into its base")
    convert_model(path, tmp_path / "whole.pth")
    converted = speech(load_flow(bundle_from_files(None, tmp_path / "whole.pth")), vocoder)
    measured((converted - wanted).abs().max(), HALF, "speech, written as one file")
    assert (untuned - wanted).abs().max() > 4 * HALF, "the LoRA is heard"


@EACH
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_convert_merges(lora, measured, name, suffix, tmp_path):
    """The whole file has the keys of its base, its own values, and needs nothing beside it."""
    path, whole = lora(name), tmp_path / f"whole{suffix}"
    assert convert_model(path, whole) == f"a SoVITS model ({name})"
    wanted = {key: to_half(value) for key, value in read_whole_sovits(path).weight.items()}
    base = read_model_file(paths.models_dir() / name / "sovits.pth").weight
    found = read_sovits(whole)
    assert (found.version.name, found.is_lora, found.weight.keys()) == (name, False, base.keys())
    measured(sum(not torch.equal(found.weight[key], value) for key, value in wanted.items()), 0, "values that differ")
    assert found.info == "2epoch_24iteration"
    (paths.models_dir() / name / "model.json").unlink()
    assert load_flow(whole).flow_config == files.flow_config(name)


@EACH
def test_verify_and_inspect(lora, measured, name, tmp_path):
    path, whole = lora(name), tmp_path / "whole.pth"
    convert_model(path, whole)
    measured(len(read_whole_sovits(path).weight.keys() ^ load_flow(whole).state_dict().keys()), 0, "keys that differ")
    for file, what, rank in ((path, f"a SoVITS LoRA ({name})", files.RANK), (whole, f"a SoVITS model ({name})", None)):
        said = summarise_model(read_model(file))
        assert (said.what, said.lora_rank, said.info) == (what, rank, "2epoch_24iteration")
        assert said.dimensions["sample_rate_hz"] == find_model(name).version.rate
        done = verify_model(file)
        assert (done.what, done.notes) == (what, "")
    shown = CliRunner().invoke(app, ["models", "inspect", str(path)]).stdout
    assert "LoRA rank" in shown


def _refused(*words):
    done = CliRunner().invoke(app, ["models", *map(str, words)])
    assert done.exit_code == 4
    error, hint = done.stderr.splitlines()[-2:]
    return error, hint


@every_case("name, command", [(name, command) for name in files.FLOWS for command in ("convert", "verify")])
def test_a_base_that_is_missing(lora, name, command, tmp_path):
    """The other version does not serve, though its tensors would fit."""
    path = lora(name)
    other = next(flow for flow in files.FLOWS if flow != name)
    (paths.models_dir() / name / "model.json").unlink()
    files.install(other)
    new = tmp_path / "whole.pth"
    error, hint = _refused(command, path, *([new] if command == "convert" else []))
    assert error.endswith(f"is a LoRA, which needs the {name} model it was tuned from: none is installed")
    assert hint == f"hint: sovits models pull {name}"
    assert not new.exists()
    assert summarise_model(read_model(path)).what == f"a SoVITS LoRA ({name})"


def test_a_base_of_another_size(lora, tmp_path, monkeypatch):
    path = lora("v3")
    monkeypatch.setattr(files, "TINY_DIT", replace(files.TINY_DIT, dim=48))
    files.write_flow(paths.models_dir() / "v3" / "sovits.pth", "v3")
    new = tmp_path / "whole.pth"
    for command in (("convert", path, new), ("verify", path)):
        error, _ = _refused(*command)
        assert "does not fit its base model" in error
    assert not new.exists()


def test_a_base_that_is_a_lora_itself(lora, tmp_path):
    path = lora("v3")
    files.write_lora(paths.models_dir() / "v3" / "sovits.pth", "v3", seed=5)
    with pytest.raises(ModelError, match="needs the v3 model it was tuned from: none is installed"):
        read_whole_sovits(path)


def test_a_lora_without_its_configuration(lora, tmp_path):
    path = lora("v4")
    whole = {"weight": read_model_file(path).weight, "lora_rank": files.RANK}
    torch.save(whole, tmp_path / "b.pth")
    synthetic.recode(tmp_path / "b.pth", b"04")
    assert read_model_file(tmp_path / "b.pth").kind is ModelKind.LORA
    with pytest.raises(ModelError, match="without its configuration"):
        convert_model(tmp_path / "b.pth", tmp_path / "whole.pth")


@every_case("record", ["{", json.dumps({"name": "x", "version": "v9", "content": "."})])
def test_models_that_are_broken_are_passed_over(lora, record):
    path = lora("v3")
    newer = paths.models_dir() / "newer"
    newer.mkdir(exist_ok=True)
    (newer / "model.json").write_text(record)
    assert read_whole_sovits(path).version.name == "v3"
