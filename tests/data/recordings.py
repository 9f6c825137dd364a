"""Small recordings and experiment folders for the dataset tests."""

import json

import numpy as np
import soundfile
import torch

from sovits_cli.data.experiment import Experiment, TextRow, save_feature

RATE = 32_000


def tone(seconds, rate=RATE, level=0.5, hz=220.0, seed=0):
    """A tone with some noise: float32 (samples,)."""
    time = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).standard_normal(len(time))
    return (level * (0.9 * np.sin(2 * np.pi * hz * time) + 0.02 * noise)).astype(np.float32)


def record(path, seconds=1.0, rate=RATE, **kwargs):
    """Write one recording."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(seconds, rate, **kwargs), rate)
    return path


def spoken_folder(folder, count=3, seconds=1.0, text="Hello world, number {}."):
    """Recordings with transcripts beside them."""
    for index in range(count):
        path = record(folder / f"clip{index}.wav", seconds + 0.1 * index, seed=index)
        path.with_suffix(".txt").write_text(text.format(index), encoding="utf-8")
    return folder


def experiment(root, clips, *, channels=6, rate=RATE):
    """An experiment folder made by hand; `clips` maps a name to its seconds."""
    made = Experiment(root)
    for name, seconds in clips.items():
        record(made.wave_path(name), seconds, rate)
        save_feature(made.content_path(name), torch.zeros(1, channels, int(seconds * 50) - 1))
    phones = {name: ("HH", "AH0", "L", "OW1", ".") * max(1, round(seconds)) for name, seconds in clips.items()}
    made.write_text(TextRow(name, phones[name], None, "hello.") for name in clips)
    made.write_semantic((name, [1] * int(seconds * 25)) for name, seconds in clips.items())
    return made


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
