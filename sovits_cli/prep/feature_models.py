"""The frozen models of a bundle: loaded when first needed, identified by the bytes of their files."""

from __future__ import annotations

from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.errors import ModelError
from sovits_cli.features.bert import BertFeatures
from sovits_cli.features.content import ContentEncoder, load_content_encoder, no_content_encoder
from sovits_cli.features.semantic_tokens import SemanticTokenizer
from sovits_cli.features.speaker import SpeakerEmbedder, load_speaker_encoder, no_speaker_encoder
from sovits_cli.prep.resume_log import digest_of_path
from sovits_cli.terms import DATASET_RATE_HZ
from sovits_cli.versions import ContentKind, ModelVersion

# GPT-SoVITS, prepare_datasets/2-get-hubert-wav32k.py, `name2go`: HuBERT reads the mix times 1145.14, as if full scale
# were that; in inference it reads the reference as it is.
CONTENT_SCALE = {ContentKind.HUBERT: 1145.14, ContentKind.PHONETIC: 1.0}
"""Full scale of the encoder's input in preparation."""


class FeatureModels(Protocol):
    """What preparation asks of a model. The keys change when the features would.

    Args:
        name: how the dataset refers to it.
        version: its row in the version table.
        content_key, semantic_key: identity of encoder and codebook.
        bert_key: identity of the text encoder; None for a model without one.
        speaker_key: identity of the speaker encoder; None for a version that takes no speaker embeddings.
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
        """Samples (T,) at the rate of the dataset to a speaker embedding (1, V) as it is stored."""


class BundleFeatureModels:
    """The models of a bundle on one device.

    Args:
        bundle: where their files are.
        device: where they run.
        name: what finds the bundle again: its name, or its folder.
    """

    # A dataset that is done already loads no network: keys come from the bytes of the files, and each model is loaded
    # when a clip first needs it.
    def __init__(self, bundle: Bundle, device: str, name: str) -> None:
        self._bundle = bundle
        self._device = torch.device(device)
        self.name = name
        self.version = bundle.version
        self.content_scale = CONTENT_SCALE[bundle.version.content]

    @cached_property
    def content_key(self) -> str:
        """Digest of the content encoder's files."""
        if self._bundle.content is None:
            raise no_content_encoder(self._bundle)
        return digest_of_path(self._bundle.content)

    @cached_property
    def semantic_key(self) -> str:
        """Digest of the projection and the codebook."""
        return self._tokenizer.key

    @cached_property
    def bert_key(self) -> str | None:
        """Digest of the text encoder's files."""
        return None if self._bundle.bert is None else digest_of_path(self._bundle.bert)

    @cached_property
    def speaker_key(self) -> str | None:
        """Digest of the speaker encoder's file."""
        if not self.version.speaker_embedding:
            return None
        if self._bundle.speaker is None:
            raise no_speaker_encoder(self._bundle)
        return digest_of_path(self._bundle.speaker)

    def encode(self, wave: Tensor) -> Tensor:
        """Samples (T,) to content features (1, C, F)."""
        with torch.inference_mode():
            return self._stored(self._content.encode(wave.to(self._device)))

    def tokens(self, features: Tensor) -> list[int]:
        """Content features (1, C, F) to semantic tokens."""
        return [int(token) for token in self._tokenizer.tokens(features)]

    def bert(self, norm: str, word2ph: list[int]) -> Tensor:
        """Normalised text to BERT features (D, P)."""
        with torch.inference_mode():
            return self._stored(self._bert.features(norm, word2ph))

    def speaker(self, wave: Tensor) -> Tensor:
        """Samples (T,) at the rate of the dataset to a speaker embedding (1, V)."""
        return self._stored(self._speaker.embed(wave, DATASET_RATE_HZ))

    def _stored(self, features: Tensor) -> Tensor:
        """Half precision where a GPU made them, as the official program stores them."""
        # What half precision cannot hold stays in single: infinity in one clip would end a training.
        half = self._device.type == "cuda" and bool(features.abs().max() < torch.finfo(torch.float16).max)
        return features.to("cpu", torch.float16 if half else torch.float32)

    @cached_property
    def _content(self) -> ContentEncoder:
        return load_content_encoder(self._bundle, self._device)

    @cached_property
    def _tokenizer(self) -> SemanticTokenizer:
        return SemanticTokenizer(self._bundle, self._device)

    @cached_property
    def _bert(self) -> BertFeatures:
        if self._bundle.bert is None:
            raise ModelError(
                f"{self._bundle.name} has no text encoder",
                code="features.no_text_encoder",
                fields={"model": self._bundle.name},
            )
        return BertFeatures.load(self._bundle.bert, self._device)

    @cached_property
    def _speaker(self) -> SpeakerEmbedder:
        return load_speaker_encoder(self._bundle, self._device)
