"""Preparing a dataset: recordings and transcripts in, an official experiment folder out. Every step skips what is done.

The tables list only clips that passed every step, so that training sees whole clips. A killed run goes on where it
was, and ends with the same files. Knows no terminal.

    source -> Manifest -> Clip, Clip ... -> passes of steps (step_runner.py) -> tables, dataset.json
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sovits_cli.checkpoints.bundle import MODEL_FILE, VOICE_FILE
from sovits_cli.checkpoints.catalogue import find_model
from sovits_cli.config.schema import PrepSettings, Settings
from sovits_cli.data.experiment import DatasetInfo, Experiment, LeftOut, Row, Table
from sovits_cli.data.length_bins import LengthBin, length_bins, long_clip_shortage
from sovits_cli.data.manifest import Manifest
from sovits_cli.data.manifest_readers import read_manifest
from sovits_cli.devices import find_device
from sovits_cli.errors import DatasetError, SovitsError, UsageError, nothing_done
from sovits_cli.events import Chose, Note, Reporter, Silent, Warned
from sovits_cli.files import real_path
from sovits_cli.locks import held
from sovits_cli.prep.feature_models import BundleFeatureModels, FeatureModels
from sovits_cli.prep.feature_steps import BertStep, ContentStep, SemanticStep, SpeakerStep
from sovits_cli.prep.recording_steps import AlignmentStep, AudioStep, RecordingStep, TranscriptStep
from sovits_cli.prep.resume_log import RESUME_LOG_FILE, ResumeLog
from sovits_cli.prep.step_runner import Clip, Pass, StepPlan, StepRunner
from sovits_cli.prep.transcription import LIST_FILE, plan_transcription, transcribe_missing
from sovits_cli.prep.whisper import Whisper
from sovits_cli.text import lexicon
from sovits_cli.text.lexicon import Lexicon

_DEFAULTS = Settings()
_SILENT = Silent()


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


@dataclass(frozen=True)
class PrepPlan:
    """What a run would do: by step, and what it would leave out."""

    clips: int
    seconds: float
    steps: tuple[StepPlan, ...]
    left_out: tuple[LeftOut, ...]


def prepare_dataset(
    source: Path | str, settings: Settings = _DEFAULTS, *, device: str = "auto", reporter: Reporter = _SILENT
) -> PrepResult:
    """Make or complete the dataset `settings.prep.out` from recordings and what is said in them.

    Args:
        source: a folder of recordings with transcripts, slices, a `.list`, an LJSpeech table, or an experiment folder.
        settings: of these `prep`, the lengths in `data`, `lexicon`, and `train.out`, where trained voices are found.
        device: where the models run: auto, cpu, cuda, cuda:N or mps.
        reporter: takes the events.

    Raises:
        DatasetError: nothing in the source can be used, or no clip is left.
        ModelError: the model is not there, or cannot be used.
        TextError: an unknown language, or a lexicon that cannot be read.
        ResourceError: the device is not there, the folder cannot be written, another process works in it, or the disk
            is full. What was done is kept.
    """
    job = _open(Path(source), settings, find_device(device).name, reporter, plan_only=False)
    return build_dataset(job.manifest, settings.prep.out, job.models, job.options, reporter)


def plan_dataset(
    source: Path | str, settings: Settings = _DEFAULTS, *, device: str = "auto", reporter: Reporter = _SILENT
) -> PrepPlan:
    """Say what `prepare_dataset` would do, and write nothing.

    Args: those of `prepare_dataset`, which raises the same.
    """
    job = _open(Path(source), settings, find_device(device).name, reporter, plan_only=True)
    return plan_steps(job.manifest, settings.prep.out, job.models, job.options, reporter)


@dataclass(frozen=True)
class _Job:
    manifest: Manifest
    models: FeatureModels
    options: PrepOptions


def _open(source: Path, settings: Settings, device: str, reporter: Reporter, *, plan_only: bool) -> _Job:
    """Read the source and find the model; what was chosen is reported."""
    prep = settings.prep
    words = lexicon.EMPTY_LEXICON if settings.lexicon is None else lexicon.load_lexicon(settings.lexicon)
    bundle = find_model(prep.model, runs=settings.train.out, trained=False)
    manifest = _read_source(source, prep, device, reporter, plan_only=plan_only)
    reporter.emit(Chose("dataset", f"{source} -> {prep.out}", manifest.kind))
    reporter.emit(Chose("model", bundle.name, bundle.why))
    for note in manifest.notes:
        reporter.emit(Warned(note))
    options = PrepOptions(
        min_sec=settings.data.min_sec,
        max_sec=settings.data.max_sec,
        workers=prep.workers or os.cpu_count() or 1,
        text_compat=prep.text_compat,
        words=words,
    )
    return _Job(manifest, BundleFeatureModels(bundle, device, _model_reference(prep.model, bundle.name)), options)


def _read_source(source: Path, prep: PrepSettings, device: str, reporter: Reporter, *, plan_only: bool) -> Manifest:
    """What the recordings say: as it is written beside them or in a list, or as whisper transcribes it."""
    if prep.asr is None:
        return read_manifest(source, prep.lang)
    transcripts = prep.out / LIST_FILE
    if plan_only:
        return plan_transcription(source, prep.lang, transcripts, reporter)
    return transcribe_missing(source, prep.lang, transcripts, lambda: Whisper(prep.asr_model, device), reporter)


def _model_reference(asked: str | None, name: str) -> str:
    """What finds the model again: the folder if one was named, else its name."""
    folder = Path(asked) if asked else None
    files = (MODEL_FILE, VOICE_FILE)
    is_folder = folder is not None and any((folder / file).is_file() for file in files)
    return str(real_path(folder)) if folder is not None and is_folder else name


def build_dataset(
    manifest: Manifest, out: Path, models: FeatureModels, options: PrepOptions, reporter: Reporter
) -> PrepResult:
    """Make or complete the dataset `out` with the features of any models. Raises as `prepare_dataset`.

    Args:
        manifest: what the source holds.
        out: folder of the dataset.
        models: make the features, and say by their keys when those would change.
        options: which clips are taken, and how.
        reporter: takes the events.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"cannot write {out}: it is not a folder", code="prep.out_not_folder")
    with held(out):
        return _build(manifest, Experiment(out), models, options, reporter)


def _build(
    manifest: Manifest, experiment: Experiment, models: FeatureModels, options: PrepOptions, reporter: Reporter
) -> PrepResult:
    _report_earlier_run(experiment, manifest, models, reporter)
    with ResumeLog(experiment.root / RESUME_LOG_FILE) as log:
        runner = StepRunner(log, options.workers, reporter)
        for item in manifest.left_out:
            runner.leave_out(item)
        clips = [Clip(row) for row in manifest.rows]
        passes = _passes(experiment, manifest, models, options, reporter)
        # A clip that fails is missing from there on: the tables hold only what passed every step.
        for pass_ in passes:
            clips = runner.run(pass_, clips)
            if not clips:
                raise _no_clip_left(manifest, runner.left_out)
        _write_tables(experiment, manifest, clips, models)
        steps = [step.name for pass_ in passes for step in pass_.steps]
        log.compact(steps, [clip.name for clip in clips], {RecordingStep.name})
    shortage = long_clip_shortage([clip.seconds for clip in clips], options.max_sec)
    if shortage is not None:
        reporter.emit(Warned(shortage.text, **shortage.advice))
    return _result(experiment.root, clips, models, runner.left_out)


def plan_steps(
    manifest: Manifest, out: Path, models: FeatureModels, options: PrepOptions, reporter: Reporter
) -> PrepPlan:
    """What `build_dataset` would do, without writing anything: recordings are looked at, the log is read.

    Args: as `build_dataset`.
    """
    runner = StepRunner(ResumeLog.read_only(out / RESUME_LOG_FILE), options.workers, reporter)
    for item in manifest.left_out:
        runner.leave_out(item)
    clips = [Clip(row) for row in manifest.rows]
    steps = runner.plan(_passes(Experiment(out), manifest, models, options, reporter), clips)
    left_out = {item.name for item in runner.left_out}
    kept = [clip for clip in clips if clip.name not in left_out]
    return PrepPlan(len(kept), _seconds(kept), tuple(steps), tuple(runner.left_out))


def _passes(
    experiment: Experiment, manifest: Manifest, models: FeatureModels, options: PrepOptions, reporter: Reporter
) -> list[Pass]:
    """All steps in order. A new one is a class in one of the files of steps and a line here."""
    source = manifest.experiment
    transcripts = TranscriptStep(
        models.version.symbols,
        _rows_of_earlier_run(experiment.text_file, experiment.read_text),
        compat=options.text_compat,
        words=options.words,
    )
    # One pass for all that listen to the recording: it is decoded once.
    listening = Pass(
        "audio features",
        (
            AudioStep(experiment),
            ContentStep(experiment, models, source, reporter),
            SpeakerStep(experiment, models, source),
        ),
    )
    tokens = _rows_of_earlier_run(experiment.semantic_file, experiment.read_semantic)
    return [
        Pass.of(RecordingStep(options.min_sec, options.max_sec)),
        Pass.of(transcripts),
        Pass.of(AlignmentStep(experiment, source)),
        Pass.of(BertStep(experiment, models, source)),
        listening,
        Pass.of(SemanticStep(experiment, models, tokens)),
    ]


def _report_earlier_run(experiment: Experiment, manifest: Manifest, models: FeatureModels, reporter: Reporter) -> None:
    """Report what an earlier run left that is of another model or source."""
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
                code="prep.other_source",
            )
        )


def _rows_of_earlier_run(path: Path, read: Callable[[], Table[Row]]) -> dict[str, Row]:
    """The rows of a table of an earlier run; none if there is none, or it cannot be used."""
    # Once the tables are written, the log drops its copy of their rows (`ResumeLog.compact`), and they are read back.
    try:
        return read().rows if path.is_file() else {}
    except DatasetError:
        return {}


def _write_tables(experiment: Experiment, manifest: Manifest, clips: Sequence[Clip], models: FeatureModels) -> None:
    before = experiment.read_info()
    keeps_sources = before is not None and not _is_other(manifest, experiment)
    info = DatasetInfo(
        model=models.name,
        version=models.version.name,
        symbols=models.version.symbols.value,
        languages=_languages(clips),
        sources=before.sources if before is not None and keeps_sources else _sources(manifest),
        items=len(clips),
        seconds=_seconds(clips),
    )
    experiment.write_text(clip.text for clip in clips if clip.text is not None)
    experiment.write_semantic((clip.name, clip.tokens) for clip in clips)
    experiment.write_info(info)


def _result(root: Path, clips: Sequence[Clip], models: FeatureModels, left_out: Sequence[LeftOut]) -> PrepResult:
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


def _no_clip_left(manifest: Manifest, left_out: Sequence[LeftOut]) -> SovitsError:
    first = left_out[0]
    message = (
        f"no clip of {manifest.source} can be used: {len(left_out)} left out, the first: {first.name}: {first.reason}"
    )
    return nothing_done(DatasetError(message, hint="see the reason of each above"), [item.bug for item in left_out])


def _is_other(manifest: Manifest, experiment: Experiment) -> bool:
    """Whether the source is anything but the dataset itself."""
    return manifest.experiment is None or not manifest.experiment.root.samefile(experiment.root)


def _sources(manifest: Manifest) -> tuple[str, ...]:
    return (str(real_path(manifest.source)),)


def _languages(clips: Sequence[Clip]) -> tuple[str, ...]:
    return tuple(sorted({piece.lang for clip in clips for piece in clip.pieces}))


def _seconds(clips: Sequence[Clip]) -> float:
    return round(sum(clip.seconds for clip in clips), 2)
