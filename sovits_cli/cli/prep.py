"""`sovits prep`: slices and transcripts to a dataset."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sovits_cli.cli.context import CommandContext
from sovits_cli.cli.options import command, option
from sovits_cli.config.schema import PrepSettings
from sovits_cli.errors import UsageError
from sovits_cli.events import Chose, Warned
from sovits_cli.files import real_path
from sovits_cli.report.plots import draw, total
from sovits_cli.report.tables import aligned

if TYPE_CHECKING:
    from sovits_cli.data.manifest import Manifest
    from sovits_cli.prep.pipeline import PrepPlan, PrepResult


@command(
    option("prep.lang"),
    option("prep.text_compat"),
    option("lexicon"),
    option("prep.asr"),
    option("prep.asr_model"),
    option("prep.out", "--out", "-o"),
    option("prep.model"),
    option("prep.workers"),
    option("data.max_sec"),
    option("data.min_sec"),
)
def prep_command(
    context: CommandContext,
    source: Annotated[
        Path | None,
        typer.Argument(
            help="folder of recordings with transcripts, slices, .list, LJSpeech metadata.csv or experiment folder; "
            "without it: slices/"
        ),
    ] = None,
    plan_only: Annotated[bool, typer.Option("--plan", help="say what would be done, and do nothing")] = False,
) -> None:
    """Make a dataset from recordings and what is said in them.

    Transcripts lie beside the recordings (talk.wav, talk.txt), or in a .list of path|speaker|language|text, or in an
    LJSpeech metadata.csv. --asr whisper hears those that have none and lists them in transcripts.list, for you to
    correct. What is done is not done again: run it as often as you like.
    """
    settings = context.settings
    place = source or _default_source(settings.slice.out)

    from sovits_cli.checkpoints.catalogue import find_model
    from sovits_cli.prep.feature_models import BundleFeatureModels
    from sovits_cli.prep.pipeline import PrepOptions, plan, prepare
    from sovits_cli.text import lexicon

    context.warn_of_unusable_languages()
    words = lexicon.EMPTY_LEXICON if settings.lexicon is None else lexicon.load_lexicon(settings.lexicon)
    chosen = find_model(settings.prep.model, runs=settings.train.out, trained=False)
    manifest = _manifest(context, place, plan_only=plan_only)
    why = f"{manifest.kind}; without an argument: {settings.slice.out}" if source is None else manifest.kind
    context.reporter.emit(Chose("dataset", f"{place} -> {settings.prep.out}", why))
    context.reporter.emit(Chose("model", chosen.name, chosen.why))
    for note in manifest.notes:
        context.reporter.emit(Warned(note))
    options = PrepOptions(
        min_sec=settings.data.min_sec,
        max_sec=settings.data.max_sec,
        workers=settings.prep.workers or os.cpu_count() or 1,
        text_compat=settings.prep.text_compat,
        words=words,
    )
    models = BundleFeatureModels(chosen, context.device, _reference(settings.prep.model, chosen.name))
    if plan_only:
        planned = plan(manifest, settings.prep.out, models, options, context.reporter)
        context.result(planned, text=_planned(planned, settings.prep.out))
        return
    report = prepare(manifest, settings.prep.out, models, options, context.reporter)
    context.result(report, text=_told(report))


def _manifest(context: CommandContext, place: Path, *, plan_only: bool) -> Manifest:
    """What the recordings say: as it is written beside them or in a list, or as whisper hears it."""
    settings = context.settings.prep
    if settings.asr is None:
        from sovits_cli.data.manifest_readers import read_manifest

        return read_manifest(place, settings.lang)

    from sovits_cli.prep.transcription import LIST_FILE, plan_transcription, transcribe_missing
    from sovits_cli.prep.whisper import Whisper

    if plan_only:
        return plan_transcription(place, settings.lang, settings.out / LIST_FILE, context.reporter)

    def listen() -> Whisper:
        return Whisper(settings.asr_model, context.device)

    return transcribe_missing(place, settings.lang, settings.out / LIST_FILE, listen, context.reporter)


def _default_source(slices: Path) -> Path:
    if not slices.is_dir():
        raise UsageError(
            f"nothing to prepare: there is no {slices}/ here and no folder was named",
            hint="sovits prep FOLDER --lang en, or first sovits slice RECORDING",
        )
    return slices


def _reference(asked: str | None, name: str) -> str:
    """What finds the model again: the folder if one was named, else its name."""
    from sovits_cli.checkpoints.bundle import MODEL_FILE, VOICE_FILE

    place = Path(asked) if asked else None
    is_folder = place is not None and any((place / file).is_file() for file in (MODEL_FILE, VOICE_FILE))
    return str(real_path(place)) if place is not None and is_folder else name


def _planned(plan: PrepPlan, out: Path) -> str:
    """What would be done, by step."""
    rows = [[step.step, f"{step.to_do} to do", f"{step.done} done already"] for step in plan.steps]
    left_out = f", {len(plan.left_out)} left out" if plan.left_out else ""
    return "\n".join([f"{out}: {plan.clips} clips, {total(plan.seconds)}{left_out}", *aligned(rows)])


def _told(report: PrepResult) -> str:
    """What the user reads at the end."""
    counts = f"{report.clips} clips, {total(report.seconds)}, {', '.join(report.languages)}"
    notes = [f"features of {report.model}"]
    notes += [f"{report.reused} as they were"] if report.reused else []
    notes += [f"{len(report.left_out)} left out"] if report.left_out else []
    place = "" if report.dataset == PrepSettings().out else f" {shlex.quote(str(report.dataset))}"
    return f"{report.dataset}: {counts} ({'; '.join(notes)})\n{draw(report.lengths)}\nnext: sovits train{place}"
