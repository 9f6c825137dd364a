"""The content stage: a small model's own content encoder learns to name the phone of each frame.

Each recording of a batch trains as a random stretch of three seconds, at a random level and with a little noise. At
the end a codebook over its features is made (k-means), and the folder becomes a family to train from scratch in:

    runs/<name>/content.safetensors   the encoder, the stride-two average and the codebook that make tokens
    runs/<name>/model.json            the version of the family, and that file

Legend: B batch, T samples at 16 kHz, F frames, C channels of the features.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import AdamW

from sovits_cli.checkpoints.bundle import MODEL_FILE
from sovits_cli.checkpoints.safetensors_io import save_safetensors
from sovits_cli.data.aligned_dataset import STRIDE_SAMPLES, AlignedBatch, AlignedDataset, content_samples
from sovits_cli.errors import InputError
from sovits_cli.events import Progress, Reporter
from sovits_cli.files import atomic
from sovits_cli.models.phonetic import PhoneticEncoder
from sovits_cli.terms import FRAMES_PER_TOKEN, Stage
from sovits_cli.training.optim import LearningRateSchedule, is_on_cpu
from sovits_cli.training.stages.base import WHOLE_UPDATE, ExportTag, Losses, OptimizedModule, Shares

CROP_FRAMES = 150
"""Frames of one training example: three seconds."""

LABEL_SMOOTHING = 0.05
WEIGHT_DECAY = 0.01
LEVELS = (0.2, 1.0)
NOISE_DECADES = (-5.0, -2.3)
"""A crop is scaled by a factor between `LEVELS`; white noise of 10 ** so much is added."""

MAX_CODEBOOK_CLIPS = 1500


class ContentStage:
    """The phonetic encoder with AdamW.

    Args:
        encoder: on the device already.
        schedule: its learning rate.
        export: writes what `FamilyExporter` writes.
    """

    stage = Stage.CONTENT
    denominator_names: Sequence[str] = ("clips",)

    def __init__(
        self,
        encoder: PhoneticEncoder,
        *,
        schedule: LearningRateSchedule,
        export: Callable[[PhoneticEncoder, Path, ExportTag], Path],
    ) -> None:
        self._encoder = encoder
        self._export = export
        optimizer = AdamW(encoder.parameters(), lr=0.0, weight_decay=WEIGHT_DECAY, fused=is_on_cpu(encoder) or None)
        self.optimized_modules: Sequence[OptimizedModule] = (OptimizedModule("content", encoder, optimizer, schedule),)

    def modules(self) -> Mapping[str, torch.nn.Module]:
        """The encoder."""
        return {"content": self._encoder}

    def denominators(self, batch: AlignedBatch) -> Mapping[str, float]:
        """Clips: their crops are equally long."""
        return {"clips": float(len(batch))}

    def sample_noise(self, batch: AlignedBatch) -> AlignedBatch:
        """A random crop of each recording, at a random level and with a little noise.

        Drawn on the CPU, so that a seed gives the same training on every device.
        """
        # Levels and noise make the encoder deaf to how a recording was made, which tells nothing of its phones.
        device, clips, samples = batch.wave.device, len(batch), content_samples(CROP_FRAMES)
        room = (batch.frame_lens - CROP_FRAMES + 1).to(device)
        starts = (torch.rand(clips).to(device) * room).long()
        levels, decades = _between(*LEVELS, clips), _between(*NOISE_DECADES, clips)
        noise = torch.randn(clips, samples) * 10 ** decades[:, None]
        wave = _crops(batch.wave, starts * STRIDE_SAMPLES, samples)
        return AlignedBatch(
            wave=wave * levels.to(device)[:, None] + noise.to(device),
            wave_lens=torch.full_like(batch.wave_lens, samples),
            labels=_crops(batch.labels, starts, CROP_FRAMES),
            frame_lens=torch.full_like(batch.frame_lens, CROP_FRAMES),
        )

    def train(self) -> None:
        """Switch to training mode; nothing in the encoder depends on it."""
        self._encoder.train()

    def losses(self, batch: AlignedBatch, shares: Shares = WHOLE_UPDATE) -> Losses:
        """Mean cross-entropy per frame, and the share of frames whose best phone is the timed one."""
        found = _loss_and_accuracy(self._encoder, batch.wave, batch.labels)
        return Losses({"content": found["loss"] * shares.get("clips", 1.0)}, found)

    def evaluate(self, batch: AlignedBatch) -> Mapping[str, Tensor]:
        """The same numbers over whole recordings, each on its own: the encoder normalises a recording as a whole."""
        self._encoder.eval()
        lengths = zip(batch.wave_lens.tolist(), batch.frame_lens.tolist(), strict=True)
        each = [
            _loss_and_accuracy(self._encoder, batch.wave[row : row + 1, :samples], batch.labels[row : row + 1, :frames])
            for row, (samples, frames) in enumerate(lengths)
        ]
        return {name: torch.stack([one[name] for one in each]).mean() for name in each[0]}

    def export(self, folder: Path, tag: ExportTag) -> Path:
        """Make the codebook and write the family into `folder`."""
        self._encoder.eval()
        return self._export(self._encoder, folder, tag)


def _loss_and_accuracy(encoder: PhoneticEncoder, wave: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Of samples (B, T) and classes (B, F): loss and frame accuracy."""
    scores = encoder(wave).float()
    loss = F.cross_entropy(scores.flatten(0, 1), labels.flatten(), label_smoothing=LABEL_SMOOTHING)
    return {"loss": loss, "frame_accuracy": (scores.detach().argmax(-1) == labels).float().mean()}


def _between(low: float, high: float, count: int) -> Tensor:
    return low + (high - low) * torch.rand(count)


def _crops(rows: Tensor, starts: Tensor, length: int) -> Tensor:
    """From each row (B, L) so many values from its own start (B,): (B, length)."""
    return rows.gather(1, starts[:, None] + torch.arange(length, device=rows.device))


@dataclass(frozen=True)
class FamilyExporter:
    """Makes the codebook and writes the two files of a family.

    Args:
        name: of the family.
        version: name of its model version.
        codebook_size: entries of the codebook.
        seed: of the codebook.
        clips: the recordings; `training` and `held_out` are numbers of them.
        reporter: hears how far the codebook is.
    """

    name: str
    version: str
    codebook_size: int
    seed: int
    clips: AlignedDataset
    training: Sequence[int]
    held_out: Sequence[int]
    reporter: Reporter

    def __call__(self, encoder: PhoneticEncoder, folder: Path, tag: ExportTag) -> Path:
        """Write the family as it is at a moment; returns the file of the weights."""
        codebook = self._codebook(encoder)
        path = folder / "content.safetensors"
        about = {"version": self.version, "config": encoder.config.to_dict(), "step": tag.step}
        if self.held_out:
            about["frame_accuracy"] = frame_accuracy(encoder, self.clips, self.held_out)
        save_safetensors(path, {**encoder.state_dict(), **token_tensors(codebook)}, about)
        model = {"name": self.name, "version": self.version, "content": path.name}
        with atomic(folder / MODEL_FILE, follow_links=False) as temporary:
            temporary.write_text(json.dumps(model, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return path

    def _codebook(self, encoder: PhoneticEncoder) -> Tensor:
        """K-means over the mean feature of each pair of frames: (codes, C)."""
        order = np.random.default_rng(self.seed).permutation(len(self.training))[:MAX_CODEBOOK_CLIPS]
        device, pairs = next(encoder.parameters()).device, []
        with torch.inference_mode():
            for count, index in enumerate(order, start=1):
                with suppress(InputError):  # reported where it was read to train
                    wave = self.clips[self.training[index]].wave
                    pairs.append(pair_means(encoder.features(wave[None].to(device))[0]).cpu())
                self.reporter.emit(Progress("codebook", count, len(order), "recordings"))
        return k_means(torch.cat(pairs), self.codebook_size, seed=self.seed)


def frame_accuracy(encoder: PhoneticEncoder, clips: AlignedDataset, numbers: Sequence[int]) -> float:
    """Share of the frames of some recordings whose best phone is the timed one."""
    right = total = 0
    device = next(encoder.parameters()).device
    with torch.inference_mode():
        for number in numbers:
            with suppress(InputError):
                item = clips[number]
                named = encoder(item.wave[None].to(device))[0].argmax(-1).cpu()
                right += int((named == item.labels).sum())
                total += len(item.labels)
    return right / max(total, 1)


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


STARTS = 3
"""Lloyd's rounds find the nearest local optimum: the best of so many starts is kept."""

SAMPLE_PER_CENTRE = 128
"""Points a centre that the starts are compared on; the best one then goes on with all points."""

MAX_ROUNDS = 60
MIN_GAIN = 1e-4
"""Share of the inertia that a round has to save for another one to follow."""

CHUNK = 16_384
"""Points whose distances to all centres are held at once."""


def k_means(points: Tensor, count: int, *, seed: int) -> Tensor:
    """Give `count` centres, (count, C), for points (N, C) in float32; the same for the same seed.

    What is made small is the inertia, the sum of the squared distances of the points to their nearest centre.
    """
    generator = torch.Generator().manual_seed(seed)
    picked = torch.randperm(len(points), generator=generator)[: SAMPLE_PER_CENTRE * count]
    sample = points[picked]
    starts = [lloyd(sample, spread_start(sample, count, generator)) for _ in range(STARTS)]
    best, _ = min(starts, key=lambda start: start[1])
    return best if len(sample) == len(points) else lloyd(points, best)[0]


def spread_start(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """k-means++: a centre is a point drawn with a chance that grows with its squared distance from those before.

    The greedy form: of a few points drawn for each centre, the one that leaves the smallest inertia.
    """
    trials = 2 + int(math.log(count))
    chosen = torch.randint(len(points), (1,), generator=generator)
    distance = _squared(points, points[chosen])[:, 0]
    while len(chosen) < count:
        # Where every point is a centre already, any of them will do.
        chance = distance.double() if distance.any() else torch.ones_like(distance, dtype=torch.float64)
        reached = torch.rand(trials, generator=generator, dtype=torch.float64) * chance.sum()
        drawn = torch.searchsorted(chance.cumsum(0), reached).clamp(max=len(points) - 1)
        left = torch.minimum(distance[:, None], _squared(points, points[drawn]))
        best = left.sum(0).argmin()
        chosen, distance = torch.cat((chosen, drawn[best, None])), left[:, best]
    return points[chosen]


def lloyd(points: Tensor, centres: Tensor) -> tuple[Tensor, float]:
    """Move each centre (K, C) into the mean of its points while that gains something; gives them and the inertia."""
    before = float("inf")
    for _ in range(MAX_ROUNDS):
        nearest, distance = nearest_centres(points, centres)
        inertia = float(distance.double().sum())
        sizes = torch.bincount(nearest, minlength=len(centres))
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        centres = torch.where(sizes[:, None] > 0, sums / sizes.clamp(min=1)[:, None], centres)
        if empty := int((sizes == 0).sum()):
            # A centre that no point is nearest to moves onto one of the points that are farthest from theirs.
            centres[sizes == 0] = points[distance.topk(min(empty, len(points))).indices].repeat(empty, 1)[:empty]
        elif before - inertia <= MIN_GAIN * inertia:
            break
        before = inertia
    return centres, float(nearest_centres(points, centres)[1].double().sum())


def nearest_centres(points: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """The number of each point's nearest centre, (N,) int64, and its squared distance, (N,)."""
    found = [_squared(chunk, centres).min(1) for chunk in torch.split(points, CHUNK)]
    return torch.cat([item.indices for item in found]), torch.cat([item.values for item in found])


def _squared(points: Tensor, centres: Tensor) -> Tensor:
    """Squared distances (N, K) by |p - c|^2 = |p|^2 - 2 p c + |c|^2: one product instead of N K differences."""
    return torch.addmm(centres.square().sum(1), points, centres.T, alpha=-2).add_(
        points.square().sum(1, keepdim=True)
    ).clamp_(min=0)  # fmt: skip
