"""Items of one batch, padded into tensors. Knows nothing of where items come from.

Legend: B batch, T audio samples, F spectrogram frames, S semantic tokens, P phones, C channels, D BERT width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from sovits_cli.models.cfm.matching import Draws
from sovits_cli.terms import FRAMES_PER_TOKEN


@dataclass(frozen=True)
class GptItem:
    """Phones (P,) int64, codes (S,) int64, BERT features (D, P) float32 or None where there are none."""

    name: str
    phones: Tensor
    codes: Tensor
    bert: Tensor | None


@dataclass(frozen=True)
class SovitsItem:
    """Content (C, F), spectrogram (bins, F), samples (F * hop,) in [-1, 1], phones (P,) int64.

    `speaker` is the speaker vector (V,), None for a version without.
    """

    name: str
    ssl: Tensor
    spec: Tensor
    wave: Tensor
    text: Tensor
    speaker: Tensor | None = None


@dataclass(frozen=True)
class GptBatch:
    """Phones (B, P) padded with 0, codes (B, S) padded with the end token, `text_keep` (B, P) true on real phones.

    `bert` is (B, D, P), zeros where an item has none; None for a model that has no BERT input.
    `heard` (B, S) is what the network reads in the place of the codes; None: the codes.
    """

    phones: Tensor
    phone_lens: Tensor
    text_keep: Tensor
    codes: Tensor
    code_lens: Tensor
    bert: Tensor | None
    heard: Tensor | None = None

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> GptBatch:
        """Move the batch to another device."""
        return GptBatch(*_moved(self, device, non_blocking=non_blocking))

    def part(self, rows: slice) -> GptBatch:
        """Some rows, without the padding that only others needed."""
        phones, codes = int(self.phone_lens[rows].max()), int(self.code_lens[rows].max())
        return GptBatch(
            phones=self.phones[rows, :phones],
            phone_lens=self.phone_lens[rows],
            text_keep=self.text_keep[rows, :phones],
            codes=self.codes[rows, :codes],
            code_lens=self.code_lens[rows],
            bert=None if self.bert is None else self.bert[rows, :, :phones],
            heard=None if self.heard is None else self.heard[rows, :codes],
        )

    @property
    def places(self) -> int:
        """What memory grows with: phones and tokens; padding costs nothing here."""
        return int(self.phone_lens.sum()) + int(self.code_lens.sum())

    def __len__(self) -> int:
        return len(self.phones)


@dataclass(frozen=True)
class SovitsBatch:
    """Content (B, C, F), spectrogram (B, bins, F), samples (B, 1, T), phones (B, P), all padded with 0.

    F is even and at least one more than the longest item, as in the official trainer. `speaker` holds the speaker
    vectors (B, V), None for a version without. What the training draws is None until it is drawn: `noise` (B, Z, F) and
    `starts` (B,), the first frames of the slices that are decoded, or the `draws` of a flow.
    """

    ssl: Tensor
    spec: Tensor
    spec_lens: Tensor
    wave: Tensor
    wave_lens: Tensor
    text: Tensor
    text_lens: Tensor
    noise: Tensor | None = None
    starts: Tensor | None = None
    speaker: Tensor | None = None
    draws: Draws | None = None

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> SovitsBatch:
        """Move the batch to another device."""
        return SovitsBatch(*_moved(self, device, non_blocking=non_blocking))

    def part(self, rows: slice) -> SovitsBatch:
        """Some rows, without the padding that only others needed."""
        frames = _padded_frames(self.spec_lens[rows])
        return SovitsBatch(
            ssl=self.ssl[rows, :, :frames],
            spec=self.spec[rows, :, :frames],
            spec_lens=self.spec_lens[rows],
            wave=self.wave[rows, :, : int(self.wave_lens[rows].max())],
            wave_lens=self.wave_lens[rows],
            text=self.text[rows, : int(self.text_lens[rows].max())],
            text_lens=self.text_lens[rows],
            noise=None if self.noise is None else self.noise[rows, :, :frames],
            starts=None if self.starts is None else self.starts[rows],
            speaker=None if self.speaker is None else self.speaker[rows],
            draws=None if self.draws is None else self.draws.part(rows),
        )

    @property
    def places(self) -> int:
        """What memory grows with: frames, padding included."""
        return len(self) * self.spec.shape[-1]

    def __len__(self) -> int:
        return len(self.text)


def collate_gpt(items: Sequence[GptItem], *, pad_code: int = 1024, bert_dim: int = 1024) -> GptBatch:
    """Pad items of the GPT stage. `bert_dim` 0 is a model without BERT input."""
    phone_lens = _lengths([item.phones for item in items])
    phones = _stack([item.phones for item in items], int(phone_lens.max()))
    bert = torch.zeros(len(items), bert_dim, phones.shape[1]) if bert_dim else None
    if bert is not None:
        for row, item in enumerate(items):
            if item.bert is not None:
                bert[row, :, : item.bert.shape[1]] = item.bert
    code_lens = _lengths([item.codes for item in items])
    return GptBatch(
        phones=phones,
        phone_lens=phone_lens,
        text_keep=torch.arange(phones.shape[1])[None] < phone_lens[:, None],
        codes=_stack([item.codes for item in items], int(code_lens.max()), fill=pad_code),
        code_lens=code_lens,
        bert=bert,
    )


def collate_sovits(items: Sequence[SovitsItem]) -> SovitsBatch:
    """Pad items of the SoVITS stage."""
    spec_lens = _lengths([item.spec for item in items])
    wave_lens = _lengths([item.wave for item in items])
    text_lens = _lengths([item.text for item in items])
    speakers = [item.speaker for item in items if item.speaker is not None]
    frames = _padded_frames(spec_lens)
    return SovitsBatch(
        ssl=_stack([item.ssl for item in items], frames),
        spec=_stack([item.spec for item in items], frames),
        spec_lens=spec_lens,
        wave=_stack([item.wave for item in items], int(wave_lens.max()))[:, None],
        wave_lens=wave_lens,
        text=_stack([item.text for item in items], int(text_lens.max())),
        text_lens=text_lens,
        speaker=torch.stack(speakers) if speakers else None,
    )


def _padded_frames(spec_lens: Tensor) -> int:
    return FRAMES_PER_TOKEN * (int(spec_lens.max()) // FRAMES_PER_TOKEN + 1)


def _moved(batch: GptBatch | SovitsBatch, device: torch.device | str, *, non_blocking: bool) -> list[Any]:
    """All tensors of a batch on another device, in the order of its fields."""
    found = (getattr(batch, field.name) for field in fields(batch))
    return [None if one is None else one.to(device, non_blocking=non_blocking) for one in found]


def _lengths(tensors: Sequence[Tensor]) -> Tensor:
    return torch.tensor([tensor.shape[-1] for tensor in tensors])


def _stack(tensors: Sequence[Tensor], length: int, *, fill: int = 0) -> Tensor:
    """Tensors (..., L) of different L to (B, ..., length), filled on the right."""
    stacked = tensors[0].new_full((len(tensors), *tensors[0].shape[:-1], length), fill)
    for row, tensor in enumerate(tensors):
        stacked[row, ..., : tensor.shape[-1]] = tensor
    return stacked
