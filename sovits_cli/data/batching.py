"""Batches: which items train together (buckets of similar length), and how they are padded into tensors (collate).

Knows nothing of where items come from.
Legend: B batch, T audio samples, F spectrogram frames, S semantic tokens, P phones, C channels, D BERT width,
V width of speaker embeddings, Z latent channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sovits_cli.models.cfm.flow_matching import TrainingNoise
from sovits_cli.terms import FRAMES_PER_TOKEN

BAND = 1.1
"""Lengths within this ratio count as equal, so that neighbours change from epoch to epoch."""


# One epoch, with 4 clips a batch. The official samplers (AR/data/bucket_sampler.py, module/data_utils.py,
# `DistributedBucketSampler`) shuffle within buckets of fixed edges and repeat clips to fill the last batch of each;
# here bands follow the lengths, and nothing is dropped or repeated:
#
#     lengths, s   1.05 1.01 | 2.3 2.15 2.2 | 4.5 4.2 | 9.7       band: floor(log length / log 1.1), each shuffled
#     batches     [1.05 1.01   2.3 2.15] [2.2   4.5 4.2   9.7]    cut from short to long
#     epoch        the batches in random order
class LengthBucketSampler:
    """Batches of at most `batch_size` items and at most `batch_s` seconds with their padding; None is no limit.

    An item longer than `batch_s` gets a batch of its own. The same lengths, seed and epoch give the same batches on
    every machine.

    Args:
        lengths: of the items, in seconds.
        batch_size: most items of a batch.
        seed: of the order.
        batch_s: most seconds of a batch, each item counted as long as its longest.
    """

    def __init__(
        self, lengths: Sequence[float], batch_size: int | None, seed: int, *, batch_s: float | None = None
    ) -> None:
        self._lengths = np.asarray(lengths, dtype=np.float64)
        self._bands = np.floor(np.log(np.maximum(self._lengths, 1e-3)) / np.log(BAND)).astype(np.int64)
        self._batch_size = batch_size
        self._batch_s = batch_s
        self._seed = seed

    def epoch(self, number: int) -> list[list[int]]:
        """Give the batches of one epoch as item numbers, in training order."""
        generator = np.random.Generator(np.random.PCG64([self._seed, number]))
        order = np.lexsort((generator.random(len(self._lengths)), self._bands))
        batches = self._cut(order)
        return [batches[index] for index in generator.permutation(len(batches))]

    def _cut(self, order: np.ndarray) -> list[list[int]]:
        batches: list[list[int]] = []
        longest = 0.0
        for item in order.tolist():
            longest = max(longest, float(self._lengths[item]))
            if batches and self._fits(len(batches[-1]) + 1, longest):
                batches[-1].append(item)
            else:
                batches.append([item])
                longest = float(self._lengths[item])
        return batches

    def _fits(self, items: int, longest_s: float) -> bool:
        fits = self._batch_size is None or items <= self._batch_size
        return fits and (self._batch_s is None or items * longest_s <= self._batch_s)


@dataclass(frozen=True)
class GptItem:
    """Phones (P,) int64, tokens (S,) int64, BERT features (D, P) float32 or None where there are none."""

    name: str
    phones: Tensor
    tokens: Tensor
    bert: Tensor | None


@dataclass(frozen=True)
class SovitsItem:
    """Content (C, F), spectrogram (bins, F), samples (F * hop,) in [-1, 1], phones (P,) int64.

    `speaker` is the speaker embedding (V,), None for a version without.
    """

    name: str
    content: Tensor
    spec: Tensor
    wave: Tensor
    phones: Tensor
    speaker: Tensor | None = None


@dataclass(frozen=True)
class GptBatch:
    """Phones (B, P) padded with 0, tokens (B, S) padded with the end token, `phone_mask` (B, P) true on real phones.

    `bert` is (B, D, P), zeros where an item has none; None for a model that has no BERT input.
    `input_tokens` (B, S) is what the network reads in the place of the tokens; None: the tokens.
    """

    phones: Tensor
    phone_lens: Tensor
    phone_mask: Tensor
    tokens: Tensor
    token_lens: Tensor
    bert: Tensor | None
    input_tokens: Tensor | None = None

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> GptBatch:
        """Move the batch to another device."""
        return GptBatch(*_moved(self, device, non_blocking=non_blocking))

    def select(self, rows: slice) -> GptBatch:
        """Some rows, without the padding that only others needed."""
        phones, tokens = int(self.phone_lens[rows].max()), int(self.token_lens[rows].max())
        return GptBatch(
            phones=self.phones[rows, :phones],
            phone_lens=self.phone_lens[rows],
            phone_mask=self.phone_mask[rows, :phones],
            tokens=self.tokens[rows, :tokens],
            token_lens=self.token_lens[rows],
            bert=None if self.bert is None else self.bert[rows, :, :phones],
            input_tokens=None if self.input_tokens is None else self.input_tokens[rows, :tokens],
        )

    @property
    def positions(self) -> int:
        """What memory grows with: phones and tokens; padding costs nothing here."""
        return int(self.phone_lens.sum()) + int(self.token_lens.sum())

    def __len__(self) -> int:
        return len(self.phones)


@dataclass(frozen=True)
class SovitsBatch:
    """Content (B, C, F), spectrogram (B, bins, F), samples (B, 1, T), phones (B, P), all padded with 0.

    F is even and at least one more than the longest item, as in the official trainer. `speaker` holds the speaker
    vectors (B, V), None for a version without. What the training draws is None until it is drawn: `noise` (B, Z, F) and
    `slice_starts` (B,), the first frames of the slices that are decoded, or the `flow_noise`.
    """

    content: Tensor
    spec: Tensor
    spec_lens: Tensor
    wave: Tensor
    wave_lens: Tensor
    phones: Tensor
    phone_lens: Tensor
    noise: Tensor | None = None
    slice_starts: Tensor | None = None
    speaker: Tensor | None = None
    flow_noise: TrainingNoise | None = None

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> SovitsBatch:
        """Move the batch to another device."""
        return SovitsBatch(*_moved(self, device, non_blocking=non_blocking))

    def select(self, rows: slice) -> SovitsBatch:
        """Some rows, without the padding that only others needed."""
        frames = _padded_frames(self.spec_lens[rows])
        return SovitsBatch(
            content=self.content[rows, :, :frames],
            spec=self.spec[rows, :, :frames],
            spec_lens=self.spec_lens[rows],
            wave=self.wave[rows, :, : int(self.wave_lens[rows].max())],
            wave_lens=self.wave_lens[rows],
            phones=self.phones[rows, : int(self.phone_lens[rows].max())],
            phone_lens=self.phone_lens[rows],
            noise=None if self.noise is None else self.noise[rows, :, :frames],
            slice_starts=None if self.slice_starts is None else self.slice_starts[rows],
            speaker=None if self.speaker is None else self.speaker[rows],
            flow_noise=None if self.flow_noise is None else self.flow_noise.part(rows),
        )

    @property
    def positions(self) -> int:
        """What memory grows with: frames, padding included."""
        return len(self) * self.spec.shape[-1]

    def __len__(self) -> int:
        return len(self.phones)


# AR/data/dataset.py, `Text2SemanticDataset.collate`: everything is padded on the right.
#
#     phones       [12 40  7  0]     phone_mask  [T T T F]     bert  zeros under the padding
#                  [12  9 31  5]                 [T T T T]
#     tokens       [88 31 1024 1024]             the end token, which the loss counts or not (`count_padding`)
#                  [15  2  604    7]
def collate_gpt(items: Sequence[GptItem], *, pad_token: int = 1024, bert_dim: int = 1024) -> GptBatch:
    """Pad items of the GPT stage. `bert_dim` 0 is a model without BERT input."""
    phone_lens = _lengths([item.phones for item in items])
    phones = _stack([item.phones for item in items], int(phone_lens.max()))
    bert = torch.zeros(len(items), bert_dim, phones.shape[1]) if bert_dim else None
    if bert is not None:
        for row, item in enumerate(items):
            if item.bert is not None:
                bert[row, :, : item.bert.shape[1]] = item.bert
    token_lens = _lengths([item.tokens for item in items])
    return GptBatch(
        phones=phones,
        phone_lens=phone_lens,
        phone_mask=torch.arange(phones.shape[1])[None] < phone_lens[:, None],
        tokens=_stack([item.tokens for item in items], int(token_lens.max()), fill=pad_token),
        token_lens=token_lens,
        bert=bert,
    )


def collate_sovits(items: Sequence[SovitsItem]) -> SovitsBatch:
    """Pad items of the SoVITS stage."""
    spec_lens = _lengths([item.spec for item in items])
    wave_lens = _lengths([item.wave for item in items])
    phone_lens = _lengths([item.phones for item in items])
    speakers = [item.speaker for item in items if item.speaker is not None]
    frames = _padded_frames(spec_lens)
    return SovitsBatch(
        content=_stack([item.content for item in items], frames),
        spec=_stack([item.spec for item in items], frames),
        spec_lens=spec_lens,
        wave=_stack([item.wave for item in items], int(wave_lens.max()))[:, None],
        wave_lens=wave_lens,
        phones=_stack([item.phones for item in items], int(phone_lens.max())),
        phone_lens=phone_lens,
        speaker=torch.stack(speakers) if speakers else None,
    )


# module/data_utils.py, `TextAudioSpeakerCollate`: 2 * (max // 2 + 1) frames, so that the strided projection to tokens
# (two frames each) has whole pairs, and at least one frame of padding.
def _padded_frames(spec_lens: Tensor) -> int:
    return FRAMES_PER_TOKEN * (int(spec_lens.max()) // FRAMES_PER_TOKEN + 1)


def _moved(batch: GptBatch | SovitsBatch, device: torch.device | str, *, non_blocking: bool) -> list[Any]:
    """All tensors of a batch on another device, in the order of its fields."""
    values = (getattr(batch, field.name) for field in fields(batch))
    return [None if value is None else value.to(device, non_blocking=non_blocking) for value in values]


def _lengths(tensors: Sequence[Tensor]) -> Tensor:
    return torch.tensor([tensor.shape[-1] for tensor in tensors])


def _stack(tensors: Sequence[Tensor], length: int, *, fill: int = 0) -> Tensor:
    """Tensors (..., L) of different L to (B, ..., length), filled on the right."""
    stacked = tensors[0].new_full((len(tensors), *tensors[0].shape[:-1], length), fill)
    for row, tensor in enumerate(tensors):
        stacked[row, ..., : tensor.shape[-1]] = tensor
    return stacked
