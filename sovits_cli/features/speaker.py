"""Speaker embeddings: who speaks, in one vector, from the frozen encoder of versions that take it.

Knows how the encoder is published and what it reads; nothing of datasets. Legend: T samples, V width of the embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sovits_cli.audio.mel import FBANK_RATE_HZ, FBANK_WINDOW_SAMPLES, kaldi_fbank
from sovits_cli.audio.resampling import sinc_resample
from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.checkpoints.model_file import ModelKind, expect_kind, read_model_file
from sovits_cli.checkpoints.weight_loading import build_network
from sovits_cli.errors import AudioError, ModelError
from sovits_cli.models.eres2net import SpeakerConfig, SpeakerEncoder

MAX_PART_S = 30.0
"""A longer recording is encoded in equal parts, whose embeddings are averaged: memory grows with the length of one."""

UNUSED_KEYS = ("seg_1.",)
"""Beginnings of keys of the published file that the embedding does not need."""


class SpeakerEmbedder:
    """A published speaker encoder on a device."""

    def __init__(self, model: SpeakerEncoder, device: torch.device) -> None:
        self._model = model.eval().requires_grad_(False).to(device)
        self._device = device

    # GPT-SoVITS, sv.py, `SV.compute_embedding3`: the encoder without its last layers, whose input is the embedding;
    # there the recording is read whole, however long.
    def embed(self, wave: Tensor, rate: int) -> Tensor:
        """Mono samples (T,) in -1..1 to an embedding (1, V) on the CPU.

        Raises:
            AudioError: shorter than one frame.
        """
        resampled = sinc_resample(wave.float(), rate, FBANK_RATE_HZ)
        if len(resampled) < FBANK_WINDOW_SAMPLES:
            raise AudioError(
                f"{len(resampled) / FBANK_RATE_HZ * 1000:.0f} ms of audio tell nothing of the speaker: expected at "
                f"least {FBANK_WINDOW_SAMPLES / FBANK_RATE_HZ * 1000:.0f} ms",
                hint="use a longer recording",
            )
        parts = -(-len(resampled) // round(MAX_PART_S * FBANK_RATE_HZ))
        with torch.inference_mode():
            embeddings = [
                self._model(kaldi_fbank(part.to(self._device))[None]) for part in resampled.tensor_split(parts)
            ]
            return torch.stack(embeddings).mean(dim=0).cpu()


def load_speaker_encoder(bundle: Bundle, device: torch.device | str = "cpu") -> SpeakerEmbedder:
    """Load the speaker encoder of a model.

    Raises:
        ModelError: it has none, or its file is missing, broken, or of another kind.
    """
    if bundle.speaker is None:
        raise no_speaker_encoder(bundle)
    contents = expect_kind(read_model_file(bundle.speaker), ModelKind.SPEAKER)
    config = SpeakerConfig()
    model, _ = build_network(
        lambda: SpeakerEncoder(config),
        contents.weight,
        layers=max(config.blocks),
        source=contents.path,
        optional=UNUSED_KEYS,
    )
    return SpeakerEmbedder(model, torch.device(device))


def no_speaker_encoder(bundle: Bundle) -> ModelError:
    """What to raise for a model without the speaker encoder that its version needs."""
    return ModelError(
        f"{bundle.name} has no speaker encoder: a {bundle.version.name} voice also comes from a speaker embedding",
        code="features.no_speaker_encoder",
        fields={"model": bundle.name, "version": bundle.version.name},
    )
