"""Training the content encoder of a small model, and the codebook over its features.

Reads a folder of recordings with timed phones (`<stem>.wav` and `<stem>.phones`: one "end_seconds phone" a line).
Gives a folder with `content.safetensors`: the encoder, the stride-two average and the codebook that make tokens.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR

from sovits_cli.audio import files
from sovits_cli.checkpoints import ours
from sovits_cli.checkpoints.catalogue import MODEL_FILE
from sovits_cli.config.schema import ContentSettings
from sovits_cli.errors import DatasetError
from sovits_cli.events import Metrics, Note, Progress, Reporter
from sovits_cli.files import atomic
from sovits_cli.models.phonetic import PhoneticConfig, PhoneticEncoder
from sovits_cli.terms import FRAMES_PER_TOKEN, SSL_RATE_HZ, Stage
from sovits_cli.versions import version

WINDOW_SAMPLES = 400
STRIDE_SAMPLES = 320
CROP_FRAMES = 150
"""Frames of one training example: three seconds."""

LEAST_CLIPS = 20
MOST_HELD_OUT = 50


@dataclass(frozen=True)
class Clip:
    """One recording in memory: int16 samples (T,) at 16 kHz and the phone class of each frame (F,)."""

    wave: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class ContentResult:
    """What the training reached."""

    path: Path
    steps: int
    seconds: float
    frame_accuracy: float


def read_alignment(path: Path) -> list[tuple[float, str]]:
    """The phones of a recording and when they end, in seconds. Raises DatasetError, naming the line."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            end, phone = line.split()
            rows.append((float(end), phone))
        except ValueError as error:
            raise DatasetError(
                f"{path} line {number}: {line[:40]!r}, expected 'end_seconds phone'", hint="mend or remove the file"
            ) from error
    if not rows:
        raise DatasetError(f"{path} holds no phones", hint="mend or remove the file")
    return rows


def frame_labels(rows: list[tuple[float, str]], frames: int, phones: dict[str, int]) -> np.ndarray:
    """The phone class at the middle of each frame: (frames,) int64."""
    ends = np.array([end for end, _ in rows])
    classes = np.array([phones[phone] for _, phone in rows])
    middles = (np.arange(frames) * STRIDE_SAMPLES + WINDOW_SAMPLES / 2) / SSL_RATE_HZ
    return classes[np.minimum(np.searchsorted(ends, middles), len(classes) - 1)]


def load_clips(folder: Path, reporter: Reporter) -> tuple[list[Clip], tuple[str, ...]]:
    """Every recording of three seconds or more that has timed phones, and the names of all phones.

    Raises:
        DatasetError: too few of them, or a broken file.
    """
    waves = sorted(path for path in folder.glob("*.wav") if path.with_suffix(".phones").exists())
    timed = {path: read_alignment(path.with_suffix(".phones")) for path in waves}
    phones = {name: index for index, name in enumerate(sorted({phone for rows in timed.values() for _, phone in rows}))}
    clips = []
    for path, rows in timed.items():
        wave, _ = files.read(path, rate=SSL_RATE_HZ, mono=True)
        frames = (len(wave) - WINDOW_SAMPLES) // STRIDE_SAMPLES + 1
        if frames >= CROP_FRAMES:
            stored = np.clip(wave * 32768, -32768, 32767).astype(np.int16)
            clips.append(Clip(stored, frame_labels(rows, frames, phones)))
    if len(clips) < LEAST_CLIPS:
        raise DatasetError(
            f"{folder}: {len(clips)} recordings of 3 s or more with timed phones, expected at least {LEAST_CLIPS}",
            hint="each is <name>.wav and <name>.phones with lines of 'end_seconds phone'",
        )
    reporter.emit(Note(f"content: {len(clips)} recordings, {len(waves) - len(clips)} under 3 s not used"))
    return clips, tuple(phones)


def train_content(
    folder: Path, out: Path, settings: ContentSettings, *, seed: int, reporter: Reporter
) -> ContentResult:
    """Train the encoder on frame labels, then the codebook on its features.

    Writes `content.safetensors`, and a `model.json` that makes the folder a family to train from scratch in.

    Raises:
        DatasetError: too few recordings with timed phones.
    """
    began_s = time.monotonic()
    family = version(settings.family)
    clips, phones = load_clips(folder, reporter)
    every = max(len(clips) // MOST_HELD_OUT, 2)
    held_out = clips[::every]
    training = [clip for index, clip in enumerate(clips) if index % every]
    torch.manual_seed(seed)
    config = PhoneticConfig(width=settings.width, layers=settings.layers, phones=phones)
    encoder = PhoneticEncoder(config)
    _learn(encoder, training, settings, seed, reporter)
    encoder.eval()
    accuracy = frame_accuracy(encoder, held_out)
    codebook = learn_codebook(encoder, training, settings.codes, seed)
    path = out / "content.safetensors"
    out.mkdir(parents=True, exist_ok=True)
    ours.save(
        path,
        {**encoder.state_dict(), **token_tensors(codebook)},
        {"version": family.name, "config": encoder.config.to_dict(), "frame_accuracy": accuracy},
    )
    described = {"name": out.name, "version": family.name, "content": path.name}
    with atomic(out / MODEL_FILE, follow_links=False) as temporary:
        temporary.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    return ContentResult(path, settings.steps, time.monotonic() - began_s, accuracy)


def _learn(
    encoder: PhoneticEncoder, clips: list[Clip], settings: ContentSettings, seed: int, reporter: Reporter
) -> None:
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=settings.learning_rate, weight_decay=0.01)
    schedule = OneCycleLR(optimizer, settings.learning_rate, total_steps=settings.steps, pct_start=0.1)
    batches = _batches(clips, settings.batch_size, settings.steps, np.random.default_rng(seed))
    for step, (wave, labels) in enumerate(batches, start=1):
        loss = F.cross_entropy(encoder(wave).flatten(0, 1), labels.flatten(), label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == settings.steps:
            reporter.emit(Metrics(Stage.CONTENT, step, {"loss": loss.item()}))
            reporter.emit(Progress("content", step, settings.steps, "steps", f"loss {loss.item():.2f}"))


def frame_accuracy(encoder: PhoneticEncoder, clips: list[Clip]) -> float:
    """Share of frames whose best phone is the timed one."""
    right = total = 0
    with torch.inference_mode():
        for clip in clips:
            named = encoder(_wave(clip.wave)[None])[0].argmax(-1).numpy()
            right += int((named == clip.labels).sum())
            total += len(clip.labels)
    return right / total


def learn_codebook(encoder: PhoneticEncoder, clips: list[Clip], codes: int, seed: int) -> Tensor:
    """K-means over the mean feature of each pair of frames: (codes, C)."""
    from sklearn.cluster import MiniBatchKMeans

    draw = np.random.default_rng(seed)
    pairs = []
    with torch.inference_mode():
        for index in draw.permutation(len(clips))[:1500]:
            features = encoder.features(_wave(clips[index].wave)[None])[0]
            pairs.append(pair_means(features).numpy())
    model = MiniBatchKMeans(codes, random_state=seed, batch_size=8192, n_init=3, max_iter=60)
    return torch.from_numpy(model.fit(np.concatenate(pairs)).cluster_centers_.astype(np.float32))


def pair_means(features: Tensor) -> Tensor:
    """(C, F) to (F // 2, C): what the stride-two projection of `token_tensors` gives."""
    frames = features.shape[1] // FRAMES_PER_TOKEN * FRAMES_PER_TOKEN
    return features[:, :frames].reshape(len(features), -1, FRAMES_PER_TOKEN).mean(-1).T


def token_tensors(codebook: Tensor) -> dict[str, Tensor]:
    """The official names of the projection (a plain average of two frames) and of the frozen codebook."""
    channels = codebook.shape[1]
    average = torch.eye(channels)[:, :, None].expand(-1, -1, FRAMES_PER_TOKEN) / FRAMES_PER_TOKEN
    prefix = "quantizer.vq.layers.0._codebook."
    return {
        "ssl_proj.weight": average.contiguous(),
        "ssl_proj.bias": torch.zeros(channels),
        prefix + "inited": torch.ones(1),
        prefix + "cluster_size": torch.ones(len(codebook)),
        prefix + "embed": codebook,
        prefix + "embed_avg": codebook.clone(),
    }


def _batches(
    clips: list[Clip], batch_size: int, steps: int, draw: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Random three-second crops at random levels with a little noise: (B, T) samples and (B, F) classes."""
    samples = (CROP_FRAMES - 1) * STRIDE_SAMPLES + WINDOW_SAMPLES
    for _ in range(steps):
        waves, labels = [], []
        for index in draw.integers(len(clips), size=batch_size):
            clip = clips[index]
            start = int(draw.integers(len(clip.labels) - CROP_FRAMES + 1))
            wave = _wave(clip.wave[start * STRIDE_SAMPLES : start * STRIDE_SAMPLES + samples])
            noise = torch.from_numpy(draw.standard_normal(samples).astype(np.float32))
            waves.append(wave * float(draw.uniform(0.2, 1.0)) + noise * float(10 ** draw.uniform(-5, -2.3)))
            labels.append(torch.from_numpy(clip.labels[start : start + CROP_FRAMES]))
        yield torch.stack(waves), torch.stack(labels)


def _wave(samples: np.ndarray) -> Tensor:
    return torch.from_numpy(samples.astype(np.float32) / 32768)
