"""Train, or plan a training: the dataset, the base model, and one stage after the other through the trainer.

    train ── _train_context   processes, dataset, base model, run folder and its lock
        └─ for each stage     setup.py (or setup_content.py) ── trainer.py
    plan_training             the same, but for the trainer: planner.py

Takes settings and reports events; knows no flags, no terminal and no signals.
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
from sovits_cli.devices import find_device
from sovits_cli.errors import DatasetError, ResourceError, UsageError
from sovits_cli.events import Chose, Note, Reporter, Saved, Silent, Warned
from sovits_cli.files import real_path
from sovits_cli.terms import Stage
from sovits_cli.training.context import FieldsSet, SettingOrigins, TrainContext, VoiceTrainContext, total_updates
from sovits_cli.training.data import fingerprint
from sovits_cli.training.distributed import DistributedContext, locked_run_folder, process_group
from sovits_cli.training.export import Exporter
from sovits_cli.training.metrics import MetricsLogger
from sovits_cli.training.planner import StagePlan, plan_stage
from sovits_cli.training.setup import StageSetup, setup_gpt, setup_sovits
from sovits_cli.training.setup_content import refuse_unused_settings, setup_content
from sovits_cli.training.state import STATES, StateFolder, check_writable, state_bytes
from sovits_cli.training.trainer import Trainer
from sovits_cli.training.trainer_config import Fingerprints, SaveEvent, StageResult, StopRequest, TrainerInputs


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


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How a training is run, beside its settings.

    Args:
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the best there is.
        restart: begin anew instead of going on from the saved state.
        initial_weights: files to begin from in place of the base model's weights.
        origins: who set which key; None takes what the settings objects were made with.
        stop: asks the training to end after the update in progress; its state is saved.
    """

    device: str = "auto"
    restart: bool = False
    initial_weights: Sequence[Path | str] = ()
    origins: SettingOrigins | None = None
    stop: StopRequest | None = None


_SETTINGS = Settings()
_OPTIONS = TrainOptions()
_SILENT = Silent()


def train(
    dataset: Path | str,
    settings: Settings = _SETTINGS,
    options: TrainOptions = _OPTIONS,
    *,
    reporter: Reporter = _SILENT,
) -> TrainResult:
    """Train what the settings ask for, from where the run was left.

    Args:
        dataset: folder made by `prepare_dataset`, or by GPT-SoVITS; of recordings for the content stage.
        settings: `train.stage`, `train.out` and `train.exp_name` say what is trained and where the run is.
        options: device, restart, initial weights and the like.
        reporter: takes the events.

    Returns:
        How each stage ended; `finished` is False if it was asked to stop.

    Raises:
        ResourceError: another process trains in this run's folder, or memory or disk do not suffice.
        DatasetError, ModelError, SettingsError: what it was given cannot be trained on, from or with.
    """
    results: dict[str, StageResult] = {}
    request = _TrainRequest(Path(dataset), settings, options, reporter)
    with _train_context(request) as context:
        for stage in _stages(settings):
            results[stage.value] = _train_stage(context, STAGES[stage](context))
            if context.stop.wanted or not results[stage.value].finished:
                break
    finished = len(results) == len(_stages(settings)) and all(one.finished for one in results.values())
    return TrainResult(context.name, context.folder, finished, results)


def plan_training(
    dataset: Path | str,
    settings: Settings = _SETTINGS,
    options: TrainOptions = _OPTIONS,
    *,
    budget_bytes: int | None = None,
    reporter: Reporter = _SILENT,
) -> tuple[StagePlan, ...]:
    """What a training would cost and what fits, without starting it: nothing is written.

    Args:
        dataset, settings, options, reporter: as in `train`.
        budget_bytes: memory to plan for; None is what the device has free.
    """
    request = _TrainRequest(Path(dataset), settings, options, reporter)
    with _train_context(request, budget_bytes=budget_bytes, is_plan=True) as context:
        return tuple(_plan_stage(context, STAGES[stage](context)) for stage in _stages(settings))


@dataclass(frozen=True)
class _TrainRequest:
    """The arguments that `train` and `plan_training` share."""

    dataset: Path
    settings: Settings
    options: TrainOptions
    reporter: Reporter


def _plan_stage(context: TrainContext, setup: StageSetup[Any]) -> StagePlan:
    """What the stage would cost; that its states could not be written is reported."""
    stage = setup.stage
    try:
        needed_bytes = state_bytes(stage.modules(), [optimized.optimizer for optimized in stage.optimized_modules])
        StateFolder(context.folder / STATES, stage.stage).check(needed_bytes)
    except ResourceError as error:
        context.reporter.emit(Warned(error.message, **error.advice))
    batches = setup.data.plan_up_to(math.inf)(0)
    return plan_stage(setup.profiler, batches, setup.lengths_s, setup.config.accumulation, context.budget_bytes)


@contextmanager
def _train_context(
    request: _TrainRequest, *, budget_bytes: int | None = None, is_plan: bool = False
) -> Iterator[TrainContext]:
    """Join the processes, choose data, model and run, and lock the run's folder."""
    with process_group(torch.device(find_device(request.options.device).name)) as processes:
        request = replace(request, reporter=request.reporter if processes.is_main else Silent())
        is_content = request.settings.train.stage == Stage.CONTENT.value
        context = (_content_context if is_content else _voice_context)(request, processes)
        context = replace(context, budget_bytes=budget_bytes, writes=processes.is_main and not is_plan)
        if context.writes:
            check_writable(context.folder / STATES)
        with locked_run_folder(context.folder, processes, writes=context.writes):
            yield context


def _voice_context(request: _TrainRequest, processes: DistributedContext) -> VoiceTrainContext:
    """Choose dataset, base model and run; each choice is reported."""
    settings = request.settings
    base, base_name = _choose_base(settings, Experiment(request.dataset), request.reporter)
    base = with_initial_weights(base, [Path(one) for one in request.options.initial_weights])
    context = _plain_context(request, processes)
    why = "as named" if settings.train.exp_name else "named after the folder"
    request.reporter.emit(Chose("run", str(context.folder), why))
    values = settings.model_dump(mode="json")
    train_values = {**values["train"], "exp_name": context.name}
    config = {
        "gpt": {"data": values["data"], "optimizer": values["optimizer"], "train": train_values},
        "sovits": {"train": values["sovits"]["train"]},
    }
    exporter = Exporter(context.name, base.version, base_name, config, settings.train.keep_weights)
    return VoiceTrainContext(**vars(context), base=base, exporter=exporter)


def _content_context(request: _TrainRequest, processes: DistributedContext) -> TrainContext:
    """Choose the run of a content encoder, which has no base model; each choice is reported."""
    if weights := request.options.initial_weights:
        text = f"initial weights {weights[0]}: the content stage begins with a new encoder"
        raise UsageError(text, hint="leave them away")
    context = _plain_context(request, processes)
    request.reporter.emit(Chose("recordings", str(request.dataset), "with timed phones"))
    request.reporter.emit(Chose("family", str(context.folder), f"for {request.settings.content.family}"))
    refuse_unused_settings(context)
    return context


def _plain_context(request: _TrainRequest, processes: DistributedContext) -> TrainContext:
    """What every run has: its name, its folder and its device."""
    train, options = request.settings.train, request.options
    name = train.exp_name or _name_of(request.dataset)
    return TrainContext(
        settings=request.settings,
        origins=options.origins or FieldsSet(request.settings),
        dataset=request.dataset,
        name=name,
        folder=train.out / name,
        stop=options.stop or StopRequest(),
        reporter=request.reporter,
        distributed=processes,
        restart=options.restart,
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


def _train_stage(context: TrainContext, setup: StageSetup[Any]) -> StageResult:
    """One stage through the trainer."""
    stage, data = setup.stage, setup.data
    name = stage.stage.value
    states = StateFolder(context.folder / STATES, stage.stage, keep_all=not context.settings.train.if_save_latest)
    if context.restart:
        states.clear()

    def on_save(save: SaveEvent) -> None:
        if save.best and save.exported is not None:
            setup.mark_best()
        setup.write_samples(save.step)
        context.reporter.emit(Saved(name, context.folder, save.step, save.best))

    def make_metrics(first_step: int) -> MetricsLogger:
        folder = context.folder if context.distributed.is_main else None
        return MetricsLogger(folder, stage.stage, setup.engine.device, first_step, context.reporter)

    held_out = f", {data.held_out_clips} more held out" if data.held_out_clips else ""
    size = math.ceil(data.clips / data.batches_per_epoch)
    batches = setup.config.accumulation * context.distributed.world_size
    updates = f"{total_updates(context, setup.config, data)} updates of {batches} x {size} clips"
    precision = f"precision {setup.engine.precision.value}"
    context.reporter.emit(Note(f"{name}: {data.clips} clips{held_out}, {updates}, {precision}"))
    inputs = TrainerInputs(
        stage=stage,
        engine=setup.engine,
        training=data.training,
        held_out=data.held_out,
        fingerprints=Fingerprints(fingerprint([setup.fingerprint_of, context.initialized_from]), data.fingerprint),
        states=states,
        exports=context.folder,
        make_metrics=make_metrics,
        stop=context.stop,
        reporter=context.reporter,
        distributed=context.distributed,
        on_save=on_save,
    )
    return Trainer(inputs, setup.config).fit()


def _choose_base(settings: Settings, experiment: Experiment, reporter: Reporter) -> tuple[Bundle, str]:
    """The dataset and the model its features belong to; both reported, with the reason."""
    if not experiment.exists():
        raise DatasetError(
            f"no dataset in {experiment.root} (no {experiment.text_file.name})",
            code="train.no_dataset",
        )
    info = experiment.read_info()
    reporter.emit(Chose("dataset", str(experiment.root), "" if info is None else f"{info.items} clips, made by prep"))
    wanted = settings.train.model or (None if info is None else info.model)
    base = find_model(wanted, runs=settings.train.out, trained=False)
    if info is not None and info.version != base.version.name:
        raise DatasetError(
            f"{experiment.root} holds features for {info.version}, but {base.name} is a {base.version.name} model",
            code="train.dataset_of_other_version",
            fields={"dataset": experiment.root, "model": wanted},
        )
    why = "as asked" if settings.train.model else "the dataset was made for it" if info is not None else base.why
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
    folder = real_path(dataset)
    name = folder.parent.name if folder.name == "dataset" else folder.name
    return name or "voice"
