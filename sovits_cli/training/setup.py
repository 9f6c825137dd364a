"""What each stage of a run is made of, by the settings: its networks, clips, batches, config, losses.

A new stage is a function here and a row in `pipeline.STAGES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from torch import Tensor

from sovits_cli.config.schema import Settings
from sovits_cli.data.batching import GptItem, SovitsBatch, SovitsItem, collate_gpt, collate_sovits
from sovits_cli.data.datasets import GptDataset, GptLimits, SovitsDataset, SovitsLimits
from sovits_cli.errors import SettingsError
from sovits_cli.events import Reporter, Warned
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.terms import Stage
from sovits_cli.training import build_flow, networks, samples
from sovits_cli.training.data import StageData
from sovits_cli.training.engine import Engine
from sovits_cli.training.job import (
    VoiceTrainContext,
    batches,
    make_engine,
    risen,
    seed_all,
    speaking,
    tell,
    total_updates,
    trainer_config,
)
from sovits_cli.training.memory_profiler import MemoryProfiler, gpt_batch, sovits_batch
from sovits_cli.training.planner import batch_size
from sovits_cli.training.samples import Speak
from sovits_cli.training.schedule import Schedule
from sovits_cli.training.stages.base import Batch, TrainingStage
from sovits_cli.training.stages.flow import FlowStage
from sovits_cli.training.stages.gpt import DEFAULT_RATES, GptStage
from sovits_cli.training.stages.sovits import AdamWSettings, SovitsStage, Weights
from sovits_cli.training.trainer import TrainerConfig
from sovits_cli.versions import DecoderKind

Item = TypeVar("Item", bound=Batch)

MAX_ACCUMULATION = 4
"""Batches per update by default, as in the official trainer …"""

MIN_UPDATES_PER_EPOCH = 8
"""… but an epoch of a small dataset still has this many updates, if it has so many batches."""

MAX_WARM_UP_STEPS = 500
ZERO_RATE = Schedule(0.0)
"""Of a step that only shows what it costs."""

SOVITS_WARM_UP_FROM = 0.01
"""Share of the learning rate at which the warm-up of the SoVITS stage begins."""


@dataclass(frozen=True)
class StageSetup(Generic[Item]):
    """A stage ready to run.

    Args:
        stage, engine, config, material: what `trainer.Trainer` takes.
        described: what a saved state must have been made with.
        speak: speaks a few sentences at a step.
        mark_best: remembers that the newest export is the best so far.
        profiler: finds what a step costs.
        lengths_s: of all clips of the stage, by number.
    """

    stage: TrainingStage[Item]
    engine: Engine
    config: TrainerConfig
    material: StageData[Item]
    described: Mapping[str, Any]
    speak: Speak
    profiler: MemoryProfiler[Item]
    lengths_s: Sequence[float]
    mark_best: Callable[[], None] = lambda: None


def setup_gpt(context: VoiceTrainContext) -> StageSetup[Any]:
    """The GPT stage."""
    settings = context.settings
    engine = make_engine(context, settings.train.precision, asked=context.given("train.precision"))
    seed_all(settings.train.seed)
    model = engine.place(networks.gpt(context.base, settings))
    if context.given("data.pad_val") and settings.data.pad_val != model.config.eos:
        raise SettingsError(
            f"data.pad_val is {settings.data.pad_val}, but the end token of the model is {model.config.eos}",
            hint="leave data.pad_val away",
        )
    clips = GptDataset(
        context.experiment,
        context.base.version.symbols,
        limits=GptLimits(
            min_sec=settings.data.min_sec,
            max_sec=settings.data.max_sec,
            min_phones_per_s=settings.data.min_phones_per_sec,
            max_phones_per_s=settings.data.max_phones_per_sec,
            max_phones=settings.data.max_phones,
        ),
        vocab=model.config.vocab,
        bert_dim=model.config.bert_dim,
    )
    tell(context, Stage.GPT, clips)
    collate = partial(collate_gpt, pad_token=model.config.eos, bert_dim=model.config.bert_dim)

    def stage_of(schedule: Schedule) -> GptStage:
        return GptStage(
            model,
            optimizer=settings.optimizer.name,
            schedule=schedule,
            export=context.exporter.gpt,
            alignment=networks.training_defaults(context.base, settings).alignment_loss_weight,
            token_noise=settings.train.token_noise,
            preference=settings.train.if_dpo,
            count_padding=settings.train.loss_on_padding,
        )

    model.h.activation_checkpointing = settings.train.activation_checkpointing
    profiler = MemoryProfiler(lambda: stage_of(ZERO_RATE), engine, partial(gpt_batch, model.config))
    size = batch_size(settings.train.batch_size, profiler, clips.lengths_s, context.budget_bytes, context.reporter)
    size = min(context.distributed.all_gather(size))
    found = batches(context, clips, collate, size, settings.train.batch_seconds, settings.train.seed)
    config = trainer_config(
        settings,
        epochs=settings.train.epochs,
        max_steps=settings.train.max_steps,
        accumulation=settings.train.gradient_accumulation or _accumulation(found.batches_per_epoch),
        clip_norm=settings.train.gradient_clip,
        save_every_epochs=settings.train.save_every_n_epoch,
    )
    found = risen(context, found, config)
    stage = stage_of(_gpt_schedule(settings, total_updates(context, config, found), context.reporter))
    described = {**model.config.to_official(), "optimizer": settings.optimizer.name}
    voice = samples.Voice(context.base, context.experiment, engine.device)

    def speak(clip: GptItem) -> Tensor | None:
        return samples.by_gpt(model, clip, voice)

    speak_some = speaking(
        context,
        Stage.GPT,
        clips,
        found,
        speak if not context.base.version.decoder.vocoder else None,
        context.base.version.spec.sample_rate,
    )
    remember = partial(context.exporter.mark_best, context.folder, Stage.GPT.value)
    return StageSetup(stage, engine, config, found, described, speak_some, profiler, clips.lengths_s, remember)


def setup_sovits(context: VoiceTrainContext) -> StageSetup[Any]:
    """The SoVITS stage."""
    settings, own = context.settings, context.settings.sovits.train
    asked = own.precision is not None or context.given("train.precision")
    engine = make_engine(context, own.precision or settings.train.precision, asked=asked)
    seed = settings.train.seed if own.seed is None else own.seed
    seed_all(seed)
    build_flow.warn_unused_settings(context.base, settings, context.given, context.reporter)
    acoustic = ACOUSTICS[context.base.version.decoder.kind](context, engine)
    config = acoustic.config
    clips = SovitsDataset(
        context.experiment,
        context.base.version.symbols,
        config.spec,
        content_channels=config.content_channels,
        speaker_channels=config.speaker_channels,
        limits=SovitsLimits(min_sec=max(settings.data.min_sec, acoustic.shortest_s), max_sec=settings.data.max_sec),
    )
    tell(context, Stage.SOVITS, clips)
    profiler = MemoryProfiler(lambda: acoustic.stage(ZERO_RATE), engine, partial(sovits_batch, config))
    wanted = own.batch_size or settings.train.batch_size
    size = batch_size(wanted, profiler, clips.lengths_s, context.budget_bytes, context.reporter)
    size = min(context.distributed.all_gather(size))
    found = batches(context, clips, collate_sovits, size, own.batch_seconds or settings.train.batch_seconds, seed)
    run_config = trainer_config(
        settings,
        epochs=own.epochs,
        max_steps=own.max_steps or settings.train.max_steps,
        accumulation=own.gradient_accumulation,
        clip_norm=settings.train.gradient_clip if own.gradient_clip is None else own.gradient_clip,
        save_every_epochs=own.save_every_epoch,
    )
    found = risen(context, found, run_config)
    updates = total_updates(context, run_config, found)
    stage = acoustic.stage(
        Schedule(
            peak=own.learning_rate,
            initial=own.learning_rate * SOVITS_WARM_UP_FROM,
            final=own.lr_end or 0.0,
            warmup_steps=own.warmup_steps,
            decay_steps=0 if own.lr_end is None else own.decay_steps or updates,
            epoch_decay=own.lr_decay,
        )
    )

    speak_some = speaking(context, Stage.SOVITS, clips, found, acoustic.speak, config.sampling_rate)
    remember = partial(context.exporter.mark_best, context.folder, Stage.SOVITS.value)
    return StageSetup(
        stage, engine, run_config, found, acoustic.described, speak_some, profiler, clips.lengths_s, remember
    )


@dataclass(frozen=True)
class Acoustic:
    """The networks of the SoVITS stage.

    Args:
        config: of the encoders, and of what a batch holds.
        shortest_s: seconds of the shortest clip that can be trained on.
        stage: makes the stage.
        described: what must be the same for a saved state to go on.
        speak: speaks a clip; None where that takes more than these networks.
    """

    config: SovitsConfig
    shortest_s: float
    stage: Callable[[Schedule], TrainingStage[SovitsBatch]]
    described: Mapping[str, Any]
    speak: Callable[[SovitsItem], Tensor] | None


def setup_vits(context: VoiceTrainContext, engine: Engine) -> Acoustic:
    """Networks that make samples, with discriminators."""
    own, training_defaults = context.settings.sovits.train, networks.training_defaults(context.base, context.settings)
    built = networks.acoustic(context.base, context.settings, context.reporter)
    model = engine.place(built.model)
    model.activation_checkpointing = context.settings.train.activation_checkpointing
    discriminators = None if built.discriminators is None else engine.place(built.discriminators)
    config = model.config
    return Acoustic(
        config,
        (config.segment_frames + 1) * config.hop_length / config.sampling_rate,
        lambda schedule: SovitsStage(
            model,
            discriminators,
            weights=Weights(mel=own.c_mel, kl=own.c_kl, stft=training_defaults.stft_loss_weight),
            rule=_rule(context.settings),
            schedule=schedule,
            export=context.exporter.sovits,
        ),
        {
            **config.to_official(),
            "discriminator": training_defaults.discriminator_width,
            "posterior": training_defaults.posterior_encoder,
        },
        partial(samples.by_sovits, model),
    )


def setup_flow(context: VoiceTrainContext, engine: Engine) -> Acoustic:
    """A network that makes mel spectrograms along a flow."""
    model = engine.place(build_flow.flow(context.base, context.settings, context.reporter))
    model.cfm.estimator.activation_checkpointing = context.settings.train.activation_checkpointing
    return Acoustic(
        model.config,
        0.0,
        lambda schedule: FlowStage(
            model, rule=_rule(context.settings), schedule=schedule, export=context.exporter.flow
        ),
        {**model.flow_config.to_official(), "lora_rank": context.settings.sovits.train.lora_rank},
        None,
    )


ACOUSTICS: dict[DecoderKind, Callable[[VoiceTrainContext, Engine], Acoustic]] = {
    DecoderKind.VITS: setup_vits,
    DecoderKind.FLOW: setup_flow,
}
"""The table of networks, by the trait that versions name."""


def _rule(settings: Settings) -> AdamWSettings:
    own = settings.sovits.train
    return AdamWSettings(betas=own.betas, eps=own.eps, text_rate_scale=own.text_low_lr_rate)


def _accumulation(batches_per_epoch: int) -> int:
    return min(MAX_ACCUMULATION, max(1, batches_per_epoch // MIN_UPDATES_PER_EPOCH))


def _gpt_schedule(settings: Settings, updates: int, reporter: Reporter) -> Schedule:
    """Warm-up and decay over this run, unless the settings say over how many steps."""
    own = settings.optimizer
    peak = DEFAULT_RATES[own.name] if own.lr is None else own.lr
    warmup = min(updates // 20, MAX_WARM_UP_STEPS) if own.warmup_steps is None else own.warmup_steps
    if warmup >= updates:
        reporter.emit(
            Warned(
                f"gpt: optimizer.warmup_steps is {warmup}, but the run has {updates} updates: "
                f"the learning rate never reaches {peak:g}",
                "--set optimizer.warmup_steps=null suits it to the run",
            )
        )
    return Schedule(
        peak=peak,
        initial=min(own.lr_init, peak),
        final=min(own.lr_end, peak),
        warmup_steps=warmup,
        decay_steps=own.decay_steps or updates,
    )
