"""What both stages of a run share, and how each makes its engine, batches and config of the settings.

Knows settings and datasets; what a stage is made of stands in `making.py`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.config.schema import Settings
from sovits_cli.data.experiment import Experiment
from sovits_cli.errors import SovitsError
from sovits_cli.events import Event, Note, Reporter, Warned
from sovits_cli.terms import Precision, Stage
from sovits_cli.training import data as stage_data
from sovits_cli.training import samples
from sovits_cli.training.curriculum import LengthCurriculum, phase_limits_s
from sovits_cli.training.data import BatchingOptions, ClipDataset, StageData
from sovits_cli.training.distributed import SINGLE_PROCESS, DistributedContext
from sovits_cli.training.engine import Engine, lacks_bf16, runnable
from sovits_cli.training.export import Exporter
from sovits_cli.training.samples import Speak
from sovits_cli.training.stages.base import Batch
from sovits_cli.training.stop import StopRequest
from sovits_cli.training.trainer import TrainerConfig

Made = TypeVar("Made", bound=Batch)

FROM_SCRATCH = "from scratch"


@dataclass(frozen=True, kw_only=True)
class TrainContext:
    """Everything the stages share.

    Args:
        settings: of the run.
        given: tells whether anybody but the defaults said a key.
        said_where: where a key was said ("flag --model", "project file sovits.yaml:3"); empty where nobody can tell.
        dataset: folder of what trains.
        name, folder: of the run.
        device: where to train.
        restart: forget saved states.
        stop: the wish to stop.
        reporter: hears everything.
        distributed: the processes that train together.
        budget_bytes: memory to plan for; None is what the device has free.
        writes: whether anything is written into the folder: not when planning, nor by a second process.
        said: events that are told once a run.
    """

    settings: Settings
    given: Callable[[str], bool]
    said_where: Callable[[str], str]
    dataset: Path
    name: str
    folder: Path
    device: torch.device
    stop: StopRequest
    reporter: Reporter
    distributed: DistributedContext = SINGLE_PROCESS
    restart: bool = False
    budget_bytes: int | None = None
    writes: bool = True
    said: list[Event] = field(default_factory=list)

    def report_once(self, event: Event) -> None:
        """Report an event that both stages would report."""
        if event not in self.said:
            self.said.append(event)
            self.reporter.emit(event)

    @property
    def initialized_from(self) -> str:
        """What the networks were before the training: part of what a saved state must belong to."""
        return FROM_SCRATCH


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


def make_engine(context: TrainContext, wanted: Precision, *, asked: bool) -> Engine:
    """The engine of a stage. What was asked for is done; the default of float16 is float32 on a CPU. Said once."""
    kind = context.device.type
    used = runnable(wanted, context.device) if asked or kind == "cuda" else Precision.FULL
    if used is not wanted:
        why = "float16 training needs CUDA" if asked else "the default where there is no CUDA"
        context.report_once(Note(f"precision {wanted.value} runs as {used.value} on {kind}: {why}"))
    if used is Precision.BF16 and lacks_bf16(context.device):
        context.report_once(Note("this CPU has no bf16 instructions: --precision 32 is as fast and more exact"))
    return Engine(context.device, used)


def tell(context: TrainContext, stage: Stage, clips: ClipDataset[Any], *, advise: bool = True) -> None:
    """Say what trains and what does not."""
    data = context.settings.data
    stage_data.tell(
        stage,
        clips,
        context.folder,
        data.max_sec,
        context.reporter,
        strict=data.strict,
        write=context.writes,
        advise=advise,
    )


def batches(
    context: TrainContext,
    clips: ClipDataset[Any],
    collate: Callable[[Sequence[Any]], Made],
    size: int,
    seconds: float | None,
    seed: int,
) -> StageData[Made]:
    """Batches of a stage's clips: `size` of them, or so many `seconds`."""
    data = context.settings.data
    how = BatchingOptions(
        size=size if seconds is None else None,
        seconds=seconds,
        seed=seed,
        workers=data.num_workers,
        held_out=data.validation_split,
        max_held_out=data.max_eval_sample,
        repeat_below=data.repeat_below,
    )
    return stage_data.prepare(clips, collate, how, context.reporter)


def risen(context: TrainContext, found: StageData[Made], config: TrainerConfig) -> StageData[Made]:
    """The material with the limit of `--max-sec 10:54`, if it is to rise."""
    data = context.settings.data
    if data.curriculum_start_sec is None:
        return found
    limits = phase_limits_s(data.curriculum_start_sec, data.max_sec, data.curriculum_phases)
    group = config.accumulation * context.distributed.world_size
    return stage_data.rising(
        found,
        limits,
        lambda phases: LengthCurriculum(phases, config.epochs, config.max_steps, group),
    )


def trainer_config(
    settings: Settings,
    *,
    epochs: int,
    max_steps: int | None,
    accumulation: int,
    clip_norm: float,
    save_every_epochs: int,
) -> TrainerConfig:
    """The config of a stage; what both stages share is in the settings."""
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
    group = config.accumulation * context.distributed.world_size
    return sum(math.ceil(len(found.training.plan(epoch)) / group) for epoch in range(config.epochs))


def speaking(
    context: TrainContext,
    stage: Stage,
    clips: ClipDataset[Any],
    found: StageData[Any],
    speak: Callable[[Any], Tensor | None] | None,
    rate: int,
) -> Speak:
    """Speaks the shortest held-out clips at a step; what cannot be spoken is told and costs nothing else.

    Args:
        speak: speaks one of the clips; None speaks none.
    """
    if speak is None:
        return lambda _: None

    def waves() -> Iterator[tuple[str, Tensor]]:
        for number in found.unseen[: context.settings.train.audio_samples]:
            try:
                wave = speak(clips[number])
            except SovitsError as error:
                context.report_once(Warned(f"{stage.value}: no sample of {clips.names[number]}: {error.message}"))
            else:
                if wave is not None:
                    yield clips.names[number], wave

    return lambda step: samples.write(context.folder, stage.value, step, rate, waves())


def seed_all(seed: int) -> None:
    """Seed everything that draws, so that a stage does not depend on what ran before it."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries may draw from it
    torch.manual_seed(seed)
