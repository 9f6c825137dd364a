"""From settings to something that can be trained: the engine, networks, clips, batches and losses of each stage.

    settings ─┬─> networks.py      the base model's weights, or new ones
              ├─> data.py          clips -> batches, a held-out share, a curriculum
              ├─> planner.py       the batch size that fits
              └─> stages/*.py      losses and optimisers          all of it in one `StageSetup`, for `trainer.py`

The content encoder, which is trained for a new family and not for a voice, has a setup of its own: `setup_content.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from torch import Tensor

from sovits_cli.config.schema import Settings
from sovits_cli.data.batching import SovitsBatch, SovitsItem, collate_gpt, collate_sovits
from sovits_cli.data.datasets import GptDataset, GptLimits, SovitsDataset, SovitsLimits
from sovits_cli.errors import SettingsError
from sovits_cli.events import Reporter, Warned
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.terms import Stage
from sovits_cli.training import export, networks
from sovits_cli.training.context import (
    Speaker,
    VoiceTrainContext,
    batch_size,
    batching,
    make_engine,
    report_clips,
    sample_writer,
    seed_all,
    total_updates,
    trainer_config,
    with_curriculum,
)
from sovits_cli.training.data import StageData, make_stage_data
from sovits_cli.training.engine import Engine
from sovits_cli.training.memory_profiler import MemoryProfiler, synthetic_gpt_batch, synthetic_sovits_batch
from sovits_cli.training.optim import DEFAULT_GPT_RATES, AdamWSettings, LearningRateSchedule
from sovits_cli.training.stages.base import Batch, TrainingStage
from sovits_cli.training.stages.flow import FlowStage
from sovits_cli.training.stages.gpt import GptStage, GptStageOptions
from sovits_cli.training.stages.sovits import SovitsStage, SovitsStageOptions
from sovits_cli.training.trainer_config import TrainerConfig
from sovits_cli.versions import DecoderKind

Item = TypeVar("Item", bound=Batch)

MAX_ACCUMULATION = 4
"""Batches per update by default, as in the official trainer …"""

MIN_UPDATES_PER_EPOCH = 8
"""… but an epoch of a small dataset still has this many updates, if it has so many batches."""

MAX_WARM_UP_STEPS = 500
ZERO_RATE = LearningRateSchedule(0.0)
"""Of a step that only shows what it costs."""

SOVITS_WARM_UP_FROM = 0.01
"""Share of the learning rate at which the warm-up of the SoVITS stage begins."""


@dataclass(frozen=True, kw_only=True)
class StageSetup(Generic[Item]):
    """A stage ready to run.

    Args:
        stage, engine, config, data: what the trainer takes.
        fingerprint_of: what a saved state must have been made with; its keys and values are hashed, so they stay.
        write_samples: speaks a few sentences at a step.
        profiler: finds what a step costs.
        lengths_s: of all clips of the stage, by number.
        mark_best: remembers that the newest export is the best so far.
    """

    stage: TrainingStage[Item]
    engine: Engine
    config: TrainerConfig
    data: StageData[Item]
    fingerprint_of: Mapping[str, Any]
    profiler: MemoryProfiler[Item]
    lengths_s: Sequence[float]
    write_samples: Callable[[int], object] = lambda _: None
    mark_best: Callable[[], None] = lambda: None


# --- the stages of a voice ----------------------------------------------------------------------------------------


def setup_gpt(context: VoiceTrainContext) -> StageSetup[Any]:
    """The GPT stage: phones to semantic tokens."""
    settings, train = context.settings, context.settings.train
    engine = make_engine(context, train.precision, is_set=context.is_set("train.precision"))
    seed_all(train.seed)
    model = engine.place(networks.build_gpt(context.base, settings))
    model.h.activation_checkpointing = train.activation_checkpointing
    # The official recipes name the end token as padding: another value would be another model.
    if context.is_set("data.pad_val") and settings.data.pad_val != model.config.eos:
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
    report_clips(context, Stage.GPT, clips)
    options = GptStageOptions(
        optimizer=settings.optimizer.name,
        alignment_loss_weight=networks.training_defaults(context.base, settings).alignment_loss_weight,
        token_noise=train.token_noise,
        preference_loss=train.if_dpo,
        loss_on_padding=train.loss_on_padding,
    )

    def make_stage(schedule: LearningRateSchedule) -> GptStage:
        return GptStage(model, options, schedule=schedule, export=context.exporter.gpt)

    profiler = MemoryProfiler(lambda: make_stage(ZERO_RATE), engine, partial(synthetic_gpt_batch, model.config))
    collate = partial(collate_gpt, pad_token=model.config.eos, bert_dim=model.config.bert_dim)
    how = batching(context, train.batch_seconds, train.seed, batch_size(context, train.batch_size, profiler, clips))
    found = make_stage_data(clips, collate, how, context.reporter)
    config = trainer_config(
        settings,
        epochs=train.epochs,
        max_steps=train.max_steps,
        accumulation=train.gradient_accumulation or _default_accumulation(found.batches_per_epoch),
        clip_norm=train.gradient_clip,
        save_every_epochs=train.save_every_n_epoch,
    )
    found = with_curriculum(context, found, config)
    stage = make_stage(_gpt_schedule(settings, total_updates(context, config, found), context.reporter))
    voice = export.BaseVoice(context.base, context.experiment, engine.device)
    can_speak = not context.base.version.decoder.vocoder
    speak = partial(export.speak_with_gpt, model, voice=voice) if can_speak else None
    return StageSetup(
        stage=stage,
        engine=engine,
        config=config,
        data=found,
        fingerprint_of={**model.config.to_official(), "optimizer": settings.optimizer.name},
        profiler=profiler,
        lengths_s=clips.lengths_s,
        write_samples=sample_writer(
            context, clips, found, Speaker(Stage.GPT, context.base.version.spec.sample_rate, speak)
        ),
        mark_best=partial(context.exporter.mark_best, context.folder, Stage.GPT.value),
    )


def setup_sovits(context: VoiceTrainContext) -> StageSetup[Any]:
    """The SoVITS stage: tokens, phones and a style to speech, by whatever decoder the version has."""
    settings, train, own = context.settings, context.settings.train, context.settings.sovits.train
    is_set = own.precision is not None or context.is_set("train.precision")
    engine = make_engine(context, own.precision or train.precision, is_set=is_set)
    seed = train.seed if own.seed is None else own.seed
    seed_all(seed)
    decoder = DECODERS[context.base.version.decoder.kind](context, engine)
    clips = SovitsDataset(
        context.experiment,
        context.base.version.symbols,
        decoder.config.spec,
        content_channels=decoder.config.content_channels,
        speaker_channels=decoder.config.speaker_channels,
        limits=SovitsLimits(min_sec=max(settings.data.min_sec, decoder.min_clip_s), max_sec=settings.data.max_sec),
    )
    report_clips(context, Stage.SOVITS, clips)
    make_batch = partial(synthetic_sovits_batch, decoder.config)
    profiler = MemoryProfiler(lambda: decoder.make_stage(ZERO_RATE), engine, make_batch)
    size = batch_size(context, own.batch_size or train.batch_size, profiler, clips)
    how = batching(context, own.batch_seconds or train.batch_seconds, seed, size)
    found = make_stage_data(clips, collate_sovits, how, context.reporter)
    config = trainer_config(
        settings,
        epochs=own.epochs,
        max_steps=own.max_steps or train.max_steps,
        accumulation=own.gradient_accumulation,
        clip_norm=train.gradient_clip if own.gradient_clip is None else own.gradient_clip,
        save_every_epochs=own.save_every_epoch,
    )
    found = with_curriculum(context, found, config)
    schedule = LearningRateSchedule(
        peak=own.learning_rate,
        initial=own.learning_rate * SOVITS_WARM_UP_FROM,
        final=own.lr_end or 0.0,
        warmup_steps=own.warmup_steps,
        # The official SoVITS trainer decays once an epoch and has no cosine; `lr_end` asks for one.
        decay_steps=0 if own.lr_end is None else own.decay_steps or total_updates(context, config, found),
        epoch_decay=own.lr_decay,
    )
    speaker = Speaker(Stage.SOVITS, decoder.config.sampling_rate, decoder.speak)
    return StageSetup(
        stage=decoder.make_stage(schedule),
        engine=engine,
        config=config,
        data=found,
        fingerprint_of=decoder.fingerprint_of,
        profiler=profiler,
        lengths_s=clips.lengths_s,
        write_samples=sample_writer(context, clips, found, speaker),
        mark_best=partial(context.exporter.mark_best, context.folder, Stage.SOVITS.value),
    )


@dataclass(frozen=True)
class DecoderSetup:
    """The networks of the SoVITS stage, by the kind of decoder.

    Args:
        config: of the encoders, and of what a batch holds.
        min_clip_s: seconds of the shortest clip that can be trained on.
        make_stage: makes the stage.
        fingerprint_of: what must be the same for a saved state to go on.
        speak: speaks a clip; None where that takes more than these networks.
    """

    config: SovitsConfig
    min_clip_s: float
    make_stage: Callable[[LearningRateSchedule], TrainingStage[SovitsBatch]]
    fingerprint_of: Mapping[str, Any]
    speak: Callable[[SovitsItem], Tensor] | None


def setup_vits(context: VoiceTrainContext, engine: Engine) -> DecoderSetup:
    """Networks that make samples, with discriminators."""
    _warn_unused(context, networks.FLOW_KEYS)
    own, defaults = context.settings.sovits.train, networks.training_defaults(context.base, context.settings)
    built = networks.build_vits(context.base, context.settings, context.reporter)
    model = engine.place(built.model)
    model.activation_checkpointing = context.settings.train.activation_checkpointing
    discriminators = None if built.discriminators is None else engine.place(built.discriminators)
    config = model.config
    options = SovitsStageOptions(
        mel_weight=own.c_mel,
        kl_weight=own.c_kl,
        stft_weight=defaults.stft_loss_weight,
        adamw=_adamw_settings(context.settings),
    )
    return DecoderSetup(
        config,
        (config.segment_frames + 1) * config.hop_length / config.sampling_rate,
        lambda schedule: SovitsStage(model, discriminators, options, schedule=schedule, export=context.exporter.sovits),
        {
            **config.to_official(),
            "discriminator": defaults.discriminator_width,
            "posterior": defaults.posterior_encoder,
        },
        partial(export.speak_with_sovits, model),
    )


def setup_flow(context: VoiceTrainContext, engine: Engine) -> DecoderSetup:
    """A network that makes mel spectrograms along a flow."""
    _warn_unused(context, networks.VITS_KEYS)
    model = engine.place(networks.build_flow(context.base, context.settings, context.reporter))
    model.cfm.estimator.activation_checkpointing = context.settings.train.activation_checkpointing
    adamw = _adamw_settings(context.settings)
    return DecoderSetup(
        model.config,
        0.0,
        lambda schedule: FlowStage(model, adamw, schedule=schedule, export=context.exporter.flow),
        {**model.flow_config.to_official(), "lora_rank": context.settings.sovits.train.lora_rank},
        None,
    )


DECODERS: dict[DecoderKind, Callable[[VoiceTrainContext, Engine], DecoderSetup]] = {
    DecoderKind.VITS: setup_vits,
    DecoderKind.FLOW: setup_flow,
}
"""The table of networks, by the trait that versions name."""


def _warn_unused(context: VoiceTrainContext, unused: tuple[str, ...]) -> None:
    networks.warn_unused_settings(context.base, context.settings, context.is_set, context.reporter, unused=unused)


def _adamw_settings(settings: Settings) -> AdamWSettings:
    own = settings.sovits.train
    return AdamWSettings(betas=own.betas, eps=own.eps, text_rate_scale=own.text_low_lr_rate)


def _default_accumulation(batches_per_epoch: int) -> int:
    return min(MAX_ACCUMULATION, max(1, batches_per_epoch // MIN_UPDATES_PER_EPOCH))


def _gpt_schedule(settings: Settings, updates: int, reporter: Reporter) -> LearningRateSchedule:
    """Warm-up and decay over this run, unless the settings say over how many steps."""
    own = settings.optimizer
    peak = DEFAULT_GPT_RATES[own.name] if own.lr is None else own.lr
    warmup = min(updates // 20, MAX_WARM_UP_STEPS) if own.warmup_steps is None else own.warmup_steps
    if warmup >= updates:
        text = f"gpt: optimizer.warmup_steps is {warmup}, but the run has {updates} updates"
        reporter.emit(Warned(f"{text}: the learning rate never reaches {peak:g}", code="train.warm_up_too_long"))
    return LearningRateSchedule(
        peak=peak,
        initial=min(own.lr_init, peak),
        final=min(own.lr_end, peak),
        warmup_steps=warmup,
        decay_steps=own.decay_steps or updates,
    )
