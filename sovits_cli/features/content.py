"""Content features: what is said, 50 frames a second, from a frozen encoder that belongs to the model.

Knows the kinds of encoders and how their files are published; nothing of datasets or audio files.

Legend: T samples at 16 kHz, F frames, C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.checkpoints.model_file import ModelKind, read_folder_config, read_folder_weights
from sovits_cli.checkpoints.safetensors_io import load_safetensors
from sovits_cli.checkpoints.weight_loading import build_network, config_errors
from sovits_cli.errors import AudioError, ModelError
from sovits_cli.models.hubert import UNUSED_KEYS, Hubert, HubertConfig
from sovits_cli.terms import SSL_RATE_HZ
from sovits_cli.versions import ContentKind

WINDOW_SAMPLES = 400
"""What one frame sees, in every encoder: 25 ms."""

_TOKEN_KEYS = ("ssl_proj.", "quantizer.")
"""Phonetic encoders carry the codebook that goes with them; the acoustic model holds it too."""


class ContentEncoder(Protocol):
    """Samples in, content features out."""

    channels: int

    def encode(self, wave: Tensor) -> Tensor:
        """Samples (T,) at 16 kHz to features (1, C, F), F = floor((T - 400) / 320) + 1."""


class HubertContent:
    """A published HuBERT; the samples go in as they are, without normalisation."""

    def __init__(self, model: Hubert, device: torch.device) -> None:
        self._model, self._device = model.eval().requires_grad_(False).to(device), device
        self.channels = model.config.hidden_size

    # GPT-SoVITS, feature_extractor/cnhubert.py, `CNHubert.forward`: `feats` of the whole recording, not normalised,
    # whatever the preprocessor config of the published folder says.
    def encode(self, wave: Tensor) -> Tensor:
        """Samples (T,) to features (1, C, F)."""
        _check(wave, self._model.config.window_samples)
        with torch.inference_mode():
            features: Tensor = self._model(wave[None].to(self._device, torch.float32))
        return features.transpose(1, 2)


class PhoneticContent:
    """The small encoder of bundled models."""

    def __init__(self, path: Path, device: torch.device) -> None:
        from sovits_cli.models.phonetic import PhoneticConfig, PhoneticEncoder

        weight, metadata = load_safetensors(path)
        with config_errors(path):
            config = PhoneticConfig.from_dict(metadata["config"])
        model, _ = build_network(
            lambda: PhoneticEncoder(config), weight, layers=config.layers, source=path, optional=_TOKEN_KEYS
        )
        self._model, self._device = model.eval().requires_grad_(False).to(device), device
        self.channels = len(config.phones)

    def encode(self, wave: Tensor) -> Tensor:
        """Samples (T,) to features (1, C, F)."""
        _check(wave, WINDOW_SAMPLES)
        with torch.inference_mode():
            return self._model.features(wave[None].to(self._device, torch.float32))


def load_content_encoder(bundle: Bundle, device: torch.device | str = "cpu") -> ContentEncoder:
    """Load the content encoder of a model.

    Raises:
        ModelError: it has none, or its files are missing, broken, or of another kind.
    """
    if bundle.content is None:
        raise no_content_encoder(bundle)
    return LOADERS[bundle.version.content](bundle.content, torch.device(device))


def no_content_encoder(bundle: Bundle) -> ModelError:
    """What to raise for a model without the content encoder of its version."""
    return ModelError(
        f"{bundle.name} has no {bundle.version.content} content encoder: recordings cannot be read with it",
        code="features.no_content_encoder",
        fields={"model": bundle.name, "version": bundle.version.name},
    )


def load_hubert(folder: Path, device: torch.device) -> HubertContent:
    """Load a published HuBERT folder: `config.json` and `pytorch_model.bin` or `model.safetensors`."""
    contents = read_folder_weights(folder, ModelKind.HUBERT, prefix="hubert.")
    with config_errors(folder / "config.json"):
        config = HubertConfig.from_dict(read_folder_config(folder))
    model, _ = build_network(
        lambda: Hubert(config),
        contents.weight,
        layers=config.num_hidden_layers,
        source=contents.path,
        optional=UNUSED_KEYS,
    )
    return HubertContent(model, device)


LOADERS: dict[ContentKind, Callable[[Path, torch.device], ContentEncoder]] = {
    ContentKind.HUBERT: load_hubert,
    ContentKind.PHONETIC: PhoneticContent,
}


def _check(wave: Tensor, min_samples: int) -> None:
    if wave.ndim != 1:
        raise ValueError(f"expected samples (T,), got {tuple(wave.shape)}")
    if len(wave) < min_samples:
        raise AudioError(
            f"{len(wave) / SSL_RATE_HZ * 1000:.0f} ms of audio are too short: expected at least "
            f"{min_samples / SSL_RATE_HZ * 1000:.0f} ms",
            hint="use a longer recording",
        )
