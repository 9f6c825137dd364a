"""Builds the network of a run whose base model has a flow, with low-rank additions if only those are to be trained.

Knows model files through `checkpoints/` and settings by their sections; knows no dataset.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.checkpoints.networks import load_flow
from sovits_cli.config.schema import Settings
from sovits_cli.errors import SettingsError
from sovits_cli.events import Note, Reporter, Warned
from sovits_cli.models.cfm.flow_model import FlowModel
from sovits_cli.models.cfm.lora import add_lora
from sovits_cli.training.networks import refuse_other_dimensions, training_defaults
from sovits_cli.versions import DecoderKind

FLOW_KEYS = ("lora_rank",)
VITS_KEYS = ("segment_size", "c_mel", "c_kl", "c_stft", "posterior_encoder", "discriminator_width", "text_low_lr_rate")
"""Keys of `sovits.train` that mean something for one kind of model only …"""

POSTERIOR_KEYS = ("c_kl",)
"""… and where there is a posterior encoder."""


def flow(base: Bundle, settings: Settings, reporter: Reporter) -> FlowModel:
    """The network of the SoVITS stage, on the CPU.

    Raises:
        SettingsError: the recipe contradicts the base model, or wants a new one.
        ModelError: the base cannot be read.
    """
    if settings.train.from_scratch:
        raise SettingsError(
            f"{base.version.name} models are not trained from scratch: their encoders stay those of the base model",
            hint="leave --from-scratch away, or choose another --model",
        )
    model = load_flow(base)
    sections = {**asdict(model.config), **model.config.to_official()["data"], "version": base.version.name}
    for name in ("model", "data"):
        said = getattr(settings.sovits, name).model_dump(mode="json", exclude_none=True)
        refuse_other_dimensions(f"sovits.{name}", said, sections, base.sovits)
    rank = settings.sovits.train.lora_rank
    if rank:
        add_lora(model.cfm, rank)
        reporter.emit(Note(f"sovits: LoRA of rank {rank}; --set sovits.train.lora_rank=0 tunes the whole flow"))
    return model


def warn_unused_settings(base: Bundle, settings: Settings, given: Callable[[str], bool], reporter: Reporter) -> None:
    """Name the settings that were said and mean nothing for this kind of model."""
    unused: tuple[str, ...] = FLOW_KEYS if base.version.decoder.kind is DecoderKind.VITS else VITS_KEYS
    if not training_defaults(base, settings).posterior_encoder:
        unused += POSTERIOR_KEYS
    for name in unused:
        key = f"sovits.train.{name}"
        if given(key):
            reporter.emit(Warned(f"{key} changes nothing: a {base.version.name} model is trained another way"))
