"""`sovits prep`: slices and transcripts to a dataset."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sovits_cli.cli.command import CommandContext, command, option
from sovits_cli.config.schema import PrepSettings
from sovits_cli.errors import UsageError
from sovits_cli.events import Chose
from sovits_cli.report.tables import aligned_columns, format_audio, histogram_bars

if TYPE_CHECKING:
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
    from sovits_cli.prep.pipeline import plan_dataset, prepare_dataset

    settings = context.settings
    given = source or _default_source(settings.slice.out)
    context.warn_of_unusable_languages()
    if source is None:
        context.reporter.emit(Chose("recordings", str(given), "the slices here; no other folder was named"))
    if plan_only:
        plan = plan_dataset(given, settings, device=context.device, reporter=context.reporter)
        context.result(plan, text=_plan_summary(plan, settings.prep.out))
        return
    result = prepare_dataset(given, settings, device=context.device, reporter=context.reporter)
    context.result(result, text=_summary(result))


def _default_source(slices: Path) -> Path:
    if not slices.is_dir():
        raise UsageError(
            f"nothing to prepare: there is no {slices}/ here and no folder was named",
            hint="sovits prep FOLDER --lang en, or first sovits slice RECORDING",
        )
    return slices


def _plan_summary(plan: PrepPlan, out: Path) -> str:
    """What would be done, by step."""
    rows = [[step.step, f"{step.to_do} to do", f"{step.done} done already"] for step in plan.steps]
    left_out = f", {len(plan.left_out)} left out" if plan.left_out else ""
    return "\n".join([f"{out}: {plan.clips} clips, {format_audio(plan.seconds)}{left_out}", *aligned_columns(rows)])


def _summary(result: PrepResult) -> str:
    """What the user reads at the end."""
    counts = f"{result.clips} clips, {format_audio(result.seconds)}, {', '.join(result.languages)}"
    notes = [f"features of {result.model}"]
    notes += [f"{result.reused} as they were"] if result.reused else []
    notes += [f"{len(result.left_out)} left out"] if result.left_out else []
    place = "" if result.dataset == PrepSettings().out else f" {shlex.quote(str(result.dataset))}"
    bars = histogram_bars(result.lengths)
    return f"{result.dataset}: {counts} ({'; '.join(notes)})\n{bars}\nnext: sovits train{place}"
