"""A family of tiny models and a dataset made for it, both synthetic: enough to train each stage in a second."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from sovits_cli.checkpoints.safetensors_io import save_safetensors
from sovits_cli.cli.train import setting_origins
from sovits_cli.config.layers import Resolved
from sovits_cli.data.experiment import DatasetInfo, Experiment, TextRow, save_feature
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.vits import VitsModel
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.training.pipeline import TrainOptions
from tests.differences import differences

CODES = 32
CHANNELS = 24
PHONES = ("HH", "AH0", "L", "OW1", "W", "ER1", "L", "D", ".")

GPT = T2SConfig(width=32, heads=2, layers=2, vocab=CODES + 1, bert_dim=0, attention_dropout=0.0)
SOVITS = SovitsConfig(
    inter_channels=16,
    hidden_channels=16,
    filter_channels=32,
    n_heads=2,
    n_layers=2,
    gin_channels=32,
    mrte_channels=32,
    mrte_heads=2,
    style_channels=16,
    style_bins=513,
    sampling_rate=16_000,
    filter_length=1024,
    hop_length=320,
    n_mel_channels=80,
    segment_size=320 * 16,
    content_channels=CHANNELS,
    codebook_size=CODES,
    flow_couplings=2,
    flow_layers=1,
    posterior_layers=2,
    decoder="istft",
    istft_width=32,
    istft_layers=1,
)


def make_family(home: Path, *, posterior: bool = False) -> Path:
    """An installed model `small` of the version `mini` under `home`; returns its folder."""
    torch.manual_seed(3)
    folder = home / "data" / "models" / "small"
    gpt, acoustic = Text2Semantic(GPT), VitsModel(SOVITS, posterior=posterior)
    with torch.no_grad():
        acoustic.ssl_proj.weight.copy_(torch.eye(CHANNELS)[:, :, None].expand(-1, -1, 2) / 2)
        acoustic.ssl_proj.bias.zero_()
    acoustic.quantizer.fill(torch.randn(CODES, CHANNELS))
    for name, module, config in (("gpt", gpt, GPT.to_official()), ("sovits", acoustic, SOVITS.to_official())):
        save_safetensors(folder / f"{name}.safetensors", module.state_dict(), {"version": "mini", "config": config})
    save_safetensors(folder / "content.safetensors", {"mel": torch.zeros(1)}, {"kind": "content"})
    files = {part: f"{part}.safetensors" for part in ("gpt", "sovits", "content")}
    (folder / "model.json").write_text(json.dumps({"name": "small", "version": "mini", **files}))
    return folder


def make_dataset(
    root: Path,
    *,
    clips: int = 8,
    seconds: float = 1.2,
    model: str = "small",
    version: str = "mini",
    channels: int = CHANNELS,
) -> Experiment:
    """ClipDataset of different length: a tone, its phones, random features and codes."""
    draw = np.random.default_rng(1)
    experiment = Experiment(root)
    rows, codes = [], []
    for index in range(clips):
        name = f"clip{index:03}.wav"
        length_s = seconds + 0.2 * (index % 3)
        time = np.arange(int(length_s * 32_000)) / 32_000
        wave = 0.3 * np.sin(2 * np.pi * (150 + 20 * index) * time) + 0.01 * draw.standard_normal(len(time))
        experiment.wave_path(name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(experiment.wave_path(name), wave, 32_000, subtype="PCM_16")
        frames = int(length_s * 50) - 1
        features = torch.from_numpy(draw.standard_normal((1, channels, frames)).astype(np.float32))
        save_feature(experiment.content_path(name), features)
        rows.append(TextRow(name, PHONES[: 6 + index % 4], None, "hello world."))
        codes.append((name, draw.integers(CODES, size=frames // 2).tolist()))
    experiment.write_text(rows)
    experiment.write_semantic(codes)
    experiment.write_info(DatasetInfo(model, version, "v2", ("en",), ("here",), clips, clips * seconds))
    return experiment


RATE = 16_000
TONES = {"aa": 300.0, "iy": 900.0, "s": 2500.0, "pau": 0.0}
"""Phones of `record`, and the pitch that stands for each."""


def record(folder: Path, count: int, seconds: float = 3.6) -> None:
    """Recordings of tones that stand for phones, with their times; every third is longer."""
    draw = np.random.default_rng(1)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        names = draw.choice(list(TONES), size=round(seconds / 0.3) + 2 * (number % 3 == 0))
        waves = [np.sin(2 * np.pi * TONES[name] * np.arange(4800) / RATE) * 0.4 for name in names]
        wave = np.concatenate(waves) + draw.standard_normal(4800 * len(names)) * 0.001
        soundfile.write(folder / f"{number:02}.wav", wave, RATE)
        lines = [f"{(index + 1) * 0.3:.2f} {name}" for index, name in enumerate(names)]
        (folder / f"{number:02}.phones").write_text("\n".join(lines) + "\n")


def options(resolved: Resolved, **more: Any) -> TrainOptions:
    """How `sovits train` would run these settings on a CPU."""
    return TrainOptions(device="cpu", origins=setting_origins(resolved.origin), **more)


def every_case_apart(
    names: str | Sequence[str], cases: Iterable[Any], *, ids: Callable[[Any], object] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """As `tests.differences.every_case`, with a `tmp_path` and a `monkeypatch` of its own for each case."""
    filled = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    table = list(cases)

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        asked = inspect.signature(test)

        @wraps(test)
        def run(**fixtures: Any) -> None:
            with differences() as compare:
                for number, case in enumerate(table):
                    values = dict(zip(filled, [case] if len(filled) == 1 else case, strict=True))
                    folder = fixtures["tmp_path"] / f"case{number:02}"
                    folder.mkdir()
                    with compare(ids(case) if ids else repr(case)), pytest.MonkeyPatch.context() as patched:
                        own = {"tmp_path": folder, "monkeypatch": patched}
                        own = {name: value for name, value in own.items() if name in asked.parameters}
                        test(**{**fixtures, **own, **values})

        left = [one for name, one in asked.parameters.items() if name not in (*filled, "monkeypatch")]
        run.__signature__ = asked.replace(parameters=left)  # type: ignore[attr-defined]
        return run

    return decorate
