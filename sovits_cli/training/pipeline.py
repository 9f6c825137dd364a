"""`sovits train`: the dataset, the base model, and one stage after the other through the calendar.

Knows settings and reports events; what a stage is made of stands in `making.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from sovits_cli.checkpoints import catalogue, pairing
from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.config.schema import Settings
from sovits_cli.data.layout import Experiment
from sovits_cli.errors import DatasetError, UsageError
from sovits_cli.events import Chose, Note, Reporter, Saved, Silent
from sovits_cli.files import real_path
from sovits_cli.locks import held
from sovits_cli.terms import Stage
from sovits_cli.training import material, ranks
from sovits_cli.training.content import train_content
from sovits_cli.training.export import Exporter
from sovits_cli.training.job import Job, updates_of
from sovits_cli.training.journal import Journal
from sovits_cli.training.loop import Fingerprints, Outcome, Run, Save
from sovits_cli.training.making import Prepared, make_gpt, make_sovits
from sovits_cli.training.planner import StagePlan, plan_stage
from sovits_cli.training.ranks import Ranks
from sovits_cli.training.state import STATES, StateFolder
from sovits_cli.training.stop import StopRequest


@dataclass(frozen=True)
class TrainReport:
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
    stages: Mapping[str, Outcome]


def train(
    settings: Settings,
    *,
    dataset: Path,
    device: str,
    given: Callable[[str], bool],
    restart: bool,
    reporter: Reporter,
    init: Sequence[Path] = (),
) -> TrainReport | None:
    """Train what the settings ask for, from where the run was left. None in a process that speaks for no one.

    Args:
        init: weights to begin from in place of the base model's.

    Raises:
        KeyboardInterrupt: it was asked to stop; the state is saved.
        ResourceError: another process trains in this run's folder.
    """
    if settings.train.stage == Stage.CONTENT.value:
        return _train_content(settings, dataset, settings.train.exp_name or _name_of(dataset), reporter)
    outcomes: dict[str, Outcome] = {}
    with _job(settings, dataset, device, given, reporter, init=init, restart=restart) as job:
        for stage in _stages(settings):
            outcomes[stage.value] = _run(job, STAGES[stage](job))
            if job.stop.wanted:
                raise KeyboardInterrupt
    if not job.ranks.first:
        return None
    finished = all(outcome.finished for outcome in outcomes.values())
    return TrainReport(job.name, job.folder, finished, outcomes)


def plan(
    settings: Settings,
    *,
    dataset: Path,
    device: str,
    given: Callable[[str], bool],
    budget_bytes: int | None,
    reporter: Reporter,
    init: Sequence[Path] = (),
) -> tuple[StagePlan, ...]:
    """What a training would cost and what fits, without starting it: nothing is written.

    Args:
        budget_bytes: memory to plan for; None is what the device has free.
        init: as in `train`.
    """
    if settings.train.stage == Stage.CONTENT.value:
        raise UsageError("--dry-run: the content stage always fits", hint="leave --dry-run away")
    with _job(settings, dataset, device, given, reporter, init=init, budget_bytes=budget_bytes, writes=False) as job:
        return tuple(_planned(job, STAGES[stage](job)) for stage in _stages(settings))


def _planned(job: Job, made: Prepared[Any]) -> StagePlan:
    return plan_stage(
        made.prober,
        made.material.plan_of(math.inf)(0),
        made.lengths_s,
        made.calendar.accumulation,
        job.budget_bytes,
    )


@contextmanager
def _job(
    settings: Settings,
    dataset: Path,
    device: str,
    given: Callable[[str], bool],
    reporter: Reporter,
    *,
    init: Sequence[Path],
    restart: bool = False,
    budget_bytes: int | None = None,
    writes: bool = True,
) -> Iterator[Job]:
    """Everything the stages share; a stop is heard from here on."""
    with ranks.joined(torch.device(device)) as together:
        heard = reporter if together.first else Silent()
        with StopRequest(heard) as stop:
            job = _new_job(settings, dataset, init, given, heard, together, stop)
            job = replace(job, restart=restart, budget_bytes=budget_bytes, writes=writes and together.first)
            with held(job.folder) if job.writes else nullcontext():
                yield job


def _new_job(
    settings: Settings,
    dataset: Path,
    init: Sequence[Path],
    given: Callable[[str], bool],
    reporter: Reporter,
    together: Ranks,
    stop: StopRequest,
) -> Job:
    """Choose dataset, base model and run; each choice is said."""
    experiment = Experiment(dataset)
    name = settings.train.exp_name or _name_of(dataset)
    base, base_name = _base(settings, experiment, reporter)
    base = pairing.begun_from(base, init)
    folder = settings.train.out / name
    reporter.emit(Chose("run", str(folder), "named by --name" if settings.train.exp_name else "named after the folder"))
    said = settings.model_dump(mode="json")
    config = {
        "gpt": {"data": said["data"], "optimizer": said["optimizer"], "train": {**said["train"], "exp_name": name}},
        "sovits": {"train": said["sovits"]["train"]},
    }
    return Job(
        settings=settings,
        given=given,
        experiment=experiment,
        base=base,
        name=name,
        folder=folder,
        device=together.place,
        exporter=Exporter(name, base.version, base_name, config, settings.train.keep_weights),
        stop=stop,
        reporter=reporter,
        ranks=together,
    )


def _train_content(settings: Settings, recordings: Path, name: str, reporter: Reporter) -> TrainReport:
    """The content encoder of a small family: from recordings with timed phones, not from a dataset, and not resumed."""
    folder = settings.train.out / name
    reporter.emit(Chose("recordings", str(recordings), "with timed phones"))
    reporter.emit(Chose("family", str(folder), f"for {settings.content.family}"))
    with held(folder):
        found = train_content(recordings, folder, settings.content, seed=settings.train.seed, reporter=reporter)
    outcome = Outcome(
        step=found.steps,
        epoch=0,
        seconds=found.seconds,
        finished=True,
        exported=found.path,
        metrics={"frame_accuracy": found.frame_accuracy},
    )
    return TrainReport(name, folder, True, {Stage.CONTENT.value: outcome})


STAGES: dict[Stage, Callable[[Job], Prepared[Any]]] = {
    Stage.GPT: make_gpt,
    Stage.SOVITS: make_sovits,
}
"""The table of trainings, in the order in which they run."""


def _stages(settings: Settings) -> Sequence[Stage]:
    if settings.train.stage == "all":
        return (Stage.GPT, Stage.SOVITS)
    return (Stage(settings.train.stage),)


def _run(job: Job, made: Prepared[Any]) -> Outcome:
    """One stage through the calendar."""
    stage, found = made.stage, made.material
    states = StateFolder(job.folder / STATES, stage.stage, keep_all=not job.settings.train.if_save_latest)
    if job.restart:
        states.clear()
    model = material.digest([made.described, job.base.name if not job.settings.train.from_scratch else "from scratch"])

    def saved(save: Save) -> None:
        if save.best and save.exported is not None:
            job.exporter.mark_best(job.folder, stage.stage.value)
        made.speak(save.step)
        job.reporter.emit(Saved(stage.stage.value, job.folder, save.step, save.best))

    held_out = f", {found.held_out_clips} more held out" if found.held_out_clips else ""
    size = math.ceil(found.clips / found.batches_per_epoch)
    batches = made.calendar.accumulation * job.ranks.world
    updates = f"{updates_of(job, made.calendar, found)} updates of {batches} x {size} clips"
    job.reporter.emit(
        Note(f"{stage.stage.value}: {found.clips} clips{held_out}, {updates}, precision {made.engine.precision.value}")
    )
    return Run(
        stage,
        engine=made.engine,
        calendar=made.calendar,
        training=found.training,
        held_out=found.held_out,
        fingerprints=Fingerprints(model, found.fingerprint),
        states=states,
        exports=job.folder,
        journal=lambda step: Journal(
            job.folder if job.ranks.first else None, stage.stage, made.engine.device, step, job.reporter
        ),
        stop=job.stop,
        reporter=job.reporter,
        ranks=job.ranks,
        saved=saved,
    ).go()


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
    base = catalogue.find(wanted, runs=settings.train.out, trained=False)
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
    marked = any((folder / file).is_file() for file in (catalogue.VOICE_FILE, catalogue.MODEL_FILE))
    return str(real_path(folder)) if marked else model


def _name_of(dataset: Path) -> str:
    """The folder's own name, or that of the folder it is in when it is just called `dataset`."""
    place = real_path(dataset)
    name = place.parent.name if place.name == "dataset" else place.name
    return name or "voice"
