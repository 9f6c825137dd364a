"""What inspect and verify say, for each kind of file."""

from __future__ import annotations

import pytest
import torch

from sovits_cli.checkpoints import official
from sovits_cli.checkpoints.inspection import convert_model, summarise_model, verify_model
from sovits_cli.checkpoints.model_file import read_model, read_model_file
from sovits_cli.checkpoints.safetensors_io import load_safetensors, read_metadata, save_safetensors
from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import ModelError, UsageError
from sovits_cli.models.discriminators import Discriminators
from sovits_cli.models.phonetic import PhoneticConfig, PhoneticEncoder
from sovits_cli.versions import VERSIONS
from tests.checkpoints import synthetic
from tests.differences import every_case


def test_a_gpt_file(tmp_path):
    path = tmp_path / "a.bin"
    synthetic.write_gpt(path, synthetic.TINY_GPT)
    found = summarise_model(read_model(path))
    assert (found.what, found.version, found.supported, found.info) == ("a GPT model", None, None, "GPT-e15")
    assert (found.keys, found.precision, found.container, found.magic) == (7 + 12 * 2, ("float16",), "torch", None)
    assert found.dimensions["layers"] == 2
    assert found.size_bytes == path.stat().st_size
    assert verify_model(path).keys == found.keys


def test_a_sovits_file(tmp_path):
    path = tmp_path / "a.bin"
    synthetic.write_sovits(path, synthetic.TINY_SOVITS, code=b"01")
    found = summarise_model(read_model(path))
    assert (found.what, found.version, found.supported, found.magic) == ("a SoVITS model (v2)", "v2", True, "01")
    assert found.dimensions["sample_rate_hz"] == 32_000
    assert found.config["name"] == "alice"
    done = verify_model(path)
    assert (done.what, done.notes) == ("a SoVITS model (v2)", "")
    assert done.keys == found.keys - 3  # the codebook's statistics


def test_a_version_that_cannot_be_run(tmp_path):
    path = tmp_path / "a.pth"
    synthetic.write_sovits(path, synthetic.TINY_SOVITS, code=b"09")
    found = summarise_model(read_model(path))
    assert (found.version, found.supported) == ("code 09", False)
    with pytest.raises(ModelError, match="this version is not known"):
        verify_model(path)


def test_a_code_that_the_keys_contradict(tmp_path):
    path = tmp_path / "a.pth"
    synthetic.write_sovits(path, synthetic.TINY_SOVITS, code=b"05")
    with pytest.raises(ModelError, match=r"does not fit a VitsModel: 5 missing \(sv_emb"):
        verify_model(path)


def test_discriminators_and_vocoders(tmp_path):
    path = tmp_path / "D_1.pth"
    torch.save({"model": synthetic.filled(Discriminators(VERSIONS["v2Pro"].discriminator_periods))}, path)
    found = verify_model(path)
    assert (found.what, found.keys) == ("a SoVITS discriminator", 147)


def test_encoders(tmp_path):
    synthetic.write_hubert(tmp_path / "hubert")
    synthetic.write_bert(tmp_path / "bert")
    config = PhoneticConfig(mels=16, width=8, layers=1, phones=tuple("abcd"))
    save_safetensors(
        tmp_path / "content.safetensors",
        {**PhoneticEncoder(config).state_dict(), "ssl_proj.bias": torch.ones(4)},
        {"config": config.to_dict()},
    )
    assert verify_model(tmp_path / "hubert").what == "a HuBERT content encoder"
    assert "unexpected" in verify_model(tmp_path / "bert").notes
    assert verify_model(tmp_path / "content.safetensors").notes == "1 unexpected (ssl_proj.bias)"


def damaged(path, change):
    synthetic.write_sovits(path, synthetic.TINY_SOVITS)
    file = official.read_sovits(path)
    weight = {key: value.clone() for key, value in file.weight.items()}
    change(weight)
    official.write_sovits(path, weight, file.config, info="x", version=file.version)


@every_case(
    ("change", "said"),
    [
        (lambda weight: weight.pop("dec.conv_pre.bias"), r"1 missing \(dec\.conv_pre\.bias\)"),
        (lambda weight: weight.update(extra=torch.ones(1)), r"1 unexpected \(extra\)"),
        (lambda weight: weight.update({"dec.conv_pre.bias": torch.ones(2)}), "1 of another shape"),
        (lambda weight: weight["dec.conv_pre.bias"].fill_(float("nan")), "holds NaN or infinite values"),
    ],
)
def test_what_does_not_fit(tmp_path, change, said):
    path = tmp_path / "a.pth"
    damaged(path, change)
    with pytest.raises(ModelError, match=said):
        verify_model(path)


def test_kinds_without_a_network(tmp_path):
    path = tmp_path / "a.pth"
    torch.save({"convnext_mag.0.gamma": torch.ones(1)}, path)
    with pytest.raises(ModelError, match="is a super-resolution model: there is no network"):
        verify_model(path)
    assert summarise_model(read_model(path)).dimensions == {}


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


@every_case("code", [b"PK", b"01"])
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


@every_case("zipped", [True, False])
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
