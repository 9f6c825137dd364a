"""What the content stage is made of, by the settings: its encoder, recordings, batches and length.

What `content.*` sets wins over what `train.*` sets. A key that the stage has no use for is refused if it was given for
this run, and named where it stands in a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from sovits_cli.config import fields
from sovits_cli.data.aligned_dataset import (
    AlignedBatch,
    AlignedDataset,
    AlignedItem,
    collate_aligned,
    content_frames,
    content_samples,
)
from sovits_cli.errors import DatasetError, SettingsError, UsageError
from sovits_cli.events import Note
from sovits_cli.models.phonetic import PhoneticConfig, PhoneticEncoder
from sovits_cli.terms import FRAMES_PER_TOKEN, SSL_RATE_HZ, Stage
from sovits_cli.training.context import (
    SettingSource,
    TrainContext,
    batch_size,
    batching,
    make_engine,
    report_clips,
    seed_all,
    total_updates,
    trainer_config,
)
from sovits_cli.training.data import StageData, make_stage_data
from sovits_cli.training.memory_profiler import MemoryProfiler
from sovits_cli.training.optim import LearningRateSchedule
from sovits_cli.training.setup import ZERO_RATE, StageSetup
from sovits_cli.training.stages.content import CROP_FRAMES, MAX_CODEBOOK_CLIPS, ContentStage, FamilyExporter
from sovits_cli.training.trainer_config import TrainerConfig
from sovits_cli.versions import ContentKind, version

DEFAULT_STEPS = 1200
DEFAULT_BATCH_SIZE = 16
MIN_CLIPS = 20

CROP_S = content_samples(CROP_FRAMES) / SSL_RATE_HZ

WARM_UP_SHARE = 0.1
FIRST_RATE = 1 / 25
LAST_RATE = 1 / 250_000
"""Of the highest learning rate (the usual "1cycle" of Smith & Topin 2018)."""

OTHER_STAGES = ("model.", "optimizer.", "sovits.")
"""Sections of the other stages: a file may hold them, as the settings of the gpt stage may hold those of sovits."""

UNUSED: dict[str, tuple[object, ...]] = {
    "train.model": (None,),
    "train.from_scratch": (True,),
    "train.keep_weights": (None, 1),
    "train.alignment_loss_weight": (None, 0.0),
    "train.token_noise": (0.0,),
    "train.loss_on_padding": (False,),
    "train.if_dpo": (False,),
    "train.audio_samples": (0,),
    "data.curriculum_start_sec": (None,),
    "data.curriculum_phases": (),
    "data.pad_val": (),
    "data.min_phones_per_sec": (),
    "data.max_phones_per_sec": (),
    "data.max_phones": (None,),
}
"""Keys that the stage has no use for -> the values that are true of it all the same."""


def setup_content(context: TrainContext) -> StageSetup[AlignedBatch]:
    """The content stage."""
    settings, own = context.settings, context.settings.content
    family = version(own.family)
    if family.content is not ContentKind.PHONETIC:
        raise SettingsError(
            f"content.family is {own.family}, whose content encoder is {family.content.value}",
            hint="content.family: mini",
        )
    is_set = own.precision is not None or context.is_set("train.precision")
    engine = make_engine(context, _own_or_shared(context, "precision"), is_set=is_set)
    seed = _own_or_shared(context, "seed")
    seed_all(seed)
    clips = _recordings(context)
    config = PhoneticConfig(width=own.width, layers=own.layers, phones=clips.phones)
    encoder = engine.place(PhoneticEncoder(config))
    encoder.activation_checkpointing = settings.train.activation_checkpointing
    profiler = MemoryProfiler(
        lambda: ContentStage(encoder, schedule=ZERO_RATE, export=_no_export), engine, synthetic_batch
    )
    size = batch_size(context, _batch_size(context), profiler, clips)
    how = batching(context, _own_or_shared(context, "batch_seconds"), seed, size)
    found = make_stage_data(_Crops(clips), collate_aligned, how, context.reporter)
    run_config = _trainer_config(context)
    updates = total_updates(context, run_config, found)
    schedule = LearningRateSchedule(
        peak=own.learning_rate,
        initial=own.learning_rate * FIRST_RATE,
        final=own.learning_rate * LAST_RATE,
        warmup_steps=int(updates * WARM_UP_SHARE),
        decay_steps=updates,
    )
    return StageSetup(
        stage=ContentStage(encoder, schedule=schedule, export=_exporter(context, clips, found, seed)),
        engine=engine,
        config=run_config,
        data=found,
        fingerprint_of={**encoder.config.to_dict(), "family": family.name, "codes": own.codebook_size},
        profiler=profiler,
        lengths_s=clips.lengths_s,
    )


def refuse_unused_settings(context: TrainContext) -> None:
    """Refuse a key that was set for this very run and has no use in the stage; name one that a file holds.

    Raises:
        UsageError: a flag or a key of this run belongs to other stages.
    """
    for key, accepted in UNUSED.items():
        section, name = key.split(".")
        value = getattr(getattr(context.settings, section), name)
        source, where = context.origins.source(key), context.origins.where(key)
        place = f" ({where})" if where else ""
        if source is SettingSource.DEFAULT or value in accepted:
            continue
        if source is not SettingSource.AMBIENT:
            text = f"{key} is {value}{place}: it has no part in the content stage"
            raise UsageError(text, code="train.not_of_content")
        context.report_once(Note(f"content: {key}{place} has no part in this stage"))
    for key in fields.table():
        if key.startswith(OTHER_STAGES) and context.origins.source(key) is SettingSource.KEY:
            text = f"{key} ({context.origins.where(key)}): it belongs to another stage than the content stage"
            raise UsageError(text, code="train.not_of_content")


def synthetic_batch(clips: int, seconds: float) -> AlignedBatch:
    """Recordings of noise to try a step with."""
    samples = max(int(seconds * SSL_RATE_HZ), content_samples(CROP_FRAMES))
    wave = torch.rand(samples, generator=torch.Generator().manual_seed(0)) - 0.5
    return collate_aligned([AlignedItem("", wave, torch.zeros(content_frames(samples), dtype=torch.int64))] * clips)


class _Crops:
    """The recordings as what trains of each: a crop of three seconds."""

    def __init__(self, clips: AlignedDataset) -> None:
        self._clips = clips
        self.left_out, self.names = clips.left_out, clips.names
        self.lengths_s: Sequence[float] = [CROP_S] * len(clips)

    def __getitem__(self, index: int) -> AlignedItem:
        return self._clips[index]

    def __len__(self) -> int:
        return len(self._clips)


def _recordings(context: TrainContext) -> AlignedDataset:
    """The recordings that are long enough, and enough of them.

    Raises:
        DatasetError: too few.
    """
    data = context.settings.data
    clips = AlignedDataset(context.dataset, min_sec=max(data.min_sec, CROP_S), max_sec=data.max_sec)
    if len(clips) < MIN_CLIPS:
        first = f"; left out: {clips.left_out[0].name}: {clips.left_out[0].reason}" if clips.left_out else ""
        raise DatasetError(
            f"{context.dataset}: {len(clips)} recordings of 3 s or more with timed phones, "
            f"expected at least {MIN_CLIPS}{first}",
            hint="each is <name>.wav and <name>.phones with lines of 'end_seconds phone'",
        )
    report_clips(context, Stage.CONTENT, clips, advise=False)
    return clips


def _exporter(context: TrainContext, clips: AlignedDataset, found: StageData[Any], seed: int) -> FamilyExporter:
    held_out = tuple(found.sample_clips) if found.held_out_clips else ()
    training = tuple(number for number in range(len(clips)) if number not in set(held_out))
    size = context.settings.content.codebook_size
    pairs = [content_frames(int(clips.lengths_s[number] * SSL_RATE_HZ)) // FRAMES_PER_TOKEN for number in training]
    if sum(sorted(pairs)[:MAX_CODEBOOK_CLIPS]) < size:
        raise SettingsError(
            f"content.codebook_size is {size}, but the recordings hold only {sum(pairs)} pairs of frames",
            hint="record more, or lower content.codebook_size",
        )
    return FamilyExporter(
        name=context.name,
        version=context.settings.content.family,
        codebook_size=size,
        seed=seed,
        clips=clips,
        training=training,
        held_out=held_out,
        reporter=context.reporter,
    )


def _trainer_config(context: TrainContext) -> TrainerConfig:
    """By steps or by epochs, whichever was set nearest to the stage."""
    settings, own = context.settings, context.settings.content
    if own.steps is not None and own.epochs is not None:
        raise SettingsError(
            f"content.steps is {own.steps} and content.epochs is {own.epochs}: both say how long the stage trains",
            code="train.steps_and_epochs",
        )
    steps, epochs = own.steps, own.epochs
    if steps is None and epochs is None:
        steps = settings.train.max_steps
        epochs = settings.train.epochs if context.is_set("train.epochs") else None
    if steps is None and epochs is None:
        steps = DEFAULT_STEPS
    config = trainer_config(
        settings,
        epochs=epochs or 1,
        max_steps=steps,
        accumulation=_own_or_shared(context, "gradient_accumulation") or 1,
        clip_norm=_own_or_shared(context, "gradient_clip"),
        save_every_epochs=own.save_every_epoch or settings.train.save_every_n_epoch,
    )
    each_save = context.is_set("train.if_save_every_weights") and settings.train.if_save_every_weights
    return replace(config, export_each_save=each_save)  # a codebook takes about a minute: at the end, unless asked


def _own_or_shared(context: TrainContext, name: str) -> Any:
    """A value of the stage, else the one that all stages share."""
    own = getattr(context.settings.content, name)
    return getattr(context.settings.train, name) if own is None else own


def _batch_size(context: TrainContext) -> int | str:
    if context.settings.content.batch_size is None and not context.is_set("train.batch_size"):
        return DEFAULT_BATCH_SIZE
    size: int | str = _own_or_shared(context, "batch_size")
    return size


def _no_export(*_: object) -> Any:
    raise AssertionError("a step that is tried exports nothing")
