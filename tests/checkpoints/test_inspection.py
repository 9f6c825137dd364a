"""What inspect and verify say, for each kind of file."""

from __future__ import annotations

import pytest
import torch

from sovits_cli.checkpoints import official
from sovits_cli.checkpoints.inspection import summarise_model, verify_model
from sovits_cli.checkpoints.model_file import read_model
from sovits_cli.checkpoints.safetensors_io import save_safetensors
from sovits_cli.errors import ModelError
from sovits_cli.models.discriminators import Discriminators
from sovits_cli.models.phonetic import PhoneticConfig, PhoneticEncoder
from sovits_cli.versions import VERSIONS
from tests.checkpoints import synthetic


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
    assert (verify_model(path).what, verify_model(path).keys) == ("a SoVITS discriminator", 147)


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


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda weight: weight.pop("dec.conv_pre.bias"), r"1 missing \(dec\.conv_pre\.bias\)"),
        (lambda weight: weight.update(extra=torch.ones(1)), r"1 unexpected \(extra\)"),
        (lambda weight: weight.update({"dec.conv_pre.bias": torch.ones(2)}), "1 of another shape"),
        (lambda weight: weight["dec.conv_pre.bias"].fill_(float("nan")), "holds values that are no numbers"),
    ],
    ids=["missing", "unexpected", "shape", "nan"],
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
