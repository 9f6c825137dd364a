"""Step: BERT features of the transcript, for `3-bert/`; only where language and model have them.

What is in other languages has zeros.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from sovits_cli.data import tensors
from sovits_cli.data.layout import Experiment
from sovits_cli.errors import DatasetError
from sovits_cli.features.bert import joined
from sovits_cli.prep import digests
from sovits_cli.prep.models import Models
from sovits_cli.prep.step import Clip, Step

REVISION = 2
"""Raised when the same text gives other features."""


class BertStep(Step[None]):
    """Features of an experiment folder (`source`) are taken as they are if their width fits the phones."""

    name = "bert"

    def __init__(self, experiment: Experiment, models: Models, source: Experiment | None) -> None:
        self._experiment = experiment
        self._models = models
        self._source = source

    def key(self, clip: Clip) -> str:
        """The transcript and the encoder; empty where there are no features."""
        if not self._wanted(clip):
            return ""
        return digests.of_values(self.name, REVISION, clip.keys["transcripts"], self._models.bert_key)

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
            tensors.save(target, features)

    def _wanted(self, clip: Clip) -> bool:
        return self._models.bert_key is not None and any(piece.has_bert for piece in clip.pieces)

    def _features(self, clip: Clip) -> Tensor | None:
        """Features (D, P); None if they are in their place already."""
        phones = sum(len(piece.phones) for piece in clip.pieces)
        if self._source is not None and self._source.bert_path(clip.name).is_file():
            found = tensors.load(self._source.bert_path(clip.name))
            if found.ndim == 2 and found.shape[1] == phones:
                return None if self._source.root.samefile(self._experiment.root) else found
        features = joined(clip.pieces, lambda norm, word2ph: self._models.bert(norm, list(word2ph)))
        if features.shape[1] != phones:
            raise DatasetError(f"{features.shape[1]} BERT features for {phones} phones")
        return features
