"""The content encoder learns phones it is told, and its folder is a family to train from scratch in."""

import json

import numpy as np
import pytest
import soundfile

from sovits_cli.checkpoints import catalogue
from sovits_cli.config.schema import ContentSettings
from sovits_cli.errors import DatasetError
from sovits_cli.features import content as features
from sovits_cli.features.semantic import SemanticTokenizer
from sovits_cli.training.content import load_clips, read_alignment, train_content

RATE = 16_000
TONES = {"aa": 300.0, "iy": 900.0, "s": 2500.0, "pau": 0.0}
SMALL = ContentSettings(steps=40, batch_size=4, learning_rate=0.01, width=24, layers=2, codes=8)


def record(folder, count, seconds=3.6):
    """Recordings of tones that stand for phones, with their times."""
    draw = np.random.default_rng(1)
    for number in range(count):
        names = draw.choice(list(TONES), size=round(seconds / 0.3))
        waves = [np.sin(2 * np.pi * TONES[name] * np.arange(4800) / RATE) * 0.4 for name in names]
        wave = np.concatenate(waves) + draw.standard_normal(4800 * len(names)) * 0.001
        soundfile.write(folder / f"{number}.wav", wave, RATE)
        lines = [f"{(index + 1) * 0.3:.2f} {name}" for index, name in enumerate(names)]
        (folder / f"{number}.phones").write_text("\n".join(lines) + "\n")


def test_learns_phones_and_makes_a_family(tmp_path, heard):
    record(tmp_path, 24)
    result = train_content(tmp_path, tmp_path / "family", SMALL, seed=1, reporter=heard)
    assert result.frame_accuracy > 0.6
    found = catalogue.find(str(tmp_path / "family"))
    assert json.loads((tmp_path / "family" / "model.json").read_text())["version"] == found.version.name == "mini"
    encoder = features.load(found)
    assert encoder.channels == len(TONES)
    import torch

    made = encoder.encode(torch.randn(RATE))
    tokens = SemanticTokenizer(found).tokens(made)
    assert made.shape == (1, len(TONES), 49)
    assert tokens.shape == (24,)
    assert 0 <= int(tokens.min()) <= int(tokens.max()) < SMALL.codes


def test_too_few_recordings(tmp_path, heard):
    record(tmp_path, 3)
    with pytest.raises(DatasetError, match="3 recordings of 3 s or more"):
        load_clips(tmp_path, heard)


def test_a_broken_alignment_is_named(tmp_path):
    broken = tmp_path / "a.phones"
    broken.write_text("0.3 aa\nlater iy\n")
    with pytest.raises(DatasetError, match="line 2"):
        read_alignment(broken)
