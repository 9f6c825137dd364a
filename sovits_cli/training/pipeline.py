"""`sovits train`: the dataset, the base model, and one stage after the other through the config.

Knows settings and reports events; what a stage is made of stands in `making.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from sovits_cli.checkpoints.bundle import MODEL_FILE, VOICE_FILE, Bundle
from sovits_cli.checkpoints.catalogue import find_model, with_initial_weights
from sovits_cli.config.schema import Settings
from sovits_cli.data.experiment import Experiment
from sovits_cli.errors import DatasetError, ResourceError, UsageError
from sovits_cli.events import Chose, Note, Reporter, Saved, Silent, Warned
from sovits_cli.files import real_path
from sovits_cli.terms import Stage
from sovits_cli.training import data as stage_data
from sovits_cli.training import distributed
from sovits_cli.training.distributed import DistributedContext
from sovits_cli.training.export import Exporter
from sovits_cli.training.job import TrainContext, VoiceTrainContext, total_updates
from sovits_cli.training.metrics import MetricsLogger
from sovits_cli.training.place import check_place
from sovits_cli.training.planner import StagePlan, plan_stage
from sovits_cli.training.setup import StageSetup, setup_gpt, setup_sovits
from sovits_cli.training.setup_content import refuse_unused, setup_content
from sovits_cli.training.state import STATES, StateFolder, state_bytes
from sovits_cli.training.stop import StopRequest
from sovits_cli.training.trainer import Fingerprints, SaveEvent, StageResult, Trainer


@dataclass(frozen=True)
class TrainResult:
    """What was trained.

    Args:
        name: of the run and the voice.
        folder: the run.
        finished: every stage reached its end.
        stages: how each stage ended.
    """

    name: str
    folder: Path
    finished: bool
    stages: Mapping[str, StageResult]


def train(
    settings: Settings,
    *,
    dataset: Path,
    device: str,
    given: Callable[[str], bool],
    restart: bool,
    reporter: Reporter,
    init: Sequence[Path] = (),
    said_where: Callable[[str], str] = lambda _: "",
) -> TrainResult | None:
    """Train what the settings ask for, from where the run was left. None in a process that speaks for no one.

    Args:
        given: tells whether anybody but the defaults said a key.
        init: weights to begin from in place of the base model's.
        said_where: where a key was said, as `Resolved.origin` tells it.

    Raises:
        KeyboardInterrupt: it was asked to stop; the state is saved.
        ResourceError: another process trains in this run's folder.
    """
    asked = TrainRequest(settings, dataset, device, given, said_where, reporter, init)
    outcomes: dict[str, StageResult] = {}
    with _job(asked, restart=restart) as context:
        for stage in _stages(settings):
            outcomes[stage.value] = _run(context, STAGES[stage](context))
            if context.stop.wanted:
                raise KeyboardInterrupt
    if not context.distributed.is_main:
        return None
    finished = all(outcome.finished for outcome in outcomes.values())
    return TrainResult(context.name, context.folder, finished, outcomes)


def plan(
    settings: Settings,
    *,
    dataset: Path,
    device: str,
    given: Callable[[str], bool],
    budget_bytes: int | None,
    reporter: Reporter,
    init: Sequence[Path] = (),
    said_where: Callable[[str], str] = lambda _: "",
) -> tuple[StagePlan, ...]:
    """What a training would cost and what fits, without starting it: nothing is written.

    Args:
        budget_bytes: memory to plan for; None is what the device has free.
        given, init, said_where: as in `train`.
    """
    asked = TrainRequest(settings, dataset, device, given, said_where, reporter, init)
    with _job(asked, budget_bytes=budget_bytes, writes=False) as context:
        return tuple(_planned(context, STAGES[stage](context)) for stage in _stages(settings))


@dataclass(frozen=True)
class TrainRequest:
    """The arguments that `train` and `plan` share."""

    settings: Settings
    dataset: Path
    device: str
    given: Callable[[str], bool]
    said_where: Callable[[str], str]
    reporter: Reporter
    init: Sequence[Path]


def _planned(context: TrainContext, made: StageSetup[Any]) -> StagePlan:
    """What the stage would cost; that its states could not be written is said."""
    stage = made.stage
    try:
        needed_bytes = state_bytes(stage.modules(), [optimized.optimizer for optimized in stage.optimized_modules])
        StateFolder(context.folder / STATES, stage.stage).check(needed_bytes)
    except ResourceError as error:
        context.reporter.emit(Warned(error.message, **error.advice))
    return plan_stage(
        made.profiler,
        made.material.plan_of(math.inf)(0),
        made.lengths_s,
        made.config.accumulation,
        context.budget_bytes,
    )


@contextmanager
def _job(
    asked: TrainRequest, *, restart: bool = False, budget_bytes: int | None = None, writes: bool = True
) -> Iterator[TrainContext]:
    """Everything the stages share; a stop is heard from here on."""
    with distributed.process_group(torch.device(asked.device)) as together:
        asked = replace(asked, reporter=asked.reporter if together.is_main else Silent())
        with StopRequest(asked.reporter) as stop:
            new = _content_job if asked.settings.train.stage == Stage.CONTENT.value else _voice_job
            context = new(asked, together, stop)
            context = replace(context, restart=restart, budget_bytes=budget_bytes, writes=writes and together.is_main)
            if context.writes:
                check_place(context.folder / STATES)
            with distributed.locked_run_folder(context.folder, together, writes=context.writes):
                yield context


def _voice_job(asked: TrainRequest, together: DistributedContext, stop: StopRequest) -> VoiceTrainContext:
    """Choose dataset, base model and run; each choice is said."""
    settings, reporter = asked.settings, asked.reporter
    base, base_name = _base(settings, Experiment(asked.dataset), reporter)
    base = with_initial_weights(base, asked.init)
    context = _plain_job(asked, together, stop)
    reporter.emit(
        Chose("run", str(context.folder), "named by --name" if settings.train.exp_name else "named after the folder")
    )
    said = settings.model_dump(mode="json")
    config = {
        "gpt": {
            "data": said["data"],
            "optimizer": said["optimizer"],
            "train": {**said["train"], "exp_name": context.name},
        },
        "sovits": {"train": said["sovits"]["train"]},
    }
    exporter = Exporter(context.name, base.version, base_name, config, settings.train.keep_weights)
    return VoiceTrainContext(**vars(context), base=base, exporter=exporter)


def _content_job(asked: TrainRequest, together: DistributedContext, stop: StopRequest) -> TrainContext:
    """Choose the run of a content encoder, which has no base model; each choice is said."""
    settings, reporter = asked.settings, asked.reporter
    if asked.init:
        raise UsageError(f"--init {asked.init[0]}: the content stage begins with a new encoder", hint="leave it away")
    context = _plain_job(asked, together, stop)
    reporter.emit(Chose("recordings", str(asked.dataset), "with timed phones"))
    reporter.emit(Chose("family", str(context.folder), f"for {settings.content.family}"))
    refuse_unused(context)
    return context


def _plain_job(asked: TrainRequest, together: DistributedContext, stop: StopRequest) -> TrainContext:
    """What every run has: its name, its folder and its device."""
    train, dataset = asked.settings.train, asked.dataset
    name = train.exp_name or _name_of(dataset)
    return TrainContext(
        settings=asked.settings,
        given=asked.given,
        said_where=asked.said_where,
        dataset=dataset,
        name=name,
        folder=train.out / name,
        device=together.device,
        stop=stop,
        reporter=asked.reporter,
        distributed=together,
    )


STAGES: dict[Stage, Callable[[Any], StageSetup[Any]]] = {
    Stage.CONTENT: setup_content,
    Stage.GPT: setup_gpt,
    Stage.SOVITS: setup_sovits,
}
"""The table of trainings, in the order in which they run."""


def _stages(settings: Settings) -> Sequence[Stage]:
    if settings.train.stage == "all":
        return (Stage.GPT, Stage.SOVITS)
    return (Stage(settings.train.stage),)


def _run(context: TrainContext, made: StageSetup[Any]) -> StageResult:
    """One stage through the config."""
    stage, found = made.stage, made.material
    states = StateFolder(context.folder / STATES, stage.stage, keep_all=not context.settings.train.if_save_latest)
    if context.restart:
        states.clear()
    model = stage_data.digest([made.described, context.initialized_from])

    def saved(save: SaveEvent) -> None:
        if save.best and save.exported is not None:
            made.mark_best()
        made.speak(save.step)
        context.reporter.emit(Saved(stage.stage.value, context.folder, save.step, save.best))

    held_out = f", {found.held_out_clips} more held out" if found.held_out_clips else ""
    size = math.ceil(found.clips / found.batches_per_epoch)
    batches = made.config.accumulation * context.distributed.world_size
    updates = f"{total_updates(context, made.config, found)} updates of {batches} x {size} clips"
    context.reporter.emit(
        Note(f"{stage.stage.value}: {found.clips} clips{held_out}, {updates}, precision {made.engine.precision.value}")
    )
    return Trainer(
        stage,
        engine=made.engine,
        config=made.config,
        training=found.training,
        held_out=found.held_out,
        fingerprints=Fingerprints(model, found.fingerprint),
        states=states,
        exports=context.folder,
        metrics_logger=lambda step: MetricsLogger(
            context.folder if context.distributed.is_main else None,
            stage.stage,
            made.engine.device,
            step,
            context.reporter,
        ),
        stop=context.stop,
        reporter=context.reporter,
        distributed=context.distributed,
        saved=saved,
    ).fit()


def _base(settings: Settings, experiment: Experiment, reporter: Reporter) -> tuple[Bundle, str]:
    """The dataset and the model its features belong to; both said, with the reason."""
    if not experiment.exists():
        raise DatasetError(
            f"no dataset in {experiment.root} (no {experiment.text_file.name})",
            hint="sovits prep slices/ --lang en makes ./dataset",
        )
    info = experiment.read_info()
    reporter.emit(Chose("dataset", str(experiment.root), "" if info is None else f"{info.items} clips, made by prep"))
    wanted = settings.train.model or (None if info is None else info.model)
    base = find_model(wanted, runs=settings.train.out, trained=False)
    if info is not None and info.version != base.version.name:
        raise DatasetError(
            f"{experiment.root} holds features for {info.version}, but {base.name} is a {base.version.name} model",
            hint=f"sovits prep {experiment.root} --model {wanted}",
        )
    why = "--model" if settings.train.model else "the dataset was made for it" if info is not None else base.why
    what = "family" if settings.train.from_scratch else "base model"
    reporter.emit(Chose(what, base.name, f"{base.version.name}; {why}"))
    return base, base.name if wanted is None else _findable(wanted)


def _findable(model: str) -> str:
    """A name as it is; the folder of a model so that it is found from anywhere."""
    folder = Path(model)
    marked = any((folder / file).is_file() for file in (VOICE_FILE, MODEL_FILE))
    return str(real_path(folder)) if marked else model


def _name_of(dataset: Path) -> str:
    """The folder's own name, or that of the folder it is in when it is just called `dataset`."""
    place = real_path(dataset)
    name = place.parent.name if place.name == "dataset" else place.name
    return name or "voice"
