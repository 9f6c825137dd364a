"""Step: content features of the model's family, for `4-cnhubert/`, from the mixed audio at 16 kHz.

Stored as float32 where they are made on a CPU and as float16 on a GPU, as the official program does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from sovits_cli.audio.resample import soxr_resample
from sovits_cli.data import tensors
from sovits_cli.data.layout import Experiment
from sovits_cli.errors import DatasetError
from sovits_cli.events import Note, Reporter
from sovits_cli.prep import digests
from sovits_cli.prep.audio import mixed
from sovits_cli.prep.models import Models
from sovits_cli.prep.step import Clip, Step
from sovits_cli.terms import DATASET_RATE_HZ, SSL_RATE_HZ

REVISION = 1
"""Raised when the same audio gives other features."""

TRIALS = 3
"""Features of an experiment folder are believed when those of the first clips are what the model makes."""

SAME_COSINE = 0.98
"""Half precision, another resampler and rounding to int16 leave more than this; another encoder less."""


class ContentStep(Step[np.ndarray]):
    """Features of an experiment folder (`source`) are taken over if they are of this model, else made anew."""

    name = "content"

    def __init__(self, experiment: Experiment, models: Models, source: Experiment | None, reporter: Reporter) -> None:
        self._experiment = experiment
        self._models = models
        self._source = source
        self._reporter = reporter
        self._agreed = 0

    def key(self, clip: Clip) -> str:
        """The mixed audio and the encoder."""
        return digests.of_values(self.name, REVISION, clip.keys["audio"], self._models.content_key)

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
            return tensors.load(self._source.content_path(clip.name))
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
        tensors.save(self._experiment.content_path(clip.name), features)
