"""`sovits train`: the dataset, the base model, and one stage after the other through the calendar.

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
from sovits_cli.checkpoints.catalogue import find_model
from sovits_cli.checkpoints.pairing import with_initial_weights
from sovits_cli.config.schema import Settings
from sovits_cli.data.experiment import Experiment
from sovits_cli.errors import DatasetError, ResourceError, UsageError
from sovits_cli.events import Chose, Note, Reporter, Saved, Silent, Warned
from sovits_cli.files import real_path
from sovits_cli.terms import Stage
from sovits_cli.training import material, ranks
from sovits_cli.training.export import Exporter
from sovits_cli.training.job import Job, VoiceJob, updates_of
from sovits_cli.training.journal import Journal
from sovits_cli.training.loop import Fingerprints, Outcome, Run, Save
from sovits_cli.training.making import Prepared, make_gpt, make_sovits
from sovits_cli.training.making_content import make_content, refuse_unused
from sovits_cli.training.place import check_place
from sovits_cli.training.planner import StagePlan, plan_stage
from sovits_cli.training.ranks import Ranks
from sovits_cli.training.state import STATES, StateFolder, state_bytes
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
    said_where: Callable[[str], str] = lambda _: "",
) -> TrainReport | None:
    """Train what the settings ask for, from where the run was left. None in a process that speaks for no one.

    Args:
        given: tells whether anybody but the defaults said a key.
        init: weights to begin from in place of the base model's.
        said_where: where a key was said, as `Resolved.origin` tells it.

    Raises:
        KeyboardInterrupt: it was asked to stop; the state is saved.
        ResourceError: another process trains in this run's folder.
    """
    asked = _Asked(settings, dataset, device, given, said_where, reporter, init)
    outcomes: dict[str, Outcome] = {}
    with _job(asked, restart=restart) as job:
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
    said_where: Callable[[str], str] = lambda _: "",
) -> tuple[StagePlan, ...]:
    """What a training would cost and what fits, without starting it: nothing is written.

    Args:
        budget_bytes: memory to plan for; None is what the device has free.
        given, init, said_where: as in `train`.
    """
    asked = _Asked(settings, dataset, device, given, said_where, reporter, init)
    with _job(asked, budget_bytes=budget_bytes, writes=False) as job:
        return tuple(_planned(job, STAGES[stage](job)) for stage in _stages(settings))


@dataclass(frozen=True)
class _Asked:
    """The arguments that `train` and `plan` share."""

    settings: Settings
    dataset: Path
    device: str
    given: Callable[[str], bool]
    said_where: Callable[[str], str]
    reporter: Reporter
    init: Sequence[Path]


def _planned(job: Job, made: Prepared[Any]) -> StagePlan:
    """What the stage would cost; that its states could not be written is said."""
    stage = made.stage
    try:
        needed_bytes = state_bytes(stage.modules(), [player.optimizer for player in stage.players])
        StateFolder(job.folder / STATES, stage.stage).check(needed_bytes)
    except ResourceError as error:
        job.reporter.emit(Warned(error.message, **error.advice))
    return plan_stage(
        made.prober,
        made.material.plan_of(math.inf)(0),
        made.lengths_s,
        made.calendar.accumulation,
        job.budget_bytes,
    )


@contextmanager
def _job(
    asked: _Asked, *, restart: bool = False, budget_bytes: int | None = None, writes: bool = True
) -> Iterator[Job]:
    """Everything the stages share; a stop is heard from here on."""
    with ranks.joined(torch.device(asked.device)) as together:
        asked = replace(asked, reporter=asked.reporter if together.first else Silent())
        with StopRequest(asked.reporter) as stop:
            new = _content_job if asked.settings.train.stage == Stage.CONTENT.value else _voice_job
            job = new(asked, together, stop)
            job = replace(job, restart=restart, budget_bytes=budget_bytes, writes=writes and together.first)
            if job.writes:
                check_place(job.folder / STATES)
            with ranks.alone_in(job.folder, together, writes=job.writes):
                yield job


def _voice_job(asked: _Asked, together: Ranks, stop: StopRequest) -> VoiceJob:
    """Choose dataset, base model and run; each choice is said."""
    settings, reporter = asked.settings, asked.reporter
    base, base_name = _base(settings, Experiment(asked.dataset), reporter)
    base = with_initial_weights(base, asked.init)
    job = _plain_job(asked, together, stop)
    reporter.emit(
        Chose("run", str(job.folder), "named by --name" if settings.train.exp_name else "named after the folder")
    )
    said = settings.model_dump(mode="json")
    config = {
        "gpt": {"data": said["data"], "optimizer": said["optimizer"], "train": {**said["train"], "exp_name": job.name}},
        "sovits": {"train": said["sovits"]["train"]},
    }
    exporter = Exporter(job.name, base.version, base_name, config, settings.train.keep_weights)
    return VoiceJob(**vars(job), base=base, exporter=exporter)


def _content_job(asked: _Asked, together: Ranks, stop: StopRequest) -> Job:
    """Choose the run of a content encoder, which has no base model; each choice is said."""
    settings, reporter = asked.settings, asked.reporter
    if asked.init:
        raise UsageError(f"--init {asked.init[0]}: the content stage begins with a new encoder", hint="leave it away")
    job = _plain_job(asked, together, stop)
    reporter.emit(Chose("recordings", str(asked.dataset), "with timed phones"))
    reporter.emit(Chose("family", str(job.folder), f"for {settings.content.family}"))
    refuse_unused(job)
    return job


def _plain_job(asked: _Asked, together: Ranks, stop: StopRequest) -> Job:
    """What every run has: its name, its folder and its device."""
    train, dataset = asked.settings.train, asked.dataset
    name = train.exp_name or _name_of(dataset)
    return Job(
        settings=asked.settings,
        given=asked.given,
        said_where=asked.said_where,
        dataset=dataset,
        name=name,
        folder=train.out / name,
        device=together.place,
        stop=stop,
        reporter=asked.reporter,
        ranks=together,
    )


STAGES: dict[Stage, Callable[[Any], Prepared[Any]]] = {
    Stage.CONTENT: make_content,
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
    model = material.digest([made.described, job.begun_from])

    def saved(save: Save) -> None:
        if save.best and save.exported is not None:
            made.mark_best()
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
