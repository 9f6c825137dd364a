"""Training the content encoder of a small model, and the codebook over its features.

Reads a folder of recordings with timed phones (`<stem>.wav` and `<stem>.phones`: one "end_seconds phone" a line).
Gives a folder with `content.safetensors`: the encoder, the stride-two average and the codebook that make tokens.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sovits_cli.audio import files
from sovits_cli.checkpoints import ours
from sovits_cli.checkpoints.bundle import MODEL_FILE
from sovits_cli.errors import DatasetError
from sovits_cli.events import Metrics, Note, Progress, Reporter
from sovits_cli.files import atomic
from sovits_cli.models.phonetic import PhoneticConfig, PhoneticEncoder
from sovits_cli.terms import FRAMES_PER_TOKEN, SSL_RATE_HZ, Stage

WINDOW_SAMPLES = 400
STRIDE_SAMPLES = 320
CROP_FRAMES = 150
"""Frames of one training example: three seconds."""


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
    frame_accuracy: float
    codes: int


def frame_labels(alignment: Path, frames: int, phones: dict[str, int]) -> np.ndarray:
    """The phone class at the middle of each frame, from lines of "end_seconds phone"."""
    rows = [line.split() for line in alignment.read_text(encoding="utf-8").splitlines() if line.strip()]
    ends = np.array([float(end) for end, _ in rows])
    classes = np.array([phones[phone] for _, phone in rows])
    middles = (np.arange(frames) * STRIDE_SAMPLES + WINDOW_SAMPLES / 2) / SSL_RATE_HZ
    return classes[np.minimum(np.searchsorted(ends, middles), len(classes) - 1)]


def load_clips(folder: Path) -> tuple[list[Clip], tuple[str, ...]]:
    """Every recording that has timed phones, and the phone names found. Raises DatasetError if there are too few."""
    alignments = [path for path in sorted(folder.glob("*.phones")) if path.with_suffix(".wav").exists()]
    if len(alignments) < 20:
        raise DatasetError(
            f"{folder}: {len(alignments)} recordings with timed phones, expected at least 20",
            hint="each needs <name>.wav and <name>.phones with lines of 'end_seconds phone'",
        )
    names = Counter(line.split()[1] for path in alignments for line in path.read_text().splitlines() if line.strip())
    phones = {name: index for index, name in enumerate(sorted(names))}
    clips = []
    for path in alignments:
        wave, _ = files.read(path.with_suffix(".wav"), rate=SSL_RATE_HZ, mono=True)
        frames = (len(wave) - WINDOW_SAMPLES) // STRIDE_SAMPLES + 1
        if frames >= 2:
            stored = np.clip(wave * 32768, -32768, 32767).astype(np.int16)
            clips.append(Clip(stored, frame_labels(path, frames, phones)))
    return clips, tuple(phones)


def train_content(
    folder: Path,
    out: Path,
    config: PhoneticConfig,
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    codes: int,
    seed: int,
    family: str,
    reporter: Reporter,
) -> ContentResult:
    """Train the encoder on frame labels, then the codebook on its features.

    Writes `content.safetensors`, and a `model.json` that makes the folder a family to train from scratch in.
    """
    clips, phones = load_clips(folder)
    held_out = clips[:: max(len(clips) // 50, 2)]
    training = [clip for index, clip in enumerate(clips) if index % max(len(clips) // 50, 2)]
    reporter.emit(Note(f"content: {len(training)} recordings to learn from, {len(held_out)} held out, {len(phones)} phones"))
    torch.manual_seed(seed)
    encoder = PhoneticEncoder(PhoneticConfig.from_dict({**config.to_dict(), "phones": phones}))
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=0.1)
    for step, (wave, labels) in enumerate(_batches(training, batch_size, steps, np.random.default_rng(seed)), start=1):
        loss = F.cross_entropy(encoder(wave).flatten(0, 1), labels.flatten(), label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == steps:
            reporter.emit(Metrics(Stage.CONTENT, step, {"loss": loss.item()}))
            reporter.emit(Progress("content", step, steps, "steps", f"loss {loss.item():.2f}"))
    encoder.eval()
    accuracy = frame_accuracy(encoder, held_out)
    codebook = learn_codebook(encoder, training, codes, seed)
    path = out / "content.safetensors"
    out.mkdir(parents=True, exist_ok=True)
    ours.save(
        path,
        {**encoder.state_dict(), **token_tensors(codebook)},
        {"kind": "content", "version": family, "content": "phonetic", "config": encoder.config.to_dict(), "frame_accuracy": accuracy},
    )
    described = {"name": out.name, "version": family, "content": path.name}
    with atomic(out / MODEL_FILE) as temporary:
        temporary.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    return ContentResult(path, steps, accuracy, codes)


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
    return features[:, :frames].unflatten(1, (-1, FRAMES_PER_TOKEN)).mean(-1).T


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
    long_enough = [clip for clip in clips if len(clip.labels) >= CROP_FRAMES]
    samples = (CROP_FRAMES - 1) * STRIDE_SAMPLES + WINDOW_SAMPLES
    for _ in range(steps):
        waves, labels = [], []
        for index in draw.integers(len(long_enough), size=batch_size):
            clip = long_enough[index]
            start = int(draw.integers(len(clip.labels) - CROP_FRAMES + 1))
            wave = _wave(clip.wave[start * STRIDE_SAMPLES : start * STRIDE_SAMPLES + samples])
            noise = torch.from_numpy(draw.standard_normal(samples).astype(np.float32))
            waves.append(wave * float(draw.uniform(0.2, 1.0)) + noise * float(10 ** draw.uniform(-5, -2.3)))
            labels.append(torch.from_numpy(clip.labels[start : start + CROP_FRAMES]))
        yield torch.stack(waves), torch.stack(labels)


def _wave(samples: np.ndarray) -> Tensor:
    return torch.from_numpy(samples.astype(np.float32) / 32768)


