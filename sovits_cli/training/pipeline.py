"""`sovits train`: the dataset, the base model, and one stage after the other through the calendar.

Knows settings and reports events; what a stage is stands in `t2s.py` and `sovits.py`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from sovits_cli.checkpoints import bundle as bundles
from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.config.schema import Settings
from sovits_cli.data.collate import SovitsBatch, collate_gpt, collate_sovits
from sovits_cli.data.datasets import GptDataset, GptLimits, SovitsDataset, SovitsLimits
from sovits_cli.data.layout import Experiment
from sovits_cli.errors import DatasetError, SettingsError
from sovits_cli.events import Chose, Event, Note, Reporter, Warned
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.terms import Precision, Stage
from sovits_cli.training import build, build_flow, material
from sovits_cli.training.build_flow import tell_unused
from sovits_cli.training.content import train_content
from sovits_cli.training.engine import Engine, runnable, slow_bf16
from sovits_cli.training.export import Exporter
from sovits_cli.training.flow import FlowStage
from sovits_cli.training.journal import Journal
from sovits_cli.training.loop import Calendar, Fingerprints, Outcome, Run
from sovits_cli.training.material import Material
from sovits_cli.training.schedule import Schedule
from sovits_cli.training.sovits import AdamWRule, SovitsStage, Weights
from sovits_cli.training.stages import Batch, TrainingStage
from sovits_cli.training.state import STATES, StateFolder
from sovits_cli.training.stop import StopRequest
from sovits_cli.training.t2s import DEFAULT_RATES, GptStage
from sovits_cli.versions import AcousticKind

Batches = TypeVar("Batches", bound=Batch)

MOST_ACCUMULATION = 4
"""Batches per update by default, as in the official trainer …"""

LEAST_UPDATES = 8
"""… but an epoch of a small dataset still has this many updates, if it has so many batches."""

LONGEST_WARM_UP = 500
SOVITS_WARM_UP_FROM = 0.01
"""Share of the learning rate at which the warm-up of the SoVITS stage begins."""


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


@dataclass(frozen=True)
class Job:
    """Everything the stages share.

    Args:
        settings: of the run.
        given: tells whether anybody but the defaults said a key.
        experiment: the dataset.
        base: the model that is tuned, or whose encoders and codebook a fresh one uses.
        name, folder: of the run.
        device: where to train.
        exporter: writes weights.
        restart: forget saved states.
        stop: the wish to stop.
        reporter: hears everything.
        said: events that are told once a run.
    """

    settings: Settings
    given: Callable[[str], bool]
    experiment: Experiment
    base: Bundle
    name: str
    folder: Path
    device: torch.device
    exporter: Exporter
    restart: bool
    stop: StopRequest
    reporter: Reporter
    said: list[Event] = field(default_factory=list)

    def say_once(self, event: Event) -> None:
        """Report an event that both stages would report."""
        if event not in self.said:
            self.said.append(event)
            self.reporter.emit(event)


def train(
    settings: Settings,
    *,
    dataset: Path,
    device: str,
    given: Callable[[str], bool],
    restart: bool,
    reporter: Reporter,
    init: Sequence[Path] = (),
) -> TrainReport:
    """Train what the settings ask for, from where the run was left.

    Args:
        init: weights to begin from in place of the base model's.

    Raises:
        KeyboardInterrupt: it was asked to stop; the state is saved.
    """
    experiment = Experiment(dataset)
    name = settings.train.exp_name or _name_of(dataset)
    if settings.train.stage == Stage.CONTENT.value:
        return _train_content(settings, dataset, name, reporter)
    base, base_name = _base(settings, experiment, reporter)
    base = bundles.begun_from(base, init)
    folder = settings.train.out / name
    reporter.emit(Chose("run", str(folder), "named by --name" if settings.train.exp_name else "named after the folder"))
    said = settings.model_dump(mode="json")
    config = {
        "gpt": {"data": said["data"], "optimizer": said["optimizer"], "train": {**said["train"], "exp_name": name}},
        "sovits": {"train": said["sovits"]["train"]},
    }
    outcomes: dict[str, Outcome] = {}
    with StopRequest(reporter) as stop:
        job = Job(
            settings=settings,
            given=given,
            experiment=experiment,
            base=base,
            name=name,
            folder=folder,
            device=torch.device(device),
            exporter=Exporter(name, base.version, base_name, config, settings.train.keep_weights),
            restart=restart,
            stop=stop,
            reporter=reporter,
        )
        for stage in _stages(settings):
            outcomes[stage.value] = STAGES[stage](job)
            if stop.wanted:
                raise KeyboardInterrupt
    return TrainReport(name, folder, all(outcome.finished for outcome in outcomes.values()), outcomes)


def train_gpt(job: Job) -> Outcome:
    """The GPT stage."""
    settings = job.settings
    engine = _engine(job, settings.train.precision, asked=job.given("train.precision"))
    _seed(settings.train.seed)
    model = engine.place(build.gpt(job.base, settings))
    if job.given("data.pad_val") and settings.data.pad_val != model.config.eos:
        raise SettingsError(
            f"data.pad_val is {settings.data.pad_val}, but the end token of the model is {model.config.eos}",
            hint="leave data.pad_val away",
        )
    clips = GptDataset(
        job.experiment,
        job.base.version.symbols,
        limits=GptLimits(min_sec=settings.data.min_sec, max_sec=settings.data.max_sec),
        vocab=model.config.vocab,
        bert_dim=model.config.bert_dim,
    )
    material.tell(Stage.GPT, clips, job.folder, job.reporter)
    collate = partial(collate_gpt, pad_code=model.config.eos, bert_dim=model.config.bert_dim)
    found = _material(job, clips, collate, settings.train.batch_size, settings.train.seed)
    calendar = _calendar(
        settings,
        epochs=settings.train.epochs,
        max_steps=settings.train.max_steps,
        accumulation=settings.train.gradient_accumulation or _accumulation(found.batches_per_epoch),
        clip_norm=settings.train.gradient_clip,
        save_every_epochs=settings.train.save_every_n_epoch,
    )
    stage = GptStage(
        model,
        optimizer=settings.optimizer.name,
        schedule=_gpt_schedule(settings, _updates(calendar, found.batches_per_epoch), job.reporter),
        export=job.exporter.gpt,
        alignment=settings.train.alignment,
        token_noise=settings.train.token_noise,
        preference=settings.train.if_dpo,
    )
    described = {**model.config.to_official(), "optimizer": settings.optimizer.name}
    return _run(job, stage, engine, calendar, found, described)


def train_sovits(job: Job) -> Outcome:
    """The SoVITS stage."""
    settings, own = job.settings, job.settings.sovits.train
    asked = own.precision is not None or job.given("train.precision")
    engine = _engine(job, own.precision or settings.train.precision, asked=asked)
    seed = settings.train.seed if own.seed is None else own.seed
    _seed(seed)
    tell_unused(job.base, job.given, job.reporter)
    made = ACOUSTICS[job.base.version.acoustic](job, engine)
    config = made.config
    clips = SovitsDataset(
        job.experiment,
        job.base.version.symbols,
        config.spec,
        content_channels=config.content_channels,
        speaker_channels=config.speaker_channels,
        limits=SovitsLimits(min_sec=max(settings.data.min_sec, made.shortest_s), max_sec=settings.data.max_sec),
    )
    material.tell(Stage.SOVITS, clips, job.folder, job.reporter)
    found = _material(job, clips, collate_sovits, own.batch_size or settings.train.batch_size, seed)
    calendar = _calendar(
        settings,
        epochs=own.epochs,
        max_steps=own.max_steps or settings.train.max_steps,
        accumulation=own.gradient_accumulation,
        clip_norm=settings.train.gradient_clip if own.gradient_clip is None else own.gradient_clip,
        save_every_epochs=own.save_every_epoch,
    )
    updates = _updates(calendar, found.batches_per_epoch)
    schedule = Schedule(
        peak=own.learning_rate,
        initial=own.learning_rate * SOVITS_WARM_UP_FROM,
        final=own.lr_end or 0.0,
        warmup_steps=own.warmup_steps,
        decay_steps=0 if own.lr_end is None else own.decay_steps or updates,
        epoch_decay=own.lr_decay,
    )
    rule = AdamWRule(betas=own.betas, eps=own.eps, text_rate_scale=own.text_low_lr_rate)
    return _run(job, made.stage(rule, schedule), engine, calendar, found, made.described)


@dataclass(frozen=True)
class Made:
    """The networks of the SoVITS stage.

    Args:
        config: of the encoders, and of what a batch holds.
        shortest_s: seconds of the shortest clip that can be trained on.
        stage: makes the stage.
        described: what must be the same for a saved state to go on.
    """

    config: SovitsConfig
    shortest_s: float
    stage: Callable[[AdamWRule, Schedule], TrainingStage[SovitsBatch]]
    described: Mapping[str, Any]


def make_vits(job: Job, engine: Engine) -> Made:
    """Networks that make samples, with discriminators."""
    own = job.settings.sovits.train
    built = build.acoustic(job.base, job.settings, job.reporter)
    model = engine.place(built.model)
    judges = None if built.judges is None else engine.place(built.judges)
    config = model.config
    return Made(
        config,
        (config.segment_frames + 1) * config.hop_length / config.sampling_rate,
        lambda rule, schedule: SovitsStage(
            model,
            judges,
            weights=Weights(mel=own.c_mel, kl=own.c_kl, stft=own.c_stft, prior=own.c_prior),
            rule=rule,
            schedule=schedule,
            export=job.exporter.sovits,
        ),
        {**config.to_official(), "discriminator": own.discriminator},
    )


def make_flow(job: Job, engine: Engine) -> Made:
    """A network that makes mel spectrograms along a flow."""
    model = engine.place(build_flow.flow(job.base, job.settings, job.reporter))
    return Made(
        model.config,
        0.0,
        lambda rule, schedule: FlowStage(model, rule=rule, schedule=schedule, export=job.exporter.flow),
        {**model.flow_config.to_official(), "lora_rank": job.settings.sovits.train.lora_rank},
    )


ACOUSTICS: dict[AcousticKind, Callable[[Job, Engine], Made]] = {
    AcousticKind.VITS: make_vits,
    AcousticKind.FLOW: make_flow,
}
"""The table of networks, by the trait that versions name."""


def _train_content(settings: Settings, recordings: Path, name: str, reporter: Reporter) -> TrainReport:
    """The content encoder of a small family: from recordings with timed phones, not from a dataset, and not resumed."""
    folder = settings.train.out / name
    reporter.emit(Chose("recordings", str(recordings), "with timed phones"))
    reporter.emit(Chose("family", str(folder), f"for {settings.content.family}"))
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


STAGES: dict[Stage, Callable[[Job], Outcome]] = {
    Stage.GPT: train_gpt,
    Stage.SOVITS: train_sovits,
}
"""The table of trainings, in the order in which they run."""


def _engine(job: Job, wanted: Precision, *, asked: bool) -> Engine:
    """The engine of a stage. What was asked for is done; the default of float16 is float32 on a CPU. Said once."""
    kind = job.device.type
    used = runnable(wanted, job.device) if asked or kind == "cuda" else Precision.FULL
    if used is not wanted:
        why = "float16 training needs CUDA" if asked else "the default where there is no CUDA"
        job.say_once(Note(f"precision {wanted.value} runs as {used.value} on {kind}: {why}"))
    if used is Precision.BF16 and slow_bf16(job.device):
        job.say_once(Warned("this CPU has no bf16 instructions: training will be many times slower", "--precision 32"))
    return Engine(job.device, used)


def _stages(settings: Settings) -> Sequence[Stage]:
    if settings.train.stage == "all":
        return (Stage.GPT, Stage.SOVITS)
    return (Stage(settings.train.stage),)


def _run(
    job: Job,
    stage: TrainingStage[Batches],
    engine: Engine,
    calendar: Calendar,
    found: Material[Batches],
    described: Mapping[str, Any],
) -> Outcome:
    """One stage through the calendar."""
    states = StateFolder(job.folder / STATES, stage.stage, keep_all=not job.settings.train.if_save_latest)
    if job.restart:
        states.clear()
    model = material.digest([described, job.base.name if not job.settings.train.from_scratch else "from scratch"])
    held_out = f", {found.held_out_clips} more held out" if found.held_out_clips else ""
    size = math.ceil(found.clips / found.batches_per_epoch)
    updates = f"{_updates(calendar, found.batches_per_epoch)} updates of {calendar.accumulation} x {size} clips"
    job.reporter.emit(
        Note(f"{stage.stage.value}: {found.clips} clips{held_out}, {updates}, precision {engine.precision.value}")
    )
    return Run(
        stage,
        engine=engine,
        calendar=calendar,
        training=found.training,
        held_out=found.held_out,
        fingerprints=Fingerprints(model, found.fingerprint),
        states=states,
        exports=job.folder,
        journal=lambda step: Journal(job.folder / "tb", stage.stage, engine.device, step, job.reporter),
        stop=job.stop,
        reporter=job.reporter,
    ).go()


def _material(
    job: Job, clips: Any, collate: Callable[[Sequence[Any]], Batches], batch_size: int, seed: int
) -> Material[Batches]:
    return material.prepare(
        clips,
        collate,
        batch_size=batch_size,
        seed=seed,
        workers=job.settings.data.num_workers,
        most_held_out=job.settings.data.max_eval_sample,
        reporter=job.reporter,
    )


def _calendar(
    settings: Settings,
    *,
    epochs: int,
    max_steps: int | None,
    accumulation: int,
    clip_norm: float,
    save_every_epochs: int,
) -> Calendar:
    return Calendar(
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


def _accumulation(batches_per_epoch: int) -> int:
    return min(MOST_ACCUMULATION, max(1, batches_per_epoch // LEAST_UPDATES))


def _updates(calendar: Calendar, batches_per_epoch: int) -> int:
    if calendar.max_steps is not None:
        return calendar.max_steps
    return calendar.epochs * math.ceil(batches_per_epoch / calendar.accumulation)


def _gpt_schedule(settings: Settings, updates: int, reporter: Reporter) -> Schedule:
    """Warm-up and decay over this run, unless the settings say over how many steps."""
    own = settings.optimizer
    peak = DEFAULT_RATES[own.name] if own.lr is None else own.lr
    warmup = min(updates // 20, LONGEST_WARM_UP) if own.warmup_steps is None else own.warmup_steps
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
    base = bundles.find(wanted, runs=settings.train.out, trained=False)
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
    marked = any((folder / file).is_file() for file in (bundles.VOICE_FILE, bundles.MODEL_FILE))
    return str(folder.resolve()) if marked else model


def _name_of(dataset: Path) -> str:
    """The folder's own name, or that of the folder it is in when it is just called `dataset`."""
    place = dataset.resolve()
    name = place.parent.name if place.name == "dataset" else place.name
    return name or "voice"


def _seed(seed: int) -> None:
    """Seed everything that draws, so that a stage does not depend on what ran before it."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries may draw from it
    torch.manual_seed(seed)
