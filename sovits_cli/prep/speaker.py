"""Step: speaker vectors, for `7-sv_cn/`, from the mixed audio; only for versions that take them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sovits_cli.data import tensors
from sovits_cli.data.layout import Experiment
from sovits_cli.errors import DatasetError
from sovits_cli.prep import digests
from sovits_cli.prep.audio import mixed
from sovits_cli.prep.models import Models
from sovits_cli.prep.step import Clip, Step
from sovits_cli.terms import SPEAKER_CHANNELS

REVISION = 1
"""Raised when the same audio gives another vector."""


class SpeakerStep(Step[np.ndarray | None]):
    """Vectors of an experiment folder (`source`) are taken as they are if their width fits."""

    name = "speaker"

    def __init__(self, experiment: Experiment, models: Models, source: Experiment | None) -> None:
        self._experiment = experiment
        self._models = models
        self._source = source

    def key(self, clip: Clip) -> str:
        """The mixed audio and the encoder; empty where there is no vector."""
        if self._models.speaker_key is None:
            return ""
        return digests.of_values(self.name, REVISION, clip.keys["audio"], self._models.speaker_key)

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
            found = tensors.load(self._source.speaker_path(clip.name))
            if found.shape == (1, SPEAKER_CHANNELS):
                self._store(clip, found, found=True)
                return
        self._store(clip, self._models.speaker(torch.from_numpy(prepared)), found=False)

    def _store(self, clip: Clip, vector: Tensor, *, found: bool) -> None:
        if not bool(torch.isfinite(vector).all()):
            raise DatasetError("the speaker encoder gives no numbers (NaN) for this recording")
        if found and self._source is not None and self._source.root.samefile(self._experiment.root):
            return
        tensors.save(self._experiment.speaker_path(clip.name), vector)
