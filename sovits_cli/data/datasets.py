"""What each stage trains on, read from an experiment folder. Every clip is an item or a `LeftOut` with its reason.

    at the start   tables whole; of each clip the headers of its files, to know its length and that they fit together
    per item       each file once: GPT 3-bert; SoVITS 5-wav32k, 4-cnhubert, 7-sv_cn, which stay in memory if they fit

Knows no settings, no devices and no batches. Rules and limits: the official trainers', see `GptLimits` and
`SovitsLimits`; nothing is repeated to fill a small set.

Legend: T audio samples, F spectrogram frames, S semantic tokens, P phones, C channels, D BERT width,
V width of speaker embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sovits_cli.audio.mel import magnitude_spectrogram
from sovits_cli.audio.reader import probe_audio, read_audio
from sovits_cli.data.batching import GptItem, SovitsItem
from sovits_cli.data.experiment import (
    ExcludedClipError,
    Experiment,
    LeftOut,
    LeftOutCause,
    TextRow,
    feature_shape,
    load_feature,
)
from sovits_cli.errors import AudioError, DatasetError, InputError, TextError
from sovits_cli.terms import SEMANTIC_RATE_HZ, SpectrogramSpec
from sovits_cli.text import symbols
from sovits_cli.versions import SymbolTable

FRAME_SLACK = 2
"""Content and spectrogram frames may differ by this much: the encoder's windows end earlier, rates are rounded."""

PHONES_PER_MAX_SEC = 10
"""The GPT takes clips of at most so many phones per second of `max_sec`, as the official trainer."""

_INT16 = 32768


@dataclass(frozen=True)
class GptLimits:
    """Which clips the GPT stage takes; defaults are the official ones.

    Args:
        min_sec, max_sec: seconds of semantic tokens.
        min_phones_per_s, max_phones_per_s: outside, text and audio hardly belong together.
        max_phones: of a clip; None is `PHONES_PER_MAX_SEC` times `max_sec`.
    """

    min_sec: float = 0.0
    max_sec: float = 54.0
    min_phones_per_s: float = 3.0
    max_phones_per_s: float = 25.0
    max_phones: int | None = None


@dataclass(frozen=True)
class SovitsLimits:
    """Which clips the SoVITS stage takes, in seconds of audio."""

    min_sec: float = 0.6
    max_sec: float = 54.0


class GptDataset(Dataset[GptItem]):
    """Phones, tokens and BERT features, in the order of the semantic file.

    Args:
        experiment: folder made by `prep` or by the official program.
        table: symbol table of the model.
        limits: which clips to take.
        vocab: tokens of the model with its end token, which no clip may hold.
        bert_dim: width of BERT features; 0 for a model without them.

    Raises:
        DatasetError: a table is missing or no table.
    """

    def __init__(
        self,
        experiment: Experiment,
        table: SymbolTable,
        *,
        limits: GptLimits | None = None,
        vocab: int = 1025,
        bert_dim: int = 1024,
    ) -> None:
        self._experiment = experiment
        self._bert_dim = bert_dim
        self._rules = limits or GptLimits()
        self._kept: list[GptItem] = []
        text, semantic = experiment.read_text(), experiment.read_semantic()
        left_out = [*text.left_out, *semantic.left_out]
        # A name is left out once: what is wrong in one table is not said again for the other.
        refused = {item.name for item in left_out}
        for name, tokens in semantic.rows.items():
            try:
                self._kept.append(self._accept(name, text.rows.get(name), tokens, table, vocab))
            except InputError as error:
                if name not in refused:
                    left_out.append(LeftOut.from_error(name, error, seconds=len(tokens) / SEMANTIC_RATE_HZ))
        without_tokens = [name for name in text.rows if name not in semantic.rows and name not in refused]
        left_out += [
            LeftOut(name, f"no row in {experiment.semantic_file.name}", LeftOutCause.MISSING) for name in without_tokens
        ]
        self.left_out = tuple(left_out)

    @property
    def names(self) -> list[str]:
        """Names of the items."""
        return [item.name for item in self._kept]

    @property
    def lengths_s(self) -> list[float]:
        """Seconds of each item."""
        return [len(item.tokens) / SEMANTIC_RATE_HZ for item in self._kept]

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, index: int) -> GptItem:
        item = self._kept[index]
        path = self._experiment.bert_path(item.name)
        if not self._bert_dim or not path.is_file():
            return item
        return GptItem(item.name, item.phones, item.tokens, load_feature(path).float())

    def _accept(self, name: str, row: TextRow | None, tokens: np.ndarray, table: SymbolTable, vocab: int) -> GptItem:
        if row is None:
            raise ExcludedClipError(f"no row in {self._experiment.text_file.name}", LeftOutCause.MISSING)
        phones = symbols.ids(row.phones, table)
        self._check_lengths(len(phones), len(tokens))
        if tokens.min() < 0 or tokens.max() >= vocab - 1:
            raise DatasetError(f"semantic tokens {tokens.min()}..{tokens.max()}, expected 0..{vocab - 2}: other model")
        if self._bert_dim and self._experiment.bert_path(name).is_file():
            found = feature_shape(self._experiment.bert_path(name))
            if found != (self._bert_dim, len(phones)):
                raise DatasetError(f"BERT features {found}, expected {(self._bert_dim, len(phones))}")
        return GptItem(name, torch.tensor(phones), torch.from_numpy(tokens), None)

    # AR/data/dataset.py, `Text2SemanticDataset.init_batch`, which drops such clips without a word.
    def _check_lengths(self, phones: int, tokens: int) -> None:
        seconds, rules = tokens / SEMANTIC_RATE_HZ, self._rules
        if seconds > rules.max_sec:
            raise ExcludedClipError(f"{seconds:.1f} s, over max_sec {rules.max_sec:g}", LeftOutCause.LONG)
        if seconds < rules.min_sec:
            raise ExcludedClipError(f"{seconds:.1f} s, under min_sec {rules.min_sec:g}", LeftOutCause.SHORT)
        max_phones = int(rules.max_sec * PHONES_PER_MAX_SEC) if rules.max_phones is None else rules.max_phones
        if phones > max_phones:
            raise ExcludedClipError(
                f"{phones} phones, at most {max_phones} train with max_sec {rules.max_sec:g}", LeftOutCause.PHONES
            )
        rate = phones / seconds
        if not rules.min_phones_per_s <= rate <= rules.max_phones_per_s:
            expected = f"{rules.min_phones_per_s:g}..{rules.max_phones_per_s:g}"
            raise ExcludedClipError(
                f"{rate:.1f} phones per second, expected {expected}: does the text fit the audio?", LeftOutCause.RATE
            )


class SovitsDataset(Dataset[SovitsItem]):
    """Content features, spectrogram, samples and phones, in the order of the text file.

    Samples are those of `5-wav32k`, resampled to the rate of `spec` and kept as int16; they and the content
    features stay in memory up to `cache_bytes`, so that later epochs decode nothing.

    Args:
        experiment: folder made by `prep` or by the official program.
        table: symbol table of the model.
        spec: spectrogram of the model.
        content_channels: width of the model's content features.
        speaker_channels: width of its speaker embeddings; 0 for a model that takes none.
        limits: which clips to take.
        cache_bytes: memory that decoded clips may fill.

    Raises:
        DatasetError: the text table is missing or no table.
    """

    def __init__(  # noqa: PLR0913 - four traits of a model, and three of the reading
        self,
        experiment: Experiment,
        table: SymbolTable,
        spec: SpectrogramSpec,
        *,
        content_channels: int,
        speaker_channels: int = 0,
        limits: SovitsLimits | None = None,
        cache_bytes: int = 1 << 30,
    ) -> None:
        self._experiment = experiment
        self._spec = spec
        self._channels = content_channels
        self._speaker_channels = speaker_channels
        self._rules = limits or SovitsLimits()
        self._cache = _Cache(cache_bytes)
        self._kept: list[tuple[str, Tensor]] = []
        self.lengths_s: list[float] = []
        text = experiment.read_text()
        left_out = list(text.left_out)
        for row in text.rows.values():
            try:
                phones = torch.tensor(symbols.ids(row.phones, table))
                self.lengths_s.append(self._checked_length_s(row.name))
                self._kept.append((row.name, phones))
            except (AudioError, DatasetError, TextError) as error:
                left_out.append(LeftOut.from_error(row.name, error))
        self.left_out = tuple(left_out)

    @property
    def names(self) -> list[str]:
        """Names of the items."""
        return [name for name, _ in self._kept]

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, index: int) -> SovitsItem:
        name, phones = self._kept[index]
        clip = self._clip(name)
        wave = clip.samples.float() / _INT16
        spec = magnitude_spectrogram(wave[None], self._spec)[0]
        frames = spec.shape[-1]
        content = _fit(clip.content.float(), frames, name)
        return SovitsItem(name, content, spec, wave[: frames * self._spec.hop], phones, clip.speaker)

    def _checked_length_s(self, name: str) -> float:
        wave, content = self._experiment.wave_path(name), self._experiment.content_path(name)
        for path in (wave, content):
            if not path.is_file():
                raise ExcludedClipError(f"no {path.parent.name}/{path.name}", LeftOutCause.MISSING)
        seconds = probe_audio(wave).duration_s
        if seconds > self._rules.max_sec:
            raise ExcludedClipError(
                f"{seconds:.1f} s, over max_sec {self._rules.max_sec:g}", LeftOutCause.LONG, seconds
            )
        if seconds < self._rules.min_sec:
            raise ExcludedClipError(
                f"{seconds:.2f} s, under min_sec {self._rules.min_sec:g}", LeftOutCause.SHORT, seconds
            )
        self._check_content(feature_shape(content), seconds)
        if self._speaker_channels:
            self._check_speaker(self._experiment.speaker_path(name))
        return seconds

    # A header says how long the audio is without decoding it, so that other features are noticed before training.
    def _check_content(self, shape: tuple[int, ...], seconds: float) -> None:
        frames = int(seconds * self._spec.sample_rate) // self._spec.hop
        if len(shape) != 3 or shape[:2] != (1, self._channels):
            raise DatasetError(f"content features {shape}, expected (1, {self._channels}, {frames}): other model")
        if abs(shape[2] - frames) > FRAME_SLACK:
            raise DatasetError(f"{shape[2]} frames of content features for {frames} frames of audio: other audio")

    def _check_speaker(self, path: Path) -> None:
        if not path.is_file():
            raise DatasetError(f"no {path.parent.name}/{path.name}: it was not prepared for this version")
        found = feature_shape(path)
        if found != (1, self._speaker_channels):
            raise DatasetError(f"speaker embedding {found}, expected (1, {self._speaker_channels}): other model")

    def _clip(self, name: str) -> _DecodedClip:
        clip = self._cache.get(name)
        if clip is None:
            clip = self._read_clip(name)
            self._cache.put(name, clip)
        return clip

    def _read_clip(self, name: str) -> _DecodedClip:
        wave, _ = read_audio(self._experiment.wave_path(name), rate=self._spec.sample_rate, mono=True)
        # As int16, which is what the file holds unless it was resampled: half the memory of floats.
        samples = np.clip(np.round(wave * _INT16), -_INT16, _INT16 - 1).astype(np.int16)
        content = load_feature(self._experiment.content_path(name))[0]
        speaker = load_feature(self._experiment.speaker_path(name))[0].float() if self._speaker_channels else None
        return _DecodedClip(torch.from_numpy(samples), content, speaker)


class _DecodedClip(NamedTuple):
    """What the files of a clip hold: samples (T,) int16, content (C, F) as stored, speaker embedding (V,) or None."""

    samples: Tensor
    content: Tensor
    speaker: Tensor | None


class _Cache:
    """Keeps the first clips that fit. Epochs visit every clip once, so throwing the oldest out would help nobody."""

    def __init__(self, budget_bytes: int) -> None:
        self._left_bytes = budget_bytes
        self._clips: dict[str, _DecodedClip] = {}
        self._writing = Lock()

    def get(self, name: str) -> _DecodedClip | None:
        return self._clips.get(name)

    def put(self, name: str, clip: _DecodedClip) -> None:
        size = sum(tensor.nbytes for tensor in clip if tensor is not None)
        with self._writing:
            if name not in self._clips and size <= self._left_bytes:
                self._left_bytes -= size
                self._clips[name] = clip


# The two lengths of one clip, at 50 frames a second each:
#
#     spectrogram   T // hop                      |----|----|----|----|----|
#     content       (T - 400) // 320 + 1          |----|----|----|----|        the last window does not fit any more
#
# module/data_utils.py, `TextAudioSpeakerLoader.get_audio`, appends one frame where one is missing.
def _fit(content: Tensor, frames: int, name: str) -> Tensor:
    """Content (C, F') to (C, frames): cut, or the last frame repeated."""
    missing = frames - content.shape[-1]
    if abs(missing) > FRAME_SLACK + 1:
        raise DatasetError(f"{name}: {content.shape[-1]} frames of content features for {frames} frames of audio")
    if missing <= 0:
        return content[:, :frames]
    return torch.cat([content, content[:, -1:].expand(-1, missing)], dim=-1)
