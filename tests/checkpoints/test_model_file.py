"""Every official file is told by its keys and shapes, whatever its name or size."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
import torch

from sovits_cli.checkpoints.model_file import ModelKind, detect_kind, detect_versions, expect_kind, read_model_file
from sovits_cli.checkpoints.safetensors_io import save_safetensors
from sovits_cli.errors import ModelError
from sovits_cli.models.phonetic import PhoneticConfig, PhoneticEncoder
from sovits_cli.models.sovits.vits import VitsModel
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.versions import HEAD_BYTES, VERSIONS
from tests.checkpoints import synthetic, synthetic_flow
from tests.differences import every_case
from tests.parity.golden import FOLDER

KINDS = {
    "s1": ModelKind.GPT,
    "s2": ModelKind.SOVITS,
    "eres2netv2": ModelKind.SPEAKER,
    "v3": ModelKind.VOCODER,
    "v4": ModelKind.VOCODER,
}
MANIFESTS = sorted((FOLDER / "manifests").glob("*.json"))


def kind_expected(name):
    if "discriminator" in name:
        return ModelKind.DISCRIMINATOR
    return ModelKind.LORA if "lora" in name else KINDS[name.split("_")[0]]


@every_case("path", MANIFESTS)
def test_official_files_by_their_keys(path):
    keys = json.loads(path.read_text(encoding="utf-8"))["keys"]
    weight = {key.removeprefix("model."): torch.empty(shape, device="meta") for key, (shape, _) in keys.items()}
    kind = detect_kind(weight)
    assert kind is kind_expected(path.stem)
    if kind is not ModelKind.SOVITS:
        return
    name = path.stem.split("_")[1]
    named = {"model": {"version": name}}
    assert detect_versions(kind, weight, named) == (name,)
    alike = ("v3", "v4") if name in ("v3", "v4") else (name,)
    assert detect_versions(kind, weight, {}) == alike
    assert detect_versions(kind, weight, {"model": {"version": "v1" if name != "v1" else "v2"}}) == alike


def test_a_version_code_wins_over_shapes():
    weight = {"enc_p.text_embedding.weight": torch.empty(732, 192)}
    assert detect_versions(ModelKind.SOVITS, weight, {}, b"05") == ("v2Pro",)
    assert detect_versions(ModelKind.SOVITS, weight, {}, b"01") == ("v2",)
    assert detect_versions(ModelKind.SOVITS, weight, {"version": "v1"}) == ("v2",)
    assert detect_versions(ModelKind.LORA, {"cfm.x.lora_A.weight": torch.empty(1)}, {}, b"04") == ("v4",)


@every_case("name", synthetic_flow.FLOWS)
def test_published_models_are_told_by_how_they_begin(name, tmp_path, monkeypatch):
    """They have the same tensors, and may say nothing of their version, or another one."""
    path = tmp_path / "a.pth"
    synthetic_flow.write_flow(path, "v3")
    head = hashlib.md5(path.read_bytes()[:HEAD_BYTES]).hexdigest()
    with monkeypatch.context() as patch:
        patch.setitem(VERSIONS, name, replace(VERSIONS[name], head_md5=head))
        assert read_model_file(path).versions == (name,)
        path.write_bytes(path.read_bytes() + b"longer")
        assert read_model_file(path).versions == (name,), "only the beginning counts"


def test_our_own_version_is_taken_from_the_config():
    weight = {"enc_p.text_embedding.weight": torch.empty(732, 192)}
    assert detect_versions(ModelKind.SOVITS, weight, {"version": "mini"}) == ("mini",)


def test_training_states(tmp_path):
    generator, discriminator, lightning = (tmp_path / name for name in ("G_1.pth", "D_1.pth", "epoch=1-step=2.ckpt"))
    state = {"iteration": 3, "optimizer": {"state": {}, "param_groups": []}, "learning_rate": 1e-4}
    torch.save({"model": synthetic.filled(VitsModel(synthetic.TINY_SOVITS)), **state}, generator)
    torch.save({"model": {"discriminators.0.convs.0.bias": torch.ones(3)}, **state}, discriminator)
    gpt = synthetic.filled(Text2Semantic(synthetic.TINY_GPT), prefix="model.")
    parameters = {"config": synthetic.TINY_GPT.to_official(), "output_dir": tmp_path}
    torch.save({"state_dict": gpt, "optimizer_states": [], "hyper_parameters": parameters, "epoch": 7}, lightning)
    assert str(read_model_file(generator)) == "a SoVITS model (v2), a training state"
    assert read_model_file(generator).info == "epoch 3"
    assert str(read_model_file(discriminator)) == "a SoVITS discriminator, a training state"
    found = read_model_file(lightning)
    assert (found.kind, found.training, found.info) == (ModelKind.GPT, True, "epoch 7")
    assert found.config["model"]["n_layer"] == 2


def test_published_encoders(tmp_path):
    synthetic.write_hubert(tmp_path / "hubert")
    synthetic.write_bert(tmp_path / "bert")
    assert read_model_file(tmp_path / "hubert" / "pytorch_model.bin").kind is ModelKind.HUBERT
    assert read_model_file(tmp_path / "bert" / "pytorch_model.bin").kind is ModelKind.BERT


def test_our_own_files(tmp_path):
    config = PhoneticConfig(mels=16, width=8, layers=1, phones=tuple("abcd"))
    path = tmp_path / "x.pth"  # the name says nothing
    save_safetensors(
        path, PhoneticEncoder(config).state_dict(), {"version": "mini", "config": config.to_dict(), "info": "i"}
    )
    found = read_model_file(path)
    assert (found.kind, found.version, found.container, found.info) == (ModelKind.PHONETIC, "mini", "safetensors", "i")


@every_case("whole", [[1, 2], {"weight": {}}, {"weight": {"a": 1}}, "text", {}])
def test_files_without_tensors(tmp_path, whole):
    path = tmp_path / "a.pth"
    torch.save(whole, path)
    with pytest.raises(ModelError, match="holds no model"):
        read_model_file(path)


def test_unknown_and_unprintable(tmp_path):
    path = tmp_path / "a.pth"
    torch.save({"a.b": torch.ones(1)}, path)
    with pytest.raises(ModelError, match="is an unknown model: expected a GPT model"):
        expect_kind(read_model_file(path), ModelKind.GPT)
    torch.save({"a\x1b[2J": torch.ones(1)}, path)
    with pytest.raises(ModelError, match="unprintable"):
        read_model_file(path)
    torch.save({"weight": {"a": torch.ones(1)}, "info": "a\x1b[2Jb"}, path)
    assert read_model_file(path).info == "a?[2Jb"


def test_a_config_that_never_ends_is_refused(tmp_path):
    path = tmp_path / "a.pth"
    endless: list[object] = []
    endless.append(endless)
    wide = [0] * 9
    for _ in range(9):
        wide = [wide] * 9
    for config in ({"model": endless}, {"model": wide}):
        torch.save({"weight": {"a": torch.ones(1)}, "config": config}, path)
        with pytest.raises(ModelError, match="larger than any model needs"):
            read_model_file(path)
    torch.save({"weight": {"a": torch.ones(1)}, "config": {"model": torch.ones(2)}}, path)
    with pytest.raises(ModelError, match="its config holds a Tensor"):
        read_model_file(path)


@every_case("number", [10**5000, True, "3", None, 2.5], ids=lambda value: type(value).__name__)
def test_an_epoch_or_a_rank_that_is_no_number_is_not_told(tmp_path, number):
    path = tmp_path / "a.pth"
    torch.save({"weight": {"a": torch.ones(1)}, "epoch": number, "lora_rank": number}, path)
    assert (read_model_file(path).info, read_model_file(path).lora_rank) == ("", None)
    torch.save({"weight": {"a": torch.ones(1)}, "epoch": 3, "lora_rank": 8}, path)
    assert (read_model_file(path).info, read_model_file(path).lora_rank) == ("epoch 3", 8)
