"""Content features: published folders in all their spellings, and the small encoder of bundled models."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sovits_cli.checkpoints.catalogue import find_model
from sovits_cli.checkpoints.safetensors_io import save_safetensors
from sovits_cli.errors import AudioError, ModelError
from sovits_cli.features import content
from sovits_cli.models import hubert
from sovits_cli.models.phonetic import PhoneticConfig, PhoneticEncoder
from sovits_cli.versions import version
from tests.checkpoints import synthetic
from tests.differences import every_case

CPU = torch.device("cpu")


def noise(samples):
    return torch.randn(samples, generator=torch.Generator().manual_seed(1)) * 0.1


def frames(samples):
    return (samples - 400) // 320 + 1


@every_case("samples", [400, 719, 720, 16_000], isolated=True)
def test_frames_and_channels(tmp_path, samples):
    synthetic.write_hubert(tmp_path)
    encoder = content.load_hubert(tmp_path, CPU)
    features = encoder.encode(noise(samples))
    assert features.shape == (1, encoder.channels, frames(samples)) == (1, 48, frames(samples))
    assert features.dtype == torch.float32
    assert bool(torch.isfinite(features).all())


@every_case("spelling", ["safetensors", "new-weight-norm", "task-prefix", "float32"], isolated=True)
def test_spellings_of_published_weights_give_the_same_features(tmp_path, spelling):
    weight = synthetic.write_hubert(tmp_path / "as-written")
    wanted = content.load_hubert(tmp_path / "as-written", CPU).encode(noise(8000))
    folder = tmp_path / spelling
    synthetic.write_hubert(folder)
    place = folder / "pytorch_model.bin"
    half = {key: value.half() for key, value in weight.items()}
    place.unlink()
    if spelling == "safetensors":
        save_file(half, folder / "model.safetensors", {"format": "pt"})
    if spelling == "new-weight-norm":
        renamed = {"weight_g": "parametrizations.weight.original0", "weight_v": "parametrizations.weight.original1"}
        torch.save(
            {
                ".".join([*key.split(".")[:-1], renamed.get(key.split(".")[-1], key.split(".")[-1])]): value
                for key, value in half.items()
            },
            place,
        )
    if spelling == "task-prefix":
        torch.save({f"hubert.{key}": value for key, value in half.items()}, place)
    if spelling == "float32":
        torch.save({key: value.float() for key, value in half.items()}, place)
    assert torch.equal(content.load_hubert(folder, CPU).encode(noise(8000)), wanted)


def test_blocks_of_a_long_recording_give_what_the_whole_gives(tmp_path, monkeypatch):
    synthetic.write_hubert(tmp_path)
    encoder = content.load_hubert(tmp_path, CPU)
    wave = noise(30_000)
    whole = encoder.encode(wave)
    monkeypatch.setattr(hubert, "BLOCK_FRAMES", 7)
    assert torch.allclose(encoder.encode(wave), whole, atol=1e-5)


def test_too_short(tmp_path):
    synthetic.write_hubert(tmp_path)
    with pytest.raises(AudioError, match="25 ms of audio are too short: expected at least 25 ms"):
        content.load_hubert(tmp_path, CPU).encode(noise(399))


@every_case(
    ("change", "said"),
    [
        (lambda folder: (folder / "config.json").unlink(), r"config\.json does not exist"),
        (lambda folder: (folder / "pytorch_model.bin").unlink(), "has no weights"),
        (lambda folder: (folder / "config.json").write_text("[]"), "is no JSON object"),
        (lambda folder: set_key(folder, "do_stable_layer_norm", True), "expected False, the base form"),
        (lambda folder: set_key(folder, "hidden_size", 64), "does not fit a Hubert"),
        (lambda folder: set_key(folder, "num_hidden_layers", 10**9), "`num_hidden_layers` is 1000000000, expected"),
        (lambda folder: set_key(folder, "conv_dim", [10**9] * 7), "`conv_dim` is"),
        (lambda folder: set_key(folder, "conv_stride", [1] * 7), "a frame every 1 samples, expected 320"),
        (lambda folder: set_key(folder, "conv_stride", "fast"), "`conv_stride` is 'fast', expected a list"),
        (lambda folder: synthetic.write_gpt(folder / "pytorch_model.bin", synthetic.TINY_GPT), "is a GPT model"),
    ],
    isolated=True,
)
def test_broken_folders(tmp_path, change, said):
    synthetic.write_hubert(tmp_path)
    change(tmp_path)
    with pytest.raises(ModelError, match=said):
        content.load_hubert(tmp_path, CPU)


def set_key(folder: Path, key: str, value: object) -> None:
    place = folder / "config.json"
    place.write_text(json.dumps({**json.loads(place.read_text()), key: value}))


def test_the_kind_follows_the_version(tmp_path):
    synthetic.install("base")
    bundle = find_model("base")
    assert isinstance(content.load_content_encoder(bundle), content.HubertContent)
    config = PhoneticConfig(mels=16, width=8, layers=2, phones=tuple("abcd"))
    path = tmp_path / "content.safetensors"
    tensors = {**PhoneticEncoder(config).state_dict(), "ssl_proj.bias": torch.ones(4)}
    save_safetensors(path, tensors, {"config": config.to_dict()})
    encoder = content.load_content_encoder(replace(bundle, version=version("mini"), content=path))
    assert isinstance(encoder, content.PhoneticContent)
    assert encoder.encode(noise(16_000)).shape == (1, encoder.channels, frames(16_000))
    with pytest.raises(AudioError, match="too short"):
        encoder.encode(noise(100))


@every_case("config", [{}, {"config": {"mels": "x"}}, {"config": {"speed": 3}}, {"config": [1]}], isolated=True)
def test_broken_phonetic_config(tmp_path, config):
    path = tmp_path / "content.safetensors"
    save_safetensors(path, {"a": torch.ones(1)}, config)
    with pytest.raises(ModelError, match=r"content\.safetensors is broken"):
        content.PhoneticContent(path, CPU)
