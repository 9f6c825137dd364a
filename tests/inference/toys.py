"""Small models that speak noise, and recordings for them. A toy ends each line by chance."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sovits_cli import paths
from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.checkpoints.catalogue import find_model
from sovits_cli.checkpoints.safetensors_io import save_safetensors
from sovits_cli.inference import checks
from sovits_cli.models.phonetic import PhoneticConfig, PhoneticEncoder
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.vits import VitsModel
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.versions import SamplingDefaults, version
from tests.checkpoints.synthetic import filled

ROW = version("mini")
RATE = 16_000
TOY_GPT = T2SConfig(width=32, heads=2, layers=2, vocab=65, bert_dim=0)
TOY_SOVITS = SovitsConfig(
    inter_channels=16,
    hidden_channels=16,
    filter_channels=32,
    n_heads=2,
    n_layers=2,
    gin_channels=32,
    mrte_channels=32,
    mrte_heads=2,
    style_channels=16,
    style_bins=ROW.style_bins,
    content_channels=24,
    codebook_size=64,
    flow_couplings=2,
    flow_layers=1,
    sampling_rate=ROW.spec.sample_rate,
    filter_length=ROW.spec.n_fft,
    hop_length=ROW.spec.hop,
    n_mel_channels=ROW.mel.mels,
    decoder="istft",
    istft_width=16,
    istft_layers=1,
    istft_upsample=2,
    istft_n_fft=640,
)
TOY_CONTENT = PhoneticConfig(width=16, layers=1, phones=tuple("abcdefghijklmnopqrstuvwx"))

MOST_POPULAR, POPULAR_LOGIT = 8, 6.0
"""Tokens that a toy says nearly always: the end must never be the likeliest, and yet among those that are drawn."""

MINI_GPT = T2SConfig(width=256, heads=4, layers=4, vocab=513, bert_dim=0)
MINI_SOVITS = SovitsConfig(
    inter_channels=64,
    hidden_channels=96,
    filter_channels=256,
    n_heads=2,
    n_layers=2,
    gin_channels=128,
    mrte_channels=128,
    mrte_heads=2,
    style_channels=64,
    style_bins=ROW.style_bins,
    content_channels=96,
    codebook_size=512,
    flow_couplings=2,
    flow_layers=3,
    sampling_rate=ROW.spec.sample_rate,
    filter_length=ROW.spec.n_fft,
    hop_length=ROW.spec.hop,
    n_mel_channels=ROW.mel.mels,
    decoder="istft",
    istft_width=192,
    istft_layers=6,
    istft_upsample=2,
    istft_n_fft=640,
)
"""The dimensions of configs/mini.yaml, for figures before there are trained weights."""


def install(
    name: str = "toy",
    *,
    gpt: T2SConfig = TOY_GPT,
    sovits: SovitsConfig = TOY_SOVITS,
    content: PhoneticConfig = TOY_CONTENT,
    tokens: float = 60.0,
) -> Bundle:
    """A model with random weights in the user's model directory, whose lines last about so many tokens."""
    folder = paths.models_dir() / name
    weight = speaking(gpt, tokens)
    save_safetensors(folder / "gpt.safetensors", weight, {"version": ROW.name, "config": gpt.to_official()})
    acoustic = filled(VitsModel(sovits, posterior=False))
    save_safetensors(folder / "sovits.safetensors", acoustic, {"version": ROW.name, "config": sovits.to_official()})
    save_safetensors(folder / "content.safetensors", filled(PhoneticEncoder(content)), {"config": content.to_dict()})
    said = {part: f"{part}.safetensors" for part in ("gpt", "sovits", "content")}
    (folder / "model.json").write_text(json.dumps({"name": name, "version": ROW.name, **said}), encoding="utf-8")
    return find_model(name)


def accept_any_alignment(patch: pytest.MonkeyPatch) -> None:
    """Let no toy be doubted for leaving its text, which it never reads."""
    patch.setattr(checks, "MAX_ALIGNMENT_ERROR", math.inf)


def speaking(config: T2SConfig, tokens: float, usual: SamplingDefaults = ROW.sampling) -> dict[str, torch.Tensor]:
    """Weights of a GPT that ends with a chance of one in `tokens` at each step drawn so, whatever it has said."""
    weight = filled(Text2Semantic(config))
    last = f"h.layers.{config.layers - 1}.norm2"
    weight[f"{last}.weight"][0], weight[f"{last}.bias"][0] = 0.0, 1.0  # the first value of each vector is 1
    predict = torch.randn(weight["ar_predict_layer.weight"].shape, generator=torch.Generator().manual_seed(1))
    predict *= 0.3 / config.width**0.5
    predict[:, 0] = -1.0
    popular = min(MOST_POPULAR, usual.top_k - 1)
    predict[:popular, 0] = POPULAR_LOGIT
    predict[config.eos] = 0.0
    rarer = usual.temperature * float(np.log(popular / (tokens - 1)))
    predict[config.eos, 0] = POPULAR_LOGIT / usual.repetition_penalty + rarer
    weight["ar_predict_layer.weight"] = predict
    return weight


def voice_recording(path: Path, seconds: float = 4.0, *, rate: int = RATE, seed: int = 0, level: float = 0.2) -> Path:
    """Noise in syllables of a third of a second, with a pause of 0.3 s after each second."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    loudness = np.abs(np.sin(np.pi * 3 * time)) * (time % 1.3 < 1.0)
    wave = level * loudness * rng.standard_normal(len(time))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.clip(wave, -1, 1), rate)
    return path
