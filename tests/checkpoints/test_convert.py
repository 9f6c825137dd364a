"""From one container to the other and back: the same tensors, the same words; a LoRA becomes whole."""

from __future__ import annotations

import pytest
import torch

from sovits_cli.checkpoints import official
from sovits_cli.checkpoints.convert import convert_model
from sovits_cli.checkpoints.model_file import read_model_file
from sovits_cli.checkpoints.safetensors_io import load_safetensors, read_metadata
from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import ModelError, UsageError
from tests.checkpoints import synthetic


def same(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[key]) and value.dtype == other[key].dtype for key, value in one.items())


def test_a_gpt_there_and_back(tmp_path):
    old, new, back = tmp_path / "a.ckpt", tmp_path / "a.safetensors", tmp_path / "b.ckpt"
    synthetic.write_gpt(old, synthetic.TINY_GPT)
    assert convert_model(old, new) == convert_model(new, back) == "a GPT model"
    before, between, after = official.read_gpt(old), official.read_gpt(new), official.read_gpt(back)
    same(before.weight, between.weight)
    same(before.weight, after.weight)
    assert before.info == between.info == after.info
    assert before.config["model"] == after.config["model"]
    assert read_metadata(new)["kind"] == "gpt"


@pytest.mark.parametrize("code", [b"PK", b"01"])
def test_a_sovits_model_there_and_back(tmp_path, code):
    old, new, back = tmp_path / "a.pth", tmp_path / "a.safetensors", tmp_path / "b.pth"
    synthetic.write_sovits(old, synthetic.TINY_SOVITS, code=code)
    assert convert_model(old, new) == convert_model(new, back) == "a SoVITS model (v2)"
    before, after = official.read_sovits(old), official.read_sovits(back)
    same(before.weight, after.weight)
    same(before.weight, official.read_sovits(new).weight)
    assert (after.version, after.info) == (before.version, before.info)


def test_any_kind_becomes_safetensors(tmp_path):
    synthetic.write_hubert(tmp_path / "hubert")
    source, new = tmp_path / "hubert" / "pytorch_model.bin", tmp_path / "h.safetensors"
    assert convert_model(source, new) == "a HuBERT content encoder"
    same(read_model_file(source).weight, read_model_file(new).weight)
    with pytest.raises(ModelError, match=r"which the official program does not read from a \.pth file") as caught:
        convert_model(source, tmp_path / "h.pth")
    assert hint_for(caught.value).endswith("h.safetensors")


def test_names_that_say_no_container(tmp_path):
    path = tmp_path / "a.ckpt"
    synthetic.write_gpt(path, synthetic.TINY_GPT)
    with pytest.raises(UsageError, match=r"a\.bin says no container"):
        convert_model(path, tmp_path / "a.bin")
    with pytest.raises(ModelError, match=r"does not read from a \.pth file") as caught:
        convert_model(path, tmp_path / "b.pth")
    assert hint_for(caught.value).endswith("b.ckpt")
    with pytest.raises(UsageError, match="over itself"):
        convert_model(path, tmp_path / "." / "a.ckpt")
    assert not (tmp_path / "a.bin").exists()


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])
def test_tied_weights_are_written_under_each_of_their_names(tmp_path, zipped):
    old, new, back = tmp_path / "a.ckpt", tmp_path / "a.safetensors", tmp_path / "b.ckpt"
    weight = synthetic.write_gpt(old, synthetic.TINY_GPT)
    tied = weight["model.ar_audio_embedding.word_embeddings.weight"]
    weight["model.ar_predict_layer.weight"] = tied
    rows = torch.cat([weight["model.h.layers.0.norm1.weight"], weight["model.h.layers.0.norm1.bias"]])
    weight["model.h.layers.0.norm1.weight"], weight["model.h.layers.0.norm1.bias"] = rows.chunk(2)
    whole = {"weight": weight, "config": synthetic.TINY_GPT.to_official(), "info": "tied"}
    torch.save(whole, old, _use_new_zipfile_serialization=zipped)
    convert_model(old, new)
    convert_model(new, back)
    plain = {key.removeprefix("model."): value for key, value in weight.items()}
    same(plain, load_safetensors(new)[0])
    same(plain, official.read_gpt(back).weight)
    assert back.stat().st_size < 2 * old.stat().st_size
