"""Builds the networks of a run: the base model's with its weights, or fresh ones with the recipe's dimensions.

Knows model files through `checkpoints/` and settings by their sections; knows no dataset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.checkpoints.networks import (
    QUANTIZER_MODULES,
    VITS_OPTIONAL_KEYS,
    load_flow,
    read_discriminator_weights,
    read_quantizer_weights,
    vits_layers,
)
from sovits_cli.checkpoints.official import CODEBOOK, read_gpt, read_sovits
from sovits_cli.checkpoints.weight_loading import build_network, compare_keys, load_weights
from sovits_cli.config.schema import Settings
from sovits_cli.config.values import Section
from sovits_cli.errors import ModelError, SettingsError
from sovits_cli.events import Note, Reporter, Warned
from sovits_cli.models.cfm.flow_model import FlowModel, add_lora
from sovits_cli.models.discriminators import Discriminators
from sovits_cli.models.sovits.config import PHONES, SovitsConfig
from sovits_cli.models.sovits.vits import VitsModel
from sovits_cli.models.t2s.config import OFFICIAL_BERT_DIM, T2SConfig
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.terms import Stage
from sovits_cli.training.state import STATES, StateFolder
from sovits_cli.versions import TrainingDefaults

POSTERIOR_PREFIX = "enc_q."
CHANGEABLE_KEYS = {"p_dropout", "dropout", "position_dropout", "block_dropout", "attention_dropout", "segment_size"}
"""Dimensions that a fine-tuning may change: no tensor has their shape."""


SUPPORTED_VALUES = {
    "sovits.model.resblock": "1",
    "sovits.model.use_spectral_norm": False,
    "sovits.model.semantic_frame_rate": "25hz",
    "sovits.model.freeze_quantizer": True,
    "sovits.data.mel_fmin": 0.0,
}
"""Official keys with one value that is built; another is refused rather than ignored."""

FLOW_KEYS = ("lora_rank",)
VITS_KEYS = ("segment_size", "c_mel", "c_kl", "c_stft", "posterior_encoder", "discriminator_width", "text_low_lr_rate")
"""Keys of `sovits.train` that mean something for one kind of model only …"""

POSTERIOR_KEYS = ("c_kl",)
"""… and where there is a posterior encoder."""


def build_gpt(base: Bundle, settings: Settings) -> Text2Semantic:
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
    own = {**config.to_official()["model"], "bert_dim": config.bert_dim}
    refuse_other_dimensions("model", given, own, base.gpt)
    wanted = T2SConfig.from_official({"model": {**own, **_changeable(given)}})
    return build_network(lambda: Text2Semantic(wanted), file.weight, layers=wanted.layers, source=base.gpt)[0]


def training_defaults(base: Bundle, settings: Settings) -> TrainingDefaults:
    """What a training goes by: what was asked for, else what the version wants."""
    own = settings.sovits.train
    asked: dict[str, Any] = {
        "alignment_loss_weight": settings.train.alignment_loss_weight,
        "discriminator_width": own.discriminator_width,
        "stft_loss_weight": own.c_stft,
        "posterior_encoder": own.posterior_encoder,
    }
    return replace(base.version.training, **{name: value for name, value in asked.items() if value is not None})


@dataclass(frozen=True)
class VitsNetworks:
    """The networks of the SoVITS stage, on the CPU; `discriminators` is None for a training without discriminators."""

    model: VitsModel
    discriminators: Discriminators | None


def build_vits(base: Bundle, settings: Settings, reporter: Reporter) -> VitsNetworks:
    """The networks of the SoVITS stage. Raises as `build_gpt` does.

    Exported weights lack the posterior encoder and the discriminators. A voice trained here still has them in its
    saved state, and discriminators are published; otherwise they start fresh, which is said.
    """
    train = settings.sovits.train
    given = {
        "model": _given(settings.sovits.model),
        "data": _given(settings.sovits.data),
        "train": {} if train.segment_size is None else {"segment_size": train.segment_size},
    }
    _refuse_unbuilt(given)
    defaults = training_defaults(base, settings)
    discriminators = (
        Discriminators(base.version.discriminator_periods, width=defaults.discriminator_width)
        if defaults.discriminator_width
        else None
    )
    if settings.train.from_scratch:
        return VitsNetworks(_fresh_vits(base, given, posterior=defaults.posterior_encoder), discriminators)
    file = read_sovits(base.sovits)
    own = SovitsConfig.from_official(file.config)
    known = {**asdict(own), **own.to_official()["data"], "version": file.version.name}
    for section, values in given.items():
        refuse_other_dimensions(f"sovits.{section}", values, known, base.sovits)
    config = replace(own, **{key: value for values in given.values() for key, value in _changeable(values).items()})
    model, report = build_network(
        lambda: VitsModel(config, posterior=defaults.posterior_encoder),
        file.weight,
        layers=vits_layers(config),
        source=base.sovits,
        optional=VITS_OPTIONAL_KEYS,
    )
    # Exports leave the posterior encoder out, as the official ones do: speaking needs none.
    lacking = any(key.startswith(POSTERIOR_PREFIX) for key in report.missing)
    _restore_missing(model if lacking else None, discriminators, base, reporter)
    return VitsNetworks(model, discriminators)


def build_flow(base: Bundle, settings: Settings, reporter: Reporter) -> FlowModel:
    """The network of the SoVITS stage, on the CPU.

    Raises:
        SettingsError: the recipe contradicts the base model, or wants a new one.
        ModelError: the base cannot be read.
    """
    if settings.train.from_scratch:
        raise SettingsError(
            f"{base.version.name} models are not trained from scratch: their encoders stay those of the base model",
            code="train.flow_from_scratch",
        )
    model = load_flow(base)
    sections = {**asdict(model.config), **model.config.to_official()["data"], "version": base.version.name}
    for name in ("model", "data"):
        given = getattr(settings.sovits, name).model_dump(mode="json", exclude_none=True)
        refuse_other_dimensions(f"sovits.{name}", given, sections, base.sovits)
    rank = settings.sovits.train.lora_rank
    if rank:
        add_lora(model.cfm, rank)
        reporter.emit(Note(f"sovits: LoRA of rank {rank}; sovits.train.lora_rank 0 tunes the whole flow"))
    return model


def warn_unused_settings(
    base: Bundle,
    settings: Settings,
    is_set: Callable[[str], bool],
    reporter: Reporter,
    *,
    unused: tuple[str, ...],
) -> None:
    """Name the settings that were set and mean nothing for this kind of model.

    Args:
        base: the base model.
        settings: those of the run.
        is_set: whether somebody gave a key a value.
        reporter: is told.
        unused: keys of `sovits.train` that the kind of decoder has no use for.
    """
    if not training_defaults(base, settings).posterior_encoder:
        unused += POSTERIOR_KEYS
    for name in unused:
        key = f"sovits.train.{name}"
        if is_set(key):
            reporter.emit(Warned(f"{key} changes nothing: a {base.version.name} model is trained another way"))


def _restore_missing(
    model: VitsModel | None, discriminators: Discriminators | None, base: Bundle, reporter: Reporter
) -> None:
    """Take what an export lacks from the saved state of the voice it belongs to, or say that it starts fresh.

    Args:
        model: lacks its posterior encoder; None if it has one.
    """
    place = base.sovits.parent / STATES
    found = _saved_modules(place, reporter) if base.origin == "trained" else {}
    if model is not None:
        weight = {key: value for key, value in found.get("generator", {}).items() if key.startswith(POSTERIOR_PREFIX)}
        own = model.state_dict()
        if any(key not in own or own[key].shape != value.shape for key, value in weight.items()):
            reporter.emit(Note(f"sovits: the posterior encoder in {place} is of another size: it starts fresh"))
        elif weight:
            model.load_state_dict(weight, strict=False)
            reporter.emit(Note(f"sovits: posterior encoder from {place}"))
        else:
            why = "exported weights lack it"
            reporter.emit(Note(f"sovits: {base.sovits.name} has no posterior encoder ({why}): it starts fresh"))
    saved, source = found.get("discriminator"), place
    if discriminators is not None and saved is None and base.discriminator is not None:
        saved, source = read_discriminator_weights(base), base.discriminator
    if discriminators is None or saved is None:
        return
    if compare_keys(discriminators, saved).complete:
        discriminators.load_state_dict(saved)
        reporter.emit(Note(f"sovits: discriminators from {source}"))
    else:
        reporter.emit(Note(f"sovits: the discriminators in {source} are of another size: they start fresh"))


def _saved_modules(place: Path, reporter: Reporter) -> Mapping[str, Mapping[str, Any]]:
    """The networks in the newest state of a voice; none where no state can be read, which is said."""
    try:
        state = StateFolder(place, Stage.SOVITS).newest(reporter)
    except ModelError as error:
        reporter.emit(Warned(error.message, hint="what its exported weights lack starts fresh"))
        return {}
    return {} if state is None else state.modules


def _fresh_vits(base: Bundle, given: Mapping[str, Mapping[str, Any]], *, posterior: bool) -> VitsModel:
    """New networks around the family's codebook."""
    frozen = read_quantizer_weights(base)
    fresh = _fresh_sovits(base, frozen)
    config = SovitsConfig.from_official({name: {**fresh.get(name, {}), **given[name]} for name in given})
    model = VitsModel(config, posterior=posterior)
    # Only the quantizer is taken over: tokens must mean the same as in the dataset.
    others = tuple({key.split(".")[0] + "." for key in model.state_dict()} - {f"{part}." for part in QUANTIZER_MODULES})
    load_weights(model, frozen, optional=(*others, *VITS_OPTIONAL_KEYS), source=base.sovits)
    return model


def _fresh_gpt(base: Bundle) -> dict[str, Any]:
    """Official dimensions for the tokens and phones of this family."""
    vocabulary = read_quantizer_weights(base)[CODEBOOK].shape[0] + 1
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
            **row.dimensions,
            "version": row.name,
            "content_channels": channels,
            "codebook_size": codes,
        },
        "data": {
            "sampling_rate": row.spec.sample_rate,
            "filter_length": row.spec.n_fft,
            "hop_length": row.spec.hop,
            "n_mel_channels": row.mel.mels,
        },
    }


def _given(section: Section) -> dict[str, Any]:
    """What a recipe says; null says nothing."""
    return {key: value for key, value in section.model_dump(mode="json").items() if value is not None}


def _changeable(given: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in given.items() if key in CHANGEABLE_KEYS}


def refuse_other_dimensions(section: str, given: Mapping[str, Any], own: Mapping[str, Any], base: Path) -> None:
    """Refuse dimensions that are not the base model's.

    Args:
        section: of the settings ("sovits.model"), for the message.
        given: what the recipe says.
        own: what the base model has.
        base: its file, for the message.

    Raises:
        SettingsError: a dimension differs that a tensor has the shape of.
    """
    for key, value in given.items():
        if key in own and key not in CHANGEABLE_KEYS and _plain(value) != _plain(own[key]):
            raise SettingsError(
                f"{section}.{key} is {value}, but {base} has {own[key]}",
                code="train.other_dimensions",
            )


def _refuse_unbuilt(given: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise SettingsError for official variants that are not built."""
    for key, only in SUPPORTED_VALUES.items():
        _, section, name = key.split(".")
        if given[section].get(name, only) != only:
            raise SettingsError(f"{key} is {given[section][name]}: only {only} is built", hint=f"leave {key} away")
    data = given["data"]
    window, size = data.get("win_length"), data.get("filter_length")
    if window is not None and size is not None and window != size:
        raise SettingsError(
            f"sovits.data.win_length is {window} and sovits.data.filter_length is {size}: they must be equal",
            hint="leave sovits.data.win_length away",
        )
    if "mel_fmax" in data and data["mel_fmax"] != data.get("sampling_rate", 0) / 2:
        raise SettingsError(
            f"sovits.data.mel_fmax is {data['mel_fmax']}: only half the sample rate is built",
            hint="leave sovits.data.mel_fmax away",
        )


def _plain(value: Any) -> Any:
    """Lists for tuples, as JSON has them."""
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
