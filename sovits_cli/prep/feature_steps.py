"""Step: content features of the model's family, for `4-cnhubert/`, from the mixed audio at 16 kHz.

Stored as float32 where they are made on a CPU and as float16 on a GPU, as the official program does.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sovits_cli.audio.resampling import soxr_resample
from sovits_cli.data.experiment import Experiment, load_feature, save_feature
from sovits_cli.errors import DatasetError
from sovits_cli.events import Note, Reporter
from sovits_cli.features.bert import join_piece_features
from sovits_cli.prep.feature_models import FeatureModels
from sovits_cli.prep.recording_steps import mixed
from sovits_cli.prep.resume_log import digest_of_values
from sovits_cli.prep.step_runner import Clip, Step
from sovits_cli.terms import DATASET_RATE_HZ, SPEAKER_CHANNELS, SSL_RATE_HZ

REVISION = 1
"""Raised when the same audio gives other features."""

TRIALS = 3
"""Features of an experiment folder are believed when those of the first clips are what the model makes."""

SAME_COSINE = 0.98
"""Half precision, another resampler and rounding to int16 leave more than this; another encoder less."""


class ContentStep(Step[np.ndarray]):
    """Features of an experiment folder (`source`) are taken over if they are of this model, else made anew."""

    name = "content"

    def __init__(
        self, experiment: Experiment, models: FeatureModels, source: Experiment | None, reporter: Reporter
    ) -> None:
        self._experiment = experiment
        self._models = models
        self._source = source
        self._reporter = reporter
        self._agreed = 0

    def key(self, clip: Clip) -> str:
        """The mixed audio and the encoder."""
        return digest_of_values(self.name, REVISION, clip.keys["audio"], self._models.content_key)

    def recall(self, clip: Clip, row: Any) -> bool:  # noqa: ARG002 - the result is a file
        """Tell whether the file is there."""
        return self._experiment.content_path(clip.name).is_file()

    def prepare(self, clip: Clip) -> np.ndarray:
        """Decode, resample and scale: (T,) at 16 kHz."""
        return soxr_resample(mixed(clip), DATASET_RATE_HZ, SSL_RATE_HZ) * np.float32(self._models.content_scale)

    def finish(self, clip: Clip, prepared: np.ndarray) -> Any:
        """Encode and store (1, C, F)."""
        offered = self._offered(clip)
        if offered is not None and self._agreed >= TRIALS:
            self._store(clip, offered, found=True)
            return
        features = self._encode(prepared)
        if offered is not None and self._agrees(offered, features):
            self._agreed += 1
            self._store(clip, offered, found=True)
            return
        self._store(clip, features, found=False)

    def _encode(self, samples: np.ndarray) -> Tensor:
        features = self._models.encode(torch.from_numpy(samples))
        if not np.isfinite(features.numpy()).all():
            raise DatasetError("the content encoder gives no numbers (NaN) for this recording")
        return features

    def _offered(self, clip: Clip) -> Tensor | None:
        if self._source is None or not self._source.content_path(clip.name).is_file():
            return None
        try:
            return load_feature(self._source.content_path(clip.name))
        except DatasetError as error:
            self._reporter.emit(Note(f"{error.message}: making it anew"))
            return None

    def _agrees(self, offered: Tensor, features: Tensor) -> bool:
        if offered.shape == features.shape:
            cosine = torch.cosine_similarity(offered.float(), features.float(), dim=1).mean()
            if float(cosine) > SAME_COSINE:
                return True
        assert self._source is not None
        self._reporter.emit(
            Note(f"the features in {self._source.content_dir} are not those of {self._models.name}: making them anew")
        )
        self._source = None
        return False

    def _store(self, clip: Clip, features: Tensor, *, found: bool) -> None:
        if found and self._source is not None and self._source.root.samefile(self._experiment.root):
            return
        save_feature(self._experiment.content_path(clip.name), features)


BERT_REVISION = 2
"""Raised when the same text gives other features."""


class BertStep(Step[None]):
    """Features of an experiment folder (`source`) are taken as they are if their width fits the phones."""

    name = "bert"

    def __init__(self, experiment: Experiment, models: FeatureModels, source: Experiment | None) -> None:
        self._experiment = experiment
        self._models = models
        self._source = source

    def key(self, clip: Clip) -> str:
        """The transcript and the encoder; empty where there are no features."""
        if not self._wanted(clip):
            return ""
        return digest_of_values(self.name, BERT_REVISION, clip.keys["transcripts"], self._models.bert_key)

    def recall(self, clip: Clip, row: Any) -> bool:  # noqa: ARG002 - the result is a file
        """Tell whether the file is there, or rightly not."""
        return self._experiment.bert_path(clip.name).is_file() == bool(clip.keys[self.name])

    def prepare(self, clip: Clip) -> None:
        """Nothing can be done ahead."""

    def finish(self, clip: Clip, prepared: None) -> Any:  # noqa: ARG002 - nothing was prepared
        """Compute and store, or remove what an earlier transcript left."""
        target = self._experiment.bert_path(clip.name)
        if not clip.keys[self.name]:
            target.unlink(missing_ok=True)
            return
        features = self._features(clip)
        if features is not None:
            save_feature(target, features)

    def _wanted(self, clip: Clip) -> bool:
        return self._models.bert_key is not None and any(piece.has_bert for piece in clip.pieces)

    def _features(self, clip: Clip) -> Tensor | None:
        """Features (D, P); None if they are in their place already."""
        phones = sum(len(piece.phones) for piece in clip.pieces)
        if self._source is not None and self._source.bert_path(clip.name).is_file():
            found = load_feature(self._source.bert_path(clip.name))
            if found.ndim == 2 and found.shape[1] == phones:
                return None if self._source.root.samefile(self._experiment.root) else found
        features = join_piece_features(clip.pieces, lambda norm, word2ph: self._models.bert(norm, list(word2ph)))
        if features.shape[1] != phones:
            raise DatasetError(f"{features.shape[1]} BERT features for {phones} phones")
        return features


SEMANTIC_REVISION = 1
"""Raised when the same features give other tokens."""


class SemanticStep(Step[Tensor]):
    """Table of earlier runs come from the journal, or from `table`, the tokens already in the dataset."""

    name = "semantic"

    def __init__(self, experiment: Experiment, models: FeatureModels, table: Mapping[str, np.ndarray]) -> None:
        self._experiment = experiment
        self._models = models
        self._table = table

    def key(self, clip: Clip) -> str:
        """The content features and the codebook."""
        return digest_of_values(self.name, SEMANTIC_REVISION, clip.keys["content"], self._models.semantic_key)

    def recall(self, clip: Clip, row: Any) -> bool:
        """Take the row of the journal, or of the table."""
        codes = self._table.get(clip.name, ()) if row is None else row
        clip.codes = _packed(codes)
        return bool(clip.codes)

    def prepare(self, clip: Clip) -> Tensor:
        """Read the features."""
        return load_feature(self._experiment.content_path(clip.name)).float()

    def finish(self, clip: Clip, prepared: Tensor) -> Any:
        """Find the tokens."""
        clip.codes = _packed(self._models.tokens(prepared))
        return list(clip.codes)


def _packed(codes: Iterable[int]) -> array[int]:
    """Two bytes a token: a dataset of hours stays small in memory."""
    return array("H", (int(code) for code in codes))


SPEAKER_REVISION = 1
"""Raised when the same audio gives another vector."""


class SpeakerStep(Step[np.ndarray | None]):
    """Vectors of an experiment folder (`source`) are taken as they are if their width fits."""

    name = "speaker"

    def __init__(self, experiment: Experiment, models: FeatureModels, source: Experiment | None) -> None:
        self._experiment = experiment
        self._models = models
        self._source = source

    def key(self, clip: Clip) -> str:
        """The mixed audio and the encoder; empty where there is no vector."""
        if self._models.speaker_key is None:
            return ""
        return digest_of_values(self.name, SPEAKER_REVISION, clip.keys["audio"], self._models.speaker_key)

    def recall(self, clip: Clip, row: Any) -> bool:  # noqa: ARG002 - the result is a file
        """Tell whether the file is there, or rightly not."""
        return not clip.keys[self.name] or self._experiment.speaker_path(clip.name).is_file()

    def prepare(self, clip: Clip) -> np.ndarray | None:
        """Decode: (T,) at the rate of the dataset."""
        return mixed(clip) if clip.keys[self.name] else None

    def finish(self, clip: Clip, prepared: np.ndarray | None) -> Any:
        """Encode and store (1, V). A vector of another version of the model stays: it harms nobody."""
        if prepared is None:
            return
        if self._source is not None and self._source.speaker_path(clip.name).is_file():
            found = load_feature(self._source.speaker_path(clip.name))
            if found.shape == (1, SPEAKER_CHANNELS):
                self._store(clip, found, found=True)
                return
        self._store(clip, self._models.speaker(torch.from_numpy(prepared)), found=False)

    def _store(self, clip: Clip, vector: Tensor, *, found: bool) -> None:
        if not bool(torch.isfinite(vector).all()):
            raise DatasetError("the speaker encoder gives no numbers (NaN) for this recording")
        if found and self._source is not None and self._source.root.samefile(self._experiment.root):
            return
        save_feature(self._experiment.speaker_path(clip.name), vector)
