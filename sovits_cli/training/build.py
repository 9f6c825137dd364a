"""Builds the networks of a run: the base model's with its weights, or fresh ones with the recipe's dimensions.

Knows model files through `checkpoints/` and settings by their sections; knows no dataset.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from sovits_cli.checkpoints import bundle as bundles
from sovits_cli.checkpoints.build import build as make_and_load
from sovits_cli.checkpoints.bundle import CODEBOOK, FROZEN_PARTS, Bundle, frozen_parts
from sovits_cli.checkpoints.official import read_gpt, read_sovits
from sovits_cli.checkpoints.report import load_into
from sovits_cli.config.schema import Section, Settings
from sovits_cli.errors import SettingsError
from sovits_cli.events import Note, Reporter
from sovits_cli.models.discriminators import PERIODS, Discriminators
from sovits_cli.models.sovits.config import PHONES, SovitsConfig
from sovits_cli.models.sovits.synthesizer import Synthesizer
from sovits_cli.models.t2s.config import OFFICIAL_BERT_DIM, T2SConfig
from sovits_cli.models.t2s.model import Text2Semantic

POSTERIOR_PREFIX = "enc_q."
FREE_KEYS = {"p_dropout", "dropout", "position_dropout", "block_dropout", "attention_dropout", "segment_size"}
"""Dimensions that a fine-tuning may change: no tensor has their shape."""


def gpt(base: Bundle, settings: Settings) -> Text2Semantic:
    """The network of the GPT stage, on the CPU.

    Raises:
        SettingsError: the recipe contradicts the base model that is to be fine-tuned.
        ModelError: the base cannot be read, or the dimensions contradict each other.
    """
    given = _given(settings.model)
    if settings.train.from_scratch:
        return Text2Semantic(T2SConfig.from_official({"model": {**_fresh_gpt(base), **_one_width(given)}}))
    file = read_gpt(base.gpt)
    config = T2SConfig.from_official(file.config)
    wanted = T2SConfig.from_official({"model": _agreed("model", given, config.to_official()["model"], base.gpt)})
    return make_and_load(lambda: Text2Semantic(wanted), file.weight, layers=wanted.layers, source=base.gpt)[0]


def synthesizer(base: Bundle, settings: Settings, reporter: Reporter) -> Synthesizer:
    """The network of the SoVITS stage with its posterior encoder, on the CPU. Raises as `gpt` does."""
    given = {
        "model": _given(settings.sovits.model),
        "data": _given(settings.sovits.data),
        "train": {} if (size := settings.sovits.train.segment_size) is None else {"segment_size": size},
    }
    if settings.train.from_scratch:
        frozen = frozen_parts(base)
        fresh = _fresh_sovits(base, frozen)
        sections = {name: {**fresh.get(name, {}), **given[name]} for name in given}
        model = Synthesizer(SovitsConfig.from_official(sections))
        _set_frozen(model, frozen, base)
        return model
    file = read_sovits(base.sovits)
    own = SovitsConfig.from_official(file.config).to_official()
    wanted = {name: _agreed(f"sovits.{name}", given[name], own[name], base.sovits) for name in given}
    config = SovitsConfig.from_official(wanted)
    model, report = make_and_load(
        lambda: Synthesizer(config),
        file.weight,
        layers=bundles.sovits_layers(config),
        source=base.sovits,
        optional=bundles.SOVITS_OPTIONAL,
    )
    if any(key.startswith(POSTERIOR_PREFIX) for key in report.missing):
        reporter.emit(
            Note(f"sovits: {base.sovits.name} has no posterior encoder (exported weights lack it): it starts fresh")
        )
    return model


def judges(settings: Settings) -> Discriminators | None:
    """The discriminators, always fresh unless a state is resumed; None for a training without."""
    width = settings.sovits.train.discriminator
    return Discriminators(PERIODS, width=width) if width else None


def _fresh_gpt(base: Bundle) -> dict[str, Any]:
    """Official dimensions for the tokens and phones of this family."""
    vocabulary = frozen_parts(base)[CODEBOOK].shape[0] + 1
    row = T2SConfig(
        vocab=vocabulary, phones=PHONES[base.version.symbols], bert_dim=OFFICIAL_BERT_DIM if base.bert else 0
    )
    official: dict[str, Any] = row.to_official()["model"]
    return {key: value for key, value in official.items() if key != "EOS"}


def _one_width(given: Mapping[str, Any]) -> dict[str, Any]:
    """Embeddings and transformer have one width; a recipe may say either."""
    width = given.get("embedding_dim", given.get("hidden_dim"))
    return dict(given) if width is None else {"embedding_dim": width, "hidden_dim": width, **given}


def _fresh_sovits(base: Bundle, frozen: Mapping[str, Tensor]) -> dict[str, dict[str, Any]]:
    """Dimensions that the version and its codebook prescribe; the rest is official."""
    row, (codes, channels) = base.version, frozen[CODEBOOK].shape
    return {
        "model": {
            "content_channels": channels,
            "codebook_size": codes,
            "style_bins": row.style_bins,
            "phones": PHONES[row.symbols],
        },
        "data": {
            "sampling_rate": row.spec.sample_rate,
            "filter_length": row.spec.n_fft,
            "hop_length": row.spec.hop,
            "n_mel_channels": row.mel.mels,
        },
    }


def _set_frozen(model: Synthesizer, frozen: Mapping[str, Tensor], base: Bundle) -> None:
    """Put the family's projection and codebook into a fresh network."""
    others = tuple({key.split(".")[0] + "." for key in model.state_dict()} - {f"{part}." for part in FROZEN_PARTS})
    load_into(model, frozen, optional=(*others, *bundles.SOVITS_OPTIONAL), source=base.sovits)


def _given(section: Section) -> dict[str, Any]:
    """What a recipe says; null says nothing."""
    return {key: value for key, value in section.model_dump(mode="json").items() if value is not None}


def _agreed(section: str, given: Mapping[str, Any], own: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """The base's dimensions, with what a fine-tuning may change. Raises SettingsError for anything else."""
    for key, value in given.items():
        if key in own and key not in FREE_KEYS and value != own[key]:
            raise SettingsError(
                f"{section}.{key} is {value}, but {base} has {own[key]}",
                hint="fine-tuning keeps the base model's dimensions; --from-scratch trains the recipe's",
            )
    return {**own, **{key: value for key, value in given.items() if key in FREE_KEYS}}
