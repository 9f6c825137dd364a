"""Speaker vectors: who speaks, in one vector, from the frozen encoder of versions that take it.

Knows how the encoder is published and what it hears; nothing of datasets. Legend: T samples, V width of the vector.
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

LONGEST_S = 30.0
"""A longer recording is heard in equal parts, whose vectors are averaged: memory grows with the length of one."""

UNUSED_KEYS = ("seg_1.",)
"""Beginnings of keys of the published file that the vector does not need."""


class SpeakerEmbedder:
    """A published speaker encoder on a device."""

    def __init__(self, model: SpeakerEncoder, device: torch.device) -> None:
        self._model = model.eval().requires_grad_(False).to(device)
        self._device = device

    def vector(self, wave: Tensor, rate: int) -> Tensor:
        """Mono samples (T,) in -1..1 to a vector (1, V) on the CPU.

        Raises:
            AudioError: shorter than one frame.
        """
        heard = sinc_resample(wave.float(), rate, FBANK_RATE_HZ)
        if len(heard) < FBANK_WINDOW_SAMPLES:
            raise AudioError(
                f"{len(heard) / FBANK_RATE_HZ * 1000:.0f} ms of audio tell nothing of the speaker: expected at least "
                f"{FBANK_WINDOW_SAMPLES / FBANK_RATE_HZ * 1000:.0f} ms",
                hint="use a longer recording",
            )
        parts = -(-len(heard) // round(LONGEST_S * FBANK_RATE_HZ))
        with torch.inference_mode():
            vectors = [self._model(kaldi_fbank(part.to(self._device))[None]) for part in heard.tensor_split(parts)]
            return torch.stack(vectors).mean(dim=0).cpu()


def load(bundle: Bundle, device: torch.device | str = "cpu") -> SpeakerEmbedder:
    """Load the speaker encoder of a model.

    Raises:
        ModelError: it has none, or its file is missing, broken, or of another kind.
    """
    if bundle.speaker is None:
        raise missing(bundle)
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


def missing(bundle: Bundle) -> ModelError:
    """What to say of a model whose version needs a speaker encoder that is not there."""
    return ModelError(
        f"{bundle.name} has no speaker encoder: a {bundle.version.name} voice also comes from a speaker vector",
        code="features.no_speaker_encoder",
        fields={"model": bundle.name, "version": bundle.version.name},
    )
