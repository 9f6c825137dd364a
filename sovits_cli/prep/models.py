"""What preparation asks of a model: features, tokens, and an identity that changes when those would."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from sovits_cli.versions import ModelVersion


class Models(Protocol):
    """What preparation asks of a model. The keys change when the features would.

    Args:
        name: how the dataset refers to it.
        version: its row in the version table.
        content_key, semantic_key: identity of encoder and codebook.
        bert_key: identity of the text encoder; None for a model without one.
        speaker_key: identity of the speaker encoder; None for a version that takes no speaker vectors.
        content_scale: full scale of the encoder's input.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - said above
    @property
    def version(self) -> ModelVersion: ...  # noqa: D102
    @property
    def content_key(self) -> str: ...  # noqa: D102
    @property
    def semantic_key(self) -> str: ...  # noqa: D102
    @property
    def bert_key(self) -> str | None: ...  # noqa: D102
    @property
    def speaker_key(self) -> str | None: ...  # noqa: D102
    @property
    def content_scale(self) -> float: ...  # noqa: D102

    def encode(self, wave: Tensor) -> Tensor:
        """Samples (T,) at 16 kHz, at `content_scale`, to content features (1, C, F) as they are stored."""

    def tokens(self, features: Tensor) -> list[int]:
        """Content features (1, C, F) to F // 2 semantic tokens."""

    def bert(self, norm: str, word2ph: list[int]) -> Tensor:
        """Normalised text to BERT features (D, P) as they are stored."""

    def speaker(self, wave: Tensor) -> Tensor:
        """Samples (T,) at the rate of the dataset to a speaker vector (1, V) as it is stored."""
