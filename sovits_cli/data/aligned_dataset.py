"""Recordings with timed phones: `<stem>.wav` and `<stem>.phones`, one "end_seconds phone" a line (an alignment).

Every recording is an item or a `LeftOut` with its reason; audio is read when an item is asked for. Knows no settings,
no devices and no order of batches.

Legend: B batch, T samples at 16 kHz, F frames of the content encoder (50 a second).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sovits_cli.audio.reader import probe_audio, read_audio
from sovits_cli.data.experiment import ExcludedClipError, LeftOut, LeftOutCause
from sovits_cli.errors import DatasetError, InputError
from sovits_cli.terms import SSL_RATE_HZ

WINDOW_SAMPLES = 400
STRIDE_SAMPLES = 320
"""Of the frames: the n-th lies over the samples from n * 320 to n * 320 + 400."""


@dataclass(frozen=True)
class Alignment:
    """When the phones of a recording end, in seconds and rising: (N,) float64, and their names."""

    ends_s: np.ndarray
    phones: tuple[str, ...]


@dataclass(frozen=True)
class AlignedItem:
    """Samples (T,) float32 and the phone class of each frame (F,) int64."""

    name: str
    wave: Tensor
    labels: Tensor


@dataclass(frozen=True)
class AlignedBatch:
    """Samples (B, T) and phone classes (B, F), both padded with 0; their lengths without padding, (B,) each."""

    wave: Tensor
    wave_lens: Tensor
    labels: Tensor
    frame_lens: Tensor

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> AlignedBatch:
        """Move the batch to another device."""
        tensors = (self.wave, self.wave_lens, self.labels, self.frame_lens)
        return AlignedBatch(*(tensor.to(device, non_blocking=non_blocking) for tensor in tensors))

    def select(self, rows: slice) -> AlignedBatch:
        """Some rows, without the padding that only others needed."""
        samples, frames = int(self.wave_lens[rows].max()), int(self.frame_lens[rows].max())
        return AlignedBatch(
            self.wave[rows, :samples], self.wave_lens[rows], self.labels[rows, :frames], self.frame_lens[rows]
        )

    @property
    def positions(self) -> int:
        """What memory grows with: frames, padding included."""
        return self.labels.numel()

    def __len__(self) -> int:
        return len(self.wave)


def collate_aligned(items: Sequence[AlignedItem]) -> AlignedBatch:
    """Pad items of different length."""
    return AlignedBatch(
        wave=torch.nn.utils.rnn.pad_sequence([item.wave for item in items], batch_first=True),
        wave_lens=torch.tensor([len(item.wave) for item in items]),
        labels=torch.nn.utils.rnn.pad_sequence([item.labels for item in items], batch_first=True),
        frame_lens=torch.tensor([len(item.labels) for item in items]),
    )


# The frames of every content encoder, 50 a second at 16 kHz:
#
#     samples   0        320       640       960
#     frame 0   |---- 400 ----|                        N samples make floor((N - 400) / 320) + 1 frames
#     frame 1            |---- 400 ----|
#     frame 2                      |---- 400 ----|
def content_frames(samples: int) -> int:
    """How many frames the content encoder makes of so many samples."""
    return max(0, (samples - WINDOW_SAMPLES) // STRIDE_SAMPLES + 1)


def content_samples(frames: int) -> int:
    """The fewest samples that make so many frames."""
    return (frames - 1) * STRIDE_SAMPLES + WINDOW_SAMPLES


class AlignedDataset(Dataset[AlignedItem]):
    """The recordings of a folder, by name.

    Args:
        folder: with pairs of `<stem>.wav` and `<stem>.phones`.
        min_sec, max_sec: shortest and longest recording that is taken.
    """

    def __init__(self, folder: Path, *, min_sec: float, max_sec: float) -> None:
        self._folder = folder
        self._limits = min_sec, max_sec
        self._kept: list[tuple[Path, Alignment]] = []
        self.lengths_s: list[float] = []
        left_out: list[LeftOut] = []
        phones: set[str] = set()
        for path in sorted(folder.glob("*.wav")):
            try:
                alignment = read_alignment(path.with_suffix(".phones"))
                phones.update(alignment.phones)
                self.lengths_s.append(self._checked_length_s(path))
                self._kept.append((path, alignment))
            except InputError as error:
                left_out.append(LeftOut.from_error(path.name, error))
        self.left_out = tuple(left_out)
        self.phones = tuple(sorted(phones))
        self._classes = {phone: index for index, phone in enumerate(self.phones)}

    @property
    def names(self) -> list[str]:
        """Names of the items."""
        return [path.name for path, _ in self._kept]

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, index: int) -> AlignedItem:
        path, alignment = self._kept[index]
        wave, _ = read_audio(path, rate=SSL_RATE_HZ, mono=True)
        # Lengths of the survey are those of the header; the decoder has the last word.
        frames = content_frames(len(wave))
        if frames < content_frames(round(self._limits[0] * SSL_RATE_HZ)):
            raise DatasetError(f"{path.name}: {len(wave) / SSL_RATE_HZ:.2f} s of audio, less than its header says")
        labels = frame_labels(alignment, frames, self._classes)
        return AlignedItem(path.name, torch.from_numpy(wave), torch.from_numpy(labels))

    def _checked_length_s(self, path: Path) -> float:
        seconds = probe_audio(path).duration_s
        min_sec, max_sec = self._limits
        if seconds > max_sec:
            raise ExcludedClipError(f"{seconds:.1f} s, over max_sec {max_sec:g}", LeftOutCause.LONG, seconds)
        if seconds < min_sec:
            raise ExcludedClipError(
                f"{seconds:.1f} s, under the {min_sec:.3g} s of an example", LeftOutCause.SHORT, seconds
            )
        return seconds


def read_alignment(path: Path) -> Alignment:
    """The timed phones of a recording. Raises DatasetError, naming the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise DatasetError(f"no {path.name} with its timed phones") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}", hint="mend or remove the file") from error
    ends, phones = [0.0], []
    for number, line in enumerate(lines, start=1):
        try:
            end, phone = line.split()
            if not ends[-1] <= float(end) < math.inf:
                raise ValueError(end)
        except ValueError as error:
            raise DatasetError(
                f"{path} line {number}: {line[:40]!r}, expected 'end_seconds phone' with times that rise",
                hint="mend or remove the file",
            ) from error
        ends.append(float(end))
        phones.append(phone)
    if not phones:
        raise DatasetError(f"{path} holds no phones", hint="mend or remove the file")
    return Alignment(np.array(ends[1:]), tuple(phones))


#     alignment    |   sil   |  HH |    AH     |   L  | ...      ends_s: 0.41, 0.52, 0.71 ...
#     frames       |----|----|----|----|----|----|----|          middle of frame n: (320 n + 200) / 16000 s
#     labels        sil  sil  HH   AH   AH   L    L              the phone that holds the middle
def frame_labels(alignment: Alignment, frames: int, classes: dict[str, int]) -> np.ndarray:
    """The phone class at the middle of each frame: (frames,) int64. After the last end, the last phone goes on."""
    class_ids = np.array([classes[phone] for phone in alignment.phones])
    middles_s = (np.arange(frames) * STRIDE_SAMPLES + WINDOW_SAMPLES / 2) / SSL_RATE_HZ
    return class_ids[np.minimum(np.searchsorted(alignment.ends_s, middles_s), len(class_ids) - 1)]
