"""The dimensions of a flow-matching acoustic model: enough to rebuild it, read from and written to the official form.

Official files hold those of its encoders only; the transformer's are the same in all of them. Other ones are ours, sit
in `model.dit`, and mean the official value when absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from sovits_cli.models.dimensions import DROPOUT, LAYERS, DimensionError, check_fields, check_relations, read_fields
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.terms import MelSpec
from sovits_cli.versions import FlowTraits, ModelVersion

CONDITION_LAYERS = 8
"""Gated convolutions between the encoders and the flow."""


@dataclass(frozen=True)
class DitConfig:
    """Dimensions of `Dit`; the defaults are official, and the only ones that official files have.

    Args:
        dim: width of the transformer.
        dim_head: width of one of `heads` heads.
        ff_mult: how much wider the feed-forward layers are.
        mel_dim: mel bands.
        text_dim: width of the condition.
        conv_layers: convolutional blocks that the condition goes through.
    """

    dim: int = 1024
    depth: int = field(default=22, metadata=LAYERS)
    heads: int = 16
    dim_head: int = 64
    ff_mult: int = 2
    mel_dim: int = 100
    text_dim: int = 512
    conv_layers: int = field(default=4, metadata=LAYERS)
    dropout: float = field(default=0.1, metadata=DROPOUT)

    def __post_init__(self) -> None:
        check_fields(self, "acoustic model configuration: `model.dit`")


@dataclass(frozen=True)
class FlowConfig:
    """Dimensions of `FlowModel`.

    Args:
        prior: of the encoders; its fields for latents and decoders are not used.
        dit: of the transformer; its `text_dim` is the width of the condition.
        mel: the spectrogram that the flow makes.
        traits: of the version.
    """

    prior: SovitsConfig
    dit: DitConfig
    mel: MelSpec
    traits: FlowTraits

    def __post_init__(self) -> None:
        check_relations("acoustic model configuration", _relations(self))

    @property
    def hop(self) -> int:
        """Samples of speech per mel frame, at the rate of the vocoder."""
        return self.mel.hop * self.traits.output_rate // self.mel.sample_rate

    @classmethod
    def from_official(cls, config: Mapping[str, Any], row: ModelVersion) -> FlowConfig:
        """Build from a configuration of the official form, for a version with a flow. Raises ModelError."""
        assert isinstance(row.decoder, FlowTraits)
        model = config.get("model", {})
        named = {**model, "version": row.name} if isinstance(model, Mapping) else model
        prior = SovitsConfig.from_official({**config, "model": named})
        return cls(prior, _read_dit(model.get("dit")), row.mel, row.decoder)

    def to_official(self) -> dict[str, dict[str, Any]]:
        """The sections `model`, `data` and `train`, as plain data."""
        sections = self.prior.to_official()
        other = {name: value for name, value in asdict(self.dit).items() if value != getattr(DitConfig(), name)}
        if other:
            sections["model"]["dit"] = other
        return sections


def _read_dit(section: Any) -> DitConfig:
    """The transformer's dimensions out of `model.dit`."""
    known = [item.name for item in fields(DitConfig)]
    if section is not None and not (isinstance(section, Mapping) and set(section) <= set(known)):
        raise DimensionError(f"acoustic model configuration: `model.dit` is no section of {', '.join(known)}")
    return DitConfig(**read_fields(DitConfig, section or {}))


def _relations(config: FlowConfig) -> dict[str, bool]:
    """What has to hold between dimensions."""
    dit, prior = config.dit, config.prior
    return {
        "`model.dit.dim` must be a multiple of 16": dit.dim % 16 == 0,
        "`model.dit.dim_head` and `text_dim` must be even": dit.dim_head % 2 == 0 and dit.text_dim % 2 == 0,
        f"`model.dit.mel_dim` is not {config.mel.mels}": dit.mel_dim == config.mel.mels,
        "the hop of the mel spectrogram is no whole number of samples": (
            config.mel.hop * config.traits.output_rate % config.mel.sample_rate == 0
        ),
        "a speaker vector": prior.speaker_channels == 0,
    }
