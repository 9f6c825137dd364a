"""Step: semantic tokens from the stored content features, for `6-name2semantic.tsv`."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from torch import Tensor

from sovits_cli.data import tensors
from sovits_cli.data.layout import Experiment
from sovits_cli.prep import digests
from sovits_cli.prep.models import Models
from sovits_cli.prep.step import Clip, Step

REVISION = 1
"""Raised when the same features give other tokens."""


class SemanticStep(Step[Tensor]):
    """Rows of earlier runs come from the journal, or from `table`, the tokens already in the dataset."""

    name = "semantic"

    def __init__(self, experiment: Experiment, models: Models, table: Mapping[str, np.ndarray]) -> None:
        self._experiment = experiment
        self._models = models
        self._table = table

    def key(self, clip: Clip) -> str:
        """The content features and the codebook."""
        return digests.of_values(self.name, REVISION, clip.keys["content"], self._models.semantic_key)

    def recall(self, clip: Clip, row: Any) -> bool:
        """Take the row of the journal, or of the table."""
        codes = self._table.get(clip.name, ()) if row is None else row
        clip.codes = _packed(codes)
        return bool(clip.codes)

    def prepare(self, clip: Clip) -> Tensor:
        """Read the features."""
        return tensors.load(self._experiment.content_path(clip.name)).float()

    def finish(self, clip: Clip, prepared: Tensor) -> Any:
        """Find the tokens."""
        clip.codes = _packed(self._models.tokens(prepared))
        return list(clip.codes)


def _packed(codes: Iterable[int]) -> array[int]:
    """Two bytes a token: a dataset of hours stays small in memory."""
    return array("H", (int(code) for code in codes))
