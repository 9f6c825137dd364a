"""Official containers: what the official program writes is read, what we write it reads."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import pytest
import torch

from sovits_cli.checkpoints import official
from sovits_cli.checkpoints.torch_files import read_magic
from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import ModelError, UsageError
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.vits import VitsModel
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.versions import version
from tests.checkpoints import synthetic
from tests.differences import every_case
from tests.parity.golden import FOLDER

MANIFESTS = FOLDER / "manifests"
V2 = version("v2")


def manifest(name):
    path = MANIFESTS / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"no {path.name} in {FOLDER}")
    return json.loads(path.read_text(encoding="utf-8"))


def shapes(weight):
    return {key: list(value.shape) for key, value in weight.items()}


def read_back(path):
    """As the official program's successor of `torch.load` does, with the leading PK put back."""
    with path.open("rb") as file:
        body = bytearray(file.read())
    body[:2] = b"PK"
    path.write_bytes(body)
    return torch.load(path, weights_only=True)


def test_full_gpt_has_the_official_form(tmp_path):
    wanted = manifest("s1_v2")
    path = tmp_path / "a.ckpt"
    model = Text2Semantic(T2SConfig.from_official(wanted["config"]))
    official.write_gpt(path, model.state_dict(), model.config.to_official(), info=official.gpt_info(15))
    found = torch.load(path, weights_only=True)
    assert shapes(found["weight"]) == {key: shape for key, (shape, _) in wanted["keys"].items()}
    assert {value.dtype for value in found["weight"].values()} == {torch.float16}
    assert found["info"] == "GPT-e15"
    # what the official readers look up
    assert found["config"]["model"] == wanted["config"]["model"]
    assert found["config"]["data"]["max_sec"] == 54
    assert found["config"]["inference"]["top_k"] == 15
    file = official.read_gpt(path)
    assert set(file.weight) == set(model.state_dict())
    assert file.info == "GPT-e15"


def test_full_sovits_has_the_official_form(tmp_path):
    wanted = manifest("s2_v2_infer")
    path = tmp_path / "a.pth"
    model = VitsModel(SovitsConfig.from_official(wanted["config"]))
    assert any(key.startswith("enc_q.") for key in model.state_dict())
    official.write_sovits(
        path, model.state_dict(), model.config.to_official(), info=official.sovits_info(8, 96), version=V2
    )
    found = torch.load(path, weights_only=True)
    assert shapes(found["weight"]) == {key: shape for key, (shape, _) in wanted["keys"].items()}
    assert {value.dtype for value in found["weight"].values()} == {torch.float16}
    assert found["info"] == "8epoch_96iteration"
    config = found["config"]
    assert wanted["config"]["model"].items() <= config["model"].items()
    for key in ("filter_length", "sampling_rate", "hop_length", "win_length", "n_speakers"):
        assert isinstance(config["data"][key], int)
    assert config["train"]["segment_size"] == 20_480
    assert (config["version"], config["model"]["version"]) == ("v2", "v2")


def test_reads_what_the_official_program_writes(tmp_path):
    gpt, sovits = tmp_path / "a.ckpt", tmp_path / "a.pth"
    weight = synthetic.write_gpt(gpt, synthetic.TINY_GPT)
    file = official.read_gpt(gpt)
    assert {f"model.{key}" for key in file.weight} == set(weight)
    assert T2SConfig.from_official(file.config) == synthetic.TINY_GPT
    weight = synthetic.write_sovits(sovits, synthetic.TINY_SOVITS)
    found = official.read_sovits(sovits)
    assert all(torch.equal(found.weight[key], value) for key, value in weight.items())
    assert (found.version, found.info) == (V2, "8epoch_96iteration")
    assert SovitsConfig.from_official(found.config) == synthetic.TINY_SOVITS


def test_a_version_code_takes_the_place_of_the_first_bytes(tmp_path):
    path = tmp_path / "a.pth"
    model = VitsModel(synthetic.TINY_SOVITS, posterior=False)
    row = replace(V2, magic=b"01")
    official.write_sovits(path, model.state_dict(), model.config.to_official(), info="x", version=row)
    assert read_magic(path) == b"01"
    assert official.read_sovits(path).version == V2
    with pytest.raises(Exception, match=r"(?i)invalid|corrupt|failed|magic|unpickling"):
        torch.load(path, weights_only=True)
    assert set(read_back(path)["weight"]) == set(model.state_dict())
    assert zipfile.ZipFile(path).testzip() is None


def test_numbers_too_large_for_half_stay_finite(tmp_path):
    path = tmp_path / "a.pth"
    weight = VitsModel(synthetic.TINY_SOVITS, posterior=False).state_dict()
    weight["quantizer.vq.layers.0._codebook.cluster_size"].fill_(1e6)
    official.write_sovits(path, weight, synthetic.TINY_SOVITS.to_official(), info="x", version=V2)
    stored = official.read_sovits(path).weight["quantizer.vq.layers.0._codebook.cluster_size"]
    assert bool((stored == 65_504).all())


def test_the_wrong_model_is_explained(tmp_path):
    gpt, sovits = tmp_path / "a.ckpt", tmp_path / "a.pth"
    synthetic.write_gpt(gpt, synthetic.TINY_GPT)
    synthetic.write_sovits(sovits, synthetic.TINY_SOVITS)
    with pytest.raises(ModelError, match=r"a\.pth is a SoVITS model \(v2\): expected a GPT model") as caught:
        official.read_gpt(sovits)
    assert hint_for(caught.value) == "pass it as --sovits"
    with pytest.raises(ModelError, match=r"a\.ckpt is a GPT model: expected a SoVITS model"):
        official.read_sovits(gpt)


def test_a_version_from_the_future_is_named(tmp_path):
    path = tmp_path / "a.pth"
    synthetic.write_sovits(path, synthetic.TINY_SOVITS, code=b"07")
    with pytest.raises(ModelError, match=r"is a SoVITS model \(code 07\): this version is not known"):
        official.read_sovits(path)


def test_a_training_state_has_the_sizes_of_its_version(tmp_path):
    path = tmp_path / "G_100.pth"
    weight = synthetic.filled(VitsModel(synthetic.TINY_SOVITS))
    torch.save({"model": weight, "iteration": 3, "optimizer": {"state": {}}, "learning_rate": 1e-4}, path)
    found = official.read_sovits(path)
    assert (found.version, found.info) == (V2, "epoch 3")
    assert found.config == {"model": {"version": "v2"}}
    torch.save({"weight": weight}, path)
    with pytest.raises(ModelError, match=r"a SoVITS model \(v2\) without its configuration"):
        official.read_sovits(path)


@every_case("code", [b"PK", b"00"])
def test_old_files_without_a_version(tmp_path, code):
    """v1 files say no version: it is told by the phones, and sets what their configuration leaves out."""
    path = tmp_path / "old.pth"
    tiny = replace(synthetic.TINY_SOVITS, phones=322, style_bins=1025)
    weight = synthetic.filled(VitsModel(tiny, posterior=False))
    config = tiny.to_official()
    for key in ("phones", "style_bins"):
        del config["model"][key]
    torch.save({"weight": weight, "config": config, "info": "old"}, path)
    synthetic.recode(path, code)
    found = official.read_sovits(path)
    assert found.version.name == "v1"
    assert SovitsConfig.from_official(found.config) == tiny


def test_a_folder_is_no_place_for_a_file(tmp_path):
    with pytest.raises(UsageError, match="it exists and is no plain file"):
        official.write_gpt(tmp_path, {}, {"model": {}}, info="x")
