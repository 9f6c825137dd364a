"""Steps that run a model: BERT features, content features, semantic tokens, speaker embeddings.

    BertStep       3-bert/               of the transcript, where language and model have them; zeros elsewhere
    ContentStep    4-cnhubert/           of the mixed audio at 16 kHz
    SemanticStep   6-name2semantic.tsv   of the stored content features
    SpeakerStep    7-sv_cn/              of the mixed audio, for versions that take an embedding

Features of an experiment folder (`source`) are taken over where they fit. They are stored as float32 where a CPU made
them and as float16 where a GPU did, as in the official program.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from pathlib import Path
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
from sovits_cli.prep.recording_steps import mixed_samples
from sovits_cli.prep.resume_log import digest_of_values
from sovits_cli.prep.step_runner import Clip, PrepStep
from sovits_cli.terms import DATASET_RATE_HZ, SPEAKER_CHANNELS, SSL_RATE_HZ

# Raised when the same input gives other features.
BERT_REVISION = 2
CONTENT_REVISION = 1
SEMANTIC_REVISION = 1
SPEAKER_REVISION = 1

TRIALS = 3
"""Features of an experiment folder are believed when those of the first clips are what the model makes."""

SAME_COSINE = 0.98
"""Half precision, another resampler and rounding to int16 leave more than this; another encoder less."""


class BertStep(PrepStep[None]):
    """BERT features (D, P). Those of `source` are taken as they are if their length fits the phones."""

    name = "bert"

    def __init__(self, experiment: Experiment, models: FeatureModels, source: Experiment | None) -> None:
        self._experiment = experiment
        self._models = models
        self._source = source

    def key(self, clip: Clip) -> str:
        """The transcript and the encoder; empty where there are no features."""
        if self._models.bert_key is None or not any(piece.has_bert for piece in clip.pieces):
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
        phones = sum(len(piece.phones) for piece in clip.pieces)
        existing = self._existing(clip, phones)
        if existing is None:
            save_feature(target, self._features(clip, phones))
        elif not _is_same_folder(self._source, self._experiment):
            save_feature(target, existing)

    def _existing(self, clip: Clip, phones: int) -> Tensor | None:
        if self._source is None or not self._source.bert_path(clip.name).is_file():
            return None
        features = load_feature(self._source.bert_path(clip.name))
        return features if features.ndim == 2 and features.shape[1] == phones else None

    def _features(self, clip: Clip, phones: int) -> Tensor:
        features = join_piece_features(clip.pieces, lambda norm, word2ph: self._models.bert(norm, list(word2ph)))
        if features.shape[1] != phones:
            raise DatasetError(f"{features.shape[1]} BERT features for {phones} phones")
        return features


class ContentStep(PrepStep[np.ndarray]):
    """Content features (1, C, F). Those of `source` are taken over if they are of this model, else made anew.

    Whether they are is tried on the first clips, by what the model itself makes of them:

        clip 1   clip 2   clip 3   clip 4 ...
        encode   encode   encode   copied           all three agree: the rest is believed
        encode   DIFFERS  encode   encode           one does not: nothing of `source` is taken any more
    """

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
        return digest_of_values(self.name, CONTENT_REVISION, clip.keys["audio"], self._models.content_key)

    def recall(self, clip: Clip, row: Any) -> bool:  # noqa: ARG002 - the result is a file
        """Tell whether the file is there."""
        return self._experiment.content_path(clip.name).is_file()

    def prepare(self, clip: Clip) -> np.ndarray:
        """Resample and scale the mixed audio: (T,) at 16 kHz."""
        scale = np.float32(self._models.content_scale)
        return soxr_resample(mixed_samples(clip), DATASET_RATE_HZ, SSL_RATE_HZ) * scale

    def finish(self, clip: Clip, prepared: np.ndarray) -> Any:
        """Encode and store."""
        target = self._experiment.content_path(clip.name)
        existing = self._existing(clip)
        if existing is None:
            save_feature(target, self._encode(prepared))
            return
        if self._agreed < TRIALS:
            features = self._encode(prepared)
            if not self._agrees(existing, features):
                save_feature(target, features)
                return
            self._agreed += 1
        if not _is_same_folder(self._source, self._experiment):
            save_feature(target, existing)

    def _encode(self, samples: np.ndarray) -> Tensor:
        features = self._models.encode(torch.from_numpy(samples))
        if not np.isfinite(features.numpy()).all():
            raise DatasetError("the content encoder gives NaN for this recording")
        return features

    def _existing(self, clip: Clip) -> Tensor | None:
        if self._source is None or not self._source.content_path(clip.name).is_file():
            return None
        try:
            return load_feature(self._source.content_path(clip.name))
        except DatasetError as error:
            self._reporter.emit(Note(f"{error.message}: making it anew"))
            return None

    def _agrees(self, existing: Tensor, features: Tensor) -> bool:
        if existing.shape == features.shape:
            cosine = torch.cosine_similarity(existing.float(), features.float(), dim=1).mean()
            if float(cosine) > SAME_COSINE:
                return True
        assert self._source is not None
        self._reporter.emit(
            Note(f"the features in {self._source.content_dir} are not those of {self._models.name}: making them anew")
        )
        self._source = None
        return False


class SemanticStep(PrepStep[Tensor]):
    """Semantic tokens (S,). Those of earlier runs come from the log, or from `table`, the tokens of the dataset."""

    name = "semantic"

    def __init__(self, experiment: Experiment, models: FeatureModels, table: Mapping[str, np.ndarray]) -> None:
        self._experiment = experiment
        self._models = models
        self._table = table

    def key(self, clip: Clip) -> str:
        """The content features and the codebook."""
        return digest_of_values(self.name, SEMANTIC_REVISION, clip.keys["content"], self._models.semantic_key)

    def recall(self, clip: Clip, row: Any) -> bool:
        """Take the row of the log, or of the table."""
        clip.tokens = _packed(self._table.get(clip.name, ()) if row is None else row)
        return bool(clip.tokens)

    def prepare(self, clip: Clip) -> Tensor:
        """Read the features (1, C, F) as they are stored: on a GPU the tokens are those of half precision."""
        return load_feature(self._experiment.content_path(clip.name)).float()

    def finish(self, clip: Clip, prepared: Tensor) -> Any:
        """Find the tokens."""
        clip.tokens = _packed(self._models.tokens(prepared))
        return list(clip.tokens)


class SpeakerStep(PrepStep[np.ndarray | None]):
    """Speaker embeddings (1, V). Those of `source` are taken as they are if their width fits."""

    name = "speaker"

    def __init__(self, experiment: Experiment, models: FeatureModels, source: Experiment | None) -> None:
        self._experiment = experiment
        self._models = models
        self._source = source

    def key(self, clip: Clip) -> str:
        """The mixed audio and the encoder; empty where there is no embedding."""
        if self._models.speaker_key is None:
            return ""
        return digest_of_values(self.name, SPEAKER_REVISION, clip.keys["audio"], self._models.speaker_key)

    def recall(self, clip: Clip, row: Any) -> bool:  # noqa: ARG002 - the result is a file
        """Tell whether the file is there, or rightly not."""
        return not clip.keys[self.name] or self._experiment.speaker_path(clip.name).is_file()

    def prepare(self, clip: Clip) -> np.ndarray | None:
        """Take the mixed audio: (T,) at the rate of the dataset."""
        return mixed_samples(clip) if clip.keys[self.name] else None

    def finish(self, clip: Clip, prepared: np.ndarray | None) -> Any:
        """Encode and store. An embedding that another version of the model left stays: it harms nobody."""
        if prepared is None:
            return
        target = self._experiment.speaker_path(clip.name)
        existing = self._existing(None if self._source is None else self._source.speaker_path(clip.name))
        if existing is None:
            save_feature(target, _finite(self._models.speaker(torch.from_numpy(prepared))))
        elif not _is_same_folder(self._source, self._experiment):
            save_feature(target, existing)

    @staticmethod
    def _existing(path: Path | None) -> Tensor | None:
        if path is None or not path.is_file():
            return None
        embedding = load_feature(path)
        return embedding if embedding.shape == (1, SPEAKER_CHANNELS) else None


def _finite(embedding: Tensor) -> Tensor:
    if not bool(torch.isfinite(embedding).all()):
        raise DatasetError("the speaker encoder gives NaN for this recording")
    return embedding


def _is_same_folder(source: Experiment | None, experiment: Experiment) -> bool:
    """Whether the dataset itself is what is read: what fits is then in its place already."""
    return source is not None and source.root.samefile(experiment.root)


def _packed(tokens: Iterable[int]) -> array[int]:
    """Two bytes a token: a dataset of hours stays small in memory."""
    return array("H", (int(token) for token in tokens))
