"""The dimensions of a flow-matching acoustic model: enough to rebuild it, read from and written to the official form.

Official files hold those of its encoders only; the transformer's are the same in all of them. Other ones are ours, sit
in `model.dit`, and mean the official value when absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from sovits_cli.errors import ModelError
from sovits_cli.models.cfm.dit import DitConfig
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.terms import MelSpec
from sovits_cli.versions import FlowTraits, ModelVersion

CONDITION_LAYERS = 8
"""Gated convolutions between the encoders and the flow."""


@dataclass(frozen=True)
class FlowConfig:
    """Dimensions of `FlowSynthesizer`.

    Args:
        prior: of the encoders; what it says of latents and decoders is not used.
        dit: of the transformer; its `text_dim` is the width of the condition.
        mel: the spectrogram that the flow makes.
        traits: of the version.
    """

    prior: SovitsConfig
    dit: DitConfig
    mel: MelSpec
    traits: FlowTraits

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise ModelError(f"acoustic model configuration: {problem}", hint="sovits models inspect FILE")

    @property
    def hop(self) -> int:
        """Samples of speech per mel frame, at the rate of the vocoder."""
        return self.mel.hop * self.traits.vocoder_rate // self.mel.sample_rate

    @classmethod
    def from_official(cls, config: Mapping[str, Any], row: ModelVersion) -> FlowConfig:
        """Build from a configuration of the official form, for a version with a flow. Raises ModelError."""
        assert row.flow is not None
        prior = SovitsConfig.from_official({**config, "model": {**config.get("model", {}), "version": row.name}})
        return cls(prior, _dit(config["model"].get("dit")), row.mel, row.flow)

    def to_official(self) -> dict[str, dict[str, Any]]:
        """The sections `model`, `data` and `train`, as plain data."""
        sections = self.prior.to_official()
        other = {name: value for name, value in asdict(self.dit).items() if value != getattr(DitConfig(), name)}
        if other:
            sections["model"]["dit"] = other
        return sections


def _dit(said: Any) -> DitConfig:
    """The transformer's dimensions out of `model.dit`."""
    if said is None:
        return DitConfig()
    known = {item.name: type(item.default) for item in fields(DitConfig)}
    wrong = not isinstance(said, Mapping) or any(
        name not in known or isinstance(value, bool) or not isinstance(value, int | known[name])
        for name, value in said.items()
    )
    if wrong:
        raise ModelError(f"acoustic model configuration: `model.dit` is {said!r}, expected {', '.join(known)}")
    return DitConfig(**said)


def _problem(config: FlowConfig) -> str | None:
    """What contradicts itself, or None."""
    dit, prior = config.dit, config.prior
    checks = {
        "`model.dit` has a dimension below 1": min(dit.dim, dit.depth, dit.heads, dit.dim_head, dit.ff_mult) >= 1,
        "`model.dit.dim` must be a multiple of 16": dit.dim % 16 == 0,
        "`model.dit.dim_head` and `text_dim` must be even": dit.dim_head % 2 == 0 and dit.text_dim % 2 == 0,
        f"`model.dit.mel_dim` is not {config.mel.mels}": dit.mel_dim == config.mel.mels,
        "the hop of the mel spectrogram is no whole number of samples": (
            config.mel.hop * config.traits.vocoder_rate % config.mel.sample_rate == 0
        ),
        "a speaker vector": prior.speaker_channels == 0,
    }
    return next((text for text, holds in checks.items() if not holds), None)
