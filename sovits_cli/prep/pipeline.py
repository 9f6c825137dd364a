"""Preparing a dataset: rows in, an official experiment folder out. Every step skips what is done.

The tables list only clips that passed every step, so that training sees whole clips. A killed run goes on where it
was, and ends with the same files. Knows no settings and no terminal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sovits_cli.data.experiment import DatasetInfo, Experiment, LeftOut, Row, Table
from sovits_cli.data.length_bins import LengthBin, length_bins, long_clip_shortage
from sovits_cli.data.manifest import Manifest
from sovits_cli.errors import DatasetError, SovitsError, UsageError
from sovits_cli.events import Note, Reporter, Warned
from sovits_cli.files import real_path
from sovits_cli.locks import held
from sovits_cli.prep.feature_models import FeatureModels
from sovits_cli.prep.feature_steps import BertStep, ContentStep, SemanticStep, SpeakerStep
from sovits_cli.prep.recording_steps import AlignmentStep, AudioStep, RecordingStep
from sovits_cli.prep.resume_log import RESUME_LOG_FILE, ResumeLog
from sovits_cli.prep.step_runner import Clip, Step, StepPlan, StepRunner
from sovits_cli.prep.transcript_step import TranscriptStep
from sovits_cli.text import lexicon
from sovits_cli.text.lexicon import Lexicon


@dataclass(frozen=True)
class PrepOptions:
    """Which recordings are taken, in seconds, how many threads read them, and how texts are read."""

    min_sec: float
    max_sec: float
    workers: int
    text_compat: bool = False
    words: Lexicon = lexicon.EMPTY_LEXICON


@dataclass(frozen=True)
class PrepResult:
    """What a dataset holds after a run.

    Args:
        dataset: its folder.
        model, version: whose features it holds.
        clips: in the tables.
        seconds: their audio.
        reused: clips for which nothing had to be done.
        languages: codes of what is spoken in the transcripts.
        lengths: clips by length.
        left_out: what is not in the tables, and why.
    """

    dataset: Path
    model: str
    version: str
    clips: int
    seconds: float
    reused: int
    languages: tuple[str, ...]
    lengths: tuple[LengthBin, ...]
    left_out: tuple[LeftOut, ...]


def prepare(
    manifest: Manifest, out: Path, models: FeatureModels, options: PrepOptions, reporter: Reporter
) -> PrepResult:
    """Make or complete the dataset `out`.

    Raises:
        DatasetError: no clip is left.
        ResourceError: the folder cannot be written, another process works in it, or the disk is full. What was done
            is kept.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"cannot write {out}: it is no folder", hint="name another with --out")
    with held(out):
        return _prepare(manifest, Experiment(out), models, options, reporter)


def _prepare(
    manifest: Manifest, experiment: Experiment, models: FeatureModels, options: PrepOptions, reporter: Reporter
) -> PrepResult:
    out = experiment.root
    _tell_of_before(experiment, manifest, models, reporter)
    with ResumeLog(out / RESUME_LOG_FILE) as journal:
        runner = StepRunner(journal, options.workers, reporter)
        for item in manifest.left_out:
            runner.leave_out(item)
        clips = [Clip(row) for row in manifest.rows]
        steps = _steps(experiment, manifest, models, options, reporter)
        for step in steps:
            clips = runner.run(step, clips)
            if not clips:
                raise _nothing_left(manifest, runner)
        _write_tables(experiment, manifest, clips, models)
        journal.compact([step.name for step in steps], [clip.name for clip in clips], {RecordingStep.name})
    advice = long_clip_shortage([clip.seconds for clip in clips], options.max_sec)
    if advice is not None:
        reporter.emit(Warned(advice.text, **advice.advice))
    return _report(out, clips, models, runner.left_out)


@dataclass(frozen=True)
class PrepPlan:
    """What a run would do: by step, and what it would leave out."""

    clips: int
    seconds: float
    steps: tuple[StepPlan, ...]
    left_out: tuple[LeftOut, ...]


def plan(manifest: Manifest, out: Path, models: FeatureModels, options: PrepOptions, reporter: Reporter) -> PrepPlan:
    """What `prepare` would do, without writing anything: recordings are looked at, the journal is read."""
    experiment = Experiment(out)
    journal = ResumeLog.read_only(out / RESUME_LOG_FILE)
    runner = StepRunner(journal, options.workers, reporter)
    for item in manifest.left_out:
        runner.leave_out(item)
    clips = [Clip(row) for row in manifest.rows]
    steps = runner.plan(_steps(experiment, manifest, models, options, reporter), clips)
    left_out = {item.name for item in runner.left_out}
    kept = [clip for clip in clips if clip.name not in left_out]
    return PrepPlan(len(kept), _seconds(kept), tuple(steps), tuple(runner.left_out))


def _steps(
    experiment: Experiment, manifest: Manifest, models: FeatureModels, options: PrepOptions, reporter: Reporter
) -> list[Step[Any]]:
    """All steps in order. A new one is a file beside this one and a line here."""
    source = manifest.experiment
    return [
        RecordingStep(options.min_sec, options.max_sec),
        TranscriptStep(
            models.version.symbols,
            _known(experiment.text_file, experiment.read_text),
            compat=options.text_compat,
            words=options.words,
        ),
        AlignmentStep(experiment, source),
        AudioStep(experiment),
        BertStep(experiment, models, source),
        ContentStep(experiment, models, source, reporter),
        SemanticStep(experiment, models, _known(experiment.semantic_file, experiment.read_semantic)),
        SpeakerStep(experiment, models, source),
    ]


def _tell_of_before(experiment: Experiment, manifest: Manifest, models: FeatureModels, reporter: Reporter) -> None:
    """Tell what an earlier run left."""
    root = experiment.root
    before = experiment.read_info()
    if before is None:
        return
    if before.model != models.name:
        reporter.emit(Note(f"{root} was made for {before.model}: making its features anew for {models.name}"))
    if _is_other(manifest, experiment) and before.sources != _sources(manifest):
        reporter.emit(
            Warned(
                f"{root} was made from {', '.join(before.sources)}: its clips are not part of it any more",
                hint="use --out to keep both",
            )
        )


def _known(path: Path, read: Callable[[], Table[Row]]) -> dict[str, Row]:
    """The rows of a table of an earlier run; none if there is none, or it cannot be used."""
    try:
        return read().rows if path.is_file() else {}
    except DatasetError:
        return {}


def _write_tables(experiment: Experiment, manifest: Manifest, clips: Sequence[Clip], models: FeatureModels) -> None:
    before = experiment.read_info()
    keeps = before is not None and not _is_other(manifest, experiment)
    info = DatasetInfo(
        model=models.name,
        version=models.version.name,
        symbols=models.version.symbols.value,
        languages=_languages(clips),
        sources=before.sources if before is not None and keeps else _sources(manifest),
        items=len(clips),
        seconds=_seconds(clips),
    )
    experiment.write_text(clip.text for clip in clips if clip.text is not None)
    experiment.write_semantic((clip.name, clip.codes) for clip in clips)
    experiment.write_info(info)


def _report(root: Path, clips: Sequence[Clip], models: FeatureModels, left_out: Sequence[LeftOut]) -> PrepResult:
    return PrepResult(
        dataset=root,
        model=models.name,
        version=models.version.name,
        clips=len(clips),
        seconds=_seconds(clips),
        reused=sum(not clip.worked for clip in clips),
        languages=_languages(clips),
        lengths=length_bins([clip.seconds for clip in clips]),
        left_out=tuple(left_out),
    )


def _nothing_left(manifest: Manifest, runner: StepRunner) -> SovitsError:
    left_out, first = runner.left_out, runner.left_out[0]
    told = (
        f"no clip of {manifest.source} can be used: {len(left_out)} left out, the first: {first.name}: {first.reason}"
    )
    if first.bug and all(item.bug for item in left_out):
        bug = SovitsError(told, **first.bug.advice)
        bug.__cause__ = first.bug
        return bug
    return DatasetError(told, hint="see the reason of each above")


def _is_other(manifest: Manifest, experiment: Experiment) -> bool:
    """Whether the source is anything but the dataset itself."""
    return manifest.experiment is None or not manifest.experiment.root.samefile(experiment.root)


def _sources(manifest: Manifest) -> tuple[str, ...]:
    return (str(real_path(manifest.source)),)


def _languages(clips: Sequence[Clip]) -> tuple[str, ...]:
    return tuple(sorted({piece.lang for clip in clips for piece in clip.pieces}))


def _seconds(clips: Sequence[Clip]) -> float:
    return round(sum(clip.seconds for clip in clips), 2)
