"""What the stages of a run share, and what each of them makes of the settings in the same way.

Knows settings and where they were set; what a stage is made of stands in `setup.py`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.config.schema import Settings
from sovits_cli.data.experiment import Experiment
from sovits_cli.errors import SovitsError
from sovits_cli.events import Event, Note, Reporter, Warned
from sovits_cli.terms import Precision, Stage
from sovits_cli.training import export
from sovits_cli.training.curriculum import phase_limits_s
from sovits_cli.training.data import BatchingOptions, ClipDataset, ClipSurvey, StageData
from sovits_cli.training.distributed import SINGLE_PROCESS, DistributedContext
from sovits_cli.training.engine import Engine, lacks_bf16, trainable_precision
from sovits_cli.training.export import Exporter
from sovits_cli.training.memory_profiler import MemoryProfiler
from sovits_cli.training.planner import choose_batch_size
from sovits_cli.training.stages.base import Batch
from sovits_cli.training.trainer_config import StopRequest, TrainerConfig

Made = TypeVar("Made", bound=Batch)

FROM_SCRATCH = "from scratch"


class SettingSource(Enum):
    """Who set a key: nobody, a file or variable that holds for many runs, a flag, or the key itself for this run."""

    DEFAULT = "default"
    AMBIENT = "ambient"
    FLAG = "flag"
    KEY = "key"


class SettingOrigins(Protocol):
    """Where the values of settings come from: some defaults depend on whether anybody asked for the value."""

    def source(self, key: str) -> SettingSource:
        """Who set a key ("train.precision")."""

    def where(self, key: str) -> str:
        """The place in words ("project file sovits.yaml:3"); empty where nobody can tell."""


@dataclass(frozen=True)
class FieldsSet:
    """The origins of settings that a program makes: what it passed to their constructors is set, the rest is not."""

    settings: Settings

    def source(self, key: str) -> SettingSource:
        """`AMBIENT` for what was passed to a constructor."""
        *sections, name = key.split(".")
        section: Any = self.settings
        for part in sections:
            section = getattr(section, part)
        return SettingSource.AMBIENT if name in section.model_fields_set else SettingSource.DEFAULT

    def where(self, key: str) -> str:  # noqa: ARG002 - as the protocol has it
        """Nowhere that has a name."""
        return ""


@dataclass(frozen=True, kw_only=True)
class TrainContext:
    """Everything the stages of a run share.

    Args:
        settings, origins: what is asked for, and by whom.
        dataset: folder of what trains.
        name, folder: of the run.
        stop: asks the run to end after the update in progress.
        reporter: hears everything.
        distributed: the processes that train together, and the device of this one.
        restart: forget saved states.
        budget_bytes: memory to plan for; None is what the device has free.
        writes: whether anything is written into the folder: not when planning, nor by a second process.
        reported: events that are reported once a run.
    """

    settings: Settings
    origins: SettingOrigins
    dataset: Path
    name: str
    folder: Path
    stop: StopRequest
    reporter: Reporter
    distributed: DistributedContext = SINGLE_PROCESS
    restart: bool = False
    budget_bytes: int | None = None
    writes: bool = True
    reported: list[Event] = field(default_factory=list)

    @property
    def initialized_from(self) -> str:
        """What the networks were before the training: part of what a saved state must belong to."""
        return FROM_SCRATCH

    def is_set(self, key: str) -> bool:
        """Whether anything but the defaults set this key."""
        return self.origins.source(key) is not SettingSource.DEFAULT

    def report_once(self, event: Event) -> None:
        """Report an event that several stages would report."""
        if event not in self.reported:
            self.reported.append(event)
            self.reporter.emit(event)


@dataclass(frozen=True, kw_only=True)
class VoiceTrainContext(TrainContext):
    """What the stages of a voice share besides.

    Args:
        base: the model that is tuned, or whose encoders and codebook a fresh one uses.
        exporter: writes weights.
    """

    base: Bundle
    exporter: Exporter

    @property
    def experiment(self) -> Experiment:
        """The dataset."""
        return Experiment(self.dataset)

    @property
    def initialized_from(self) -> str:
        """The base model that is tuned."""
        return FROM_SCRATCH if self.settings.train.from_scratch else self.base.name


def make_engine(context: TrainContext, wanted: Precision, *, is_set: bool) -> Engine:
    """The engine of a stage. A precision that was set is used; the default of float16 is float32 on a CPU."""
    device = context.distributed.device
    used = trainable_precision(wanted, device) if is_set or device.type == "cuda" else Precision.FULL
    if used is not wanted:
        why = "float16 training needs CUDA" if is_set else "the default where there is no CUDA"
        context.report_once(Note(f"precision {wanted.value} runs as {used.value} on {device.type}: {why}"))
    if used is Precision.BF16 and lacks_bf16(device):
        context.report_once(Note("this CPU has no bf16 instructions: precision 32 is as fast and more exact"))
    return Engine(device, used)


def seed_all(seed: int) -> None:
    """Seed everything that draws, so that a stage does not depend on what ran before it."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries may draw from it
    torch.manual_seed(seed)


def report_clips(context: TrainContext, stage: Stage, clips: ClipDataset[Any], *, advise: bool = True) -> None:
    """Report what trains and what does not.

    Args:
        context: of the run, whose folder lists what is left out.
        stage: whose clips these are.
        clips: its dataset.
        advise: whether long clips have to be there for long sentences to be learnt.

    Raises:
        DatasetError: nothing is left to train on.
    """
    data = context.settings.data
    survey = ClipSurvey(stage, context.folder, data.max_sec, strict=data.strict, writes=context.writes, advises=advise)
    survey.report(clips, context.reporter)


def batch_size(context: TrainContext, wanted: int | str, profiler: MemoryProfiler[Any], clips: ClipDataset[Any]) -> int:
    """The batch size that was asked for, or that fits: on the tightest of the devices that train together.

    Args:
        context: of the run.
        wanted: clips in a batch, or "auto".
        profiler: finds what a step costs.
        clips: of the stage.
    """
    found: int = choose_batch_size(wanted, profiler, clips.lengths_s, context.budget_bytes, context.reporter)
    smallest: int = min(context.distributed.all_gather(found))
    return smallest


def batching(context: TrainContext, seconds: float | None, seed: int, size: int) -> BatchingOptions:
    """How a stage's clips become batches: `size` of them, or so many `seconds`.

    Args:
        context: of the run.
        seconds: of audio in a batch; None goes by `size`.
        seed: of the order, and of which clips are held out.
        size: clips in a batch.
    """
    data = context.settings.data
    return BatchingOptions(
        size=size if seconds is None else None,
        seconds=seconds,
        seed=seed,
        workers=data.num_workers,
        held_out=data.validation_split,
        max_held_out=data.max_eval_sample,
        repeat_below=data.repeat_below,
    )


def with_curriculum(context: TrainContext, found: StageData[Made], config: TrainerConfig) -> StageData[Made]:
    """The data with a limit of clip length that rises over the run, if the settings ask for one."""
    data = context.settings.data
    if data.curriculum_start_sec is None:
        return found
    limits_s = phase_limits_s(data.curriculum_start_sec, data.max_sec, data.curriculum_phases)
    return found.with_curriculum(limits_s, config.epochs, config.max_steps, _batches_per_update(context, config))


def trainer_config(
    settings: Settings,
    *,
    epochs: int,
    max_steps: int | None,
    accumulation: int,
    clip_norm: float,
    save_every_epochs: int,
) -> TrainerConfig:
    """The trainer's configuration for a stage: its own values as arguments, what all stages share of the settings.

    Args:
        settings: of the run.
        epochs, max_steps: the length of the stage.
        accumulation: batches per update.
        clip_norm: largest gradient norm; 0 for any.
        save_every_epochs: state and export.
    """
    return TrainerConfig(
        epochs=epochs,
        max_steps=max_steps,
        accumulation=accumulation,
        clip_norm=clip_norm,
        save_every_epochs=save_every_epochs,
        save_every_steps=settings.train.save_every_n_steps,
        save_every_s=settings.train.save_every_min * 60,
        log_every_steps=settings.train.log_every_n_steps,
        export_each_save=settings.train.if_save_every_weights,
    )


def total_updates(context: TrainContext, config: TrainerConfig, found: StageData[Any]) -> int:
    """Updates of a whole run."""
    if config.max_steps is not None:
        return config.max_steps
    per_update = _batches_per_update(context, config)
    return sum(math.ceil(len(found.training.plan(epoch)) / per_update) for epoch in range(config.epochs))


def _batches_per_update(context: TrainContext, config: TrainerConfig) -> int:
    return config.accumulation * context.distributed.world_size


@dataclass(frozen=True)
class Speaker:
    """What speaks the samples of a stage: at `rate`, one clip at a time; None speaks none."""

    stage: Stage
    rate: int
    speak: Callable[[Any], Tensor | None] | None


def sample_writer(
    context: TrainContext, clips: ClipDataset[Any], found: StageData[Any], speaker: Speaker
) -> Callable[[int], object]:
    """Writes the shortest held-out clips, spoken at a step; a clip that cannot be spoken is reported and left out.

    Args:
        context: of the run.
        clips: of the stage.
        found: which of them are held out.
        speaker: speaks one of them.

    Returns:
        A function of the step.
    """
    speak, stage = speaker.speak, speaker.stage.value
    if speak is None:
        return lambda _: None

    def waves() -> Iterator[tuple[str, Tensor]]:
        for number in found.sample_clips[: context.settings.train.audio_samples]:
            try:
                wave = speak(clips[number])
            except SovitsError as error:
                context.report_once(Warned(f"{stage}: no sample of {clips.names[number]}: {error.message}"))
            else:
                if wave is not None:
                    yield clips.names[number], wave

    return lambda step: export.write_samples(context.folder, f"{stage}-{step:08}", speaker.rate, waves())
