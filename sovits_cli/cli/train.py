"""`sovits train`: settings and a dataset in, one call, one line of result."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sovits_cli.cli.command import CommandContext, command, option
from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import UsageError
from sovits_cli.events import Note, Reporter
from sovits_cli.report.tables import plan_table

if TYPE_CHECKING:
    from sovits_cli.training.context import SettingOrigins
    from sovits_cli.training.trainer_config import StopRequest

DEFAULT_DATASET = Path("dataset")

_UNITS = {"mb": 10**6, "gb": 10**9, "mib": 2**20, "gib": 2**30, "m": 2**20, "g": 2**30}


@command(
    option("train.stage"),
    option("train.exp_name", "--name"),
    option("train.out"),
    option("train.model"),
    option("train.from_scratch"),
    option("train.epochs", also=("sovits.train.epochs", "content.epochs")),
    option("train.max_steps", also=("sovits.train.max_steps", "content.steps")),
    option("train.batch_size", also=("sovits.train.batch_size", "content.batch_size")),
    option("train.batch_seconds", also=("sovits.train.batch_seconds", "content.batch_seconds")),
    option("train.activation_checkpointing"),
    option("train.precision", also=("sovits.train.precision", "content.precision")),
    option("train.gradient_clip", also=("sovits.train.gradient_clip", "content.gradient_clip")),
    option("train.gradient_accumulation", also=("sovits.train.gradient_accumulation", "content.gradient_accumulation")),
    option("train.seed", also=("sovits.train.seed", "content.seed")),
    option(
        "train.save_every_n_epoch", "--save-every", also=("sovits.train.save_every_epoch", "content.save_every_epoch")
    ),
    option("train.save_every_min"),
    option("data.max_sec"),
    option("data.strict"),
    option("data.num_workers"),
)
def train_command(
    context: CommandContext,
    dataset: Annotated[
        Path,
        typer.Argument(
            help="folder made by `sovits prep` or by GPT-SoVITS; --stage content: of <name>.wav and <name>.phones"
        ),
    ] = DEFAULT_DATASET,
    restart: Annotated[
        bool, typer.Option("--restart", help="begin anew instead of going on from the saved state")
    ] = False,
    init: Annotated[
        list[Path] | None,
        typer.Option(
            "--init",
            metavar="FILE",
            help="weights to begin from instead of the base model's: exports, G_….pth, D_….pth; may be repeated",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="say what the training costs and what fits, and train nothing")
    ] = False,
    memory: Annotated[
        str | None, typer.Option("--memory", metavar="SIZE", help="with --dry-run: plan for so much memory, as 12GB")
    ] = None,
) -> None:
    """Train a voice on a dataset: the GPT stage, then the SoVITS stage.

    Fine-tunes the model the dataset was made for; --from-scratch --config RECIPE trains new networks. Stopped with
    Ctrl-C or killed, the same command goes on from the last saved state. --stage content trains the content encoder of
    a small family from recordings with timed phones.

        sovits train --precision 16-mixed
    """
    from sovits_cli.report.run_report import RunReport
    from sovits_cli.training.pipeline import TrainOptions, plan_training, train
    from sovits_cli.training.trainer_config import StopRequest

    if memory is not None and not dry_run:
        raise UsageError(f"--memory {memory} is for planning", code="train.memory_without_plan")
    options = TrainOptions(
        device=context.device,
        restart=restart,
        initial_weights=tuple(init or ()),
        origins=setting_origins(context.origin),
        stop=StopRequest(),
    )
    if dry_run:
        budget = None if memory is None else _bytes(memory)
        plans = plan_training(dataset, context.settings, options, budget_bytes=budget, reporter=context.reporter)
        context.result({"stages": plans}, text="\n\n".join(map(plan_table, plans)))
        return
    assert options.stop is not None
    with _stopped_by_signals(options.stop, context.reporter):
        result = train(dataset, context.settings, options, reporter=RunReport(context.reporter, hint_for))
    if options.stop.wanted:
        raise KeyboardInterrupt
    if _is_main_process():
        weights = [str(one.exported) for one in result.stages.values() if one.exported is not None]
        context.result(result, text=f"trained {result.name}: {', '.join(weights) or result.folder}")


def _is_main_process() -> bool:
    """Whether this is the one of several processes (as torchrun starts them) that speaks."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def _stopped_by_signals(stop: StopRequest, reporter: Reporter) -> Iterator[None]:
    """Inside, Ctrl-C and SIGTERM ask for a stop after the update in progress; a second one ends it at once."""

    def ask(*_: object) -> None:
        if stop.wanted:
            raise KeyboardInterrupt
        stop.wanted = True
        if _is_main_process():
            text = "stopping after this step; the state is saved, `sovits train` goes on from there"
            reporter.emit(Note(text))

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def setting_origins(origin: Mapping[str, str]) -> SettingOrigins:
    """Who set which key, as the pipeline asks for it, of the places that the command line remembers."""
    from sovits_cli.training.context import SettingSource

    @dataclass(frozen=True)
    class Origins:
        def source(self, key: str) -> SettingSource:
            where = origin[key]
            if where == "default":
                return SettingSource.DEFAULT
            if where.startswith(("set ", "--set")):
                return SettingSource.KEY
            return SettingSource.FLAG if where.startswith("flag") else SettingSource.AMBIENT

        def where(self, key: str) -> str:
            return origin[key]

    return Origins()


def _bytes(text: str) -> int:
    """Read an amount of memory: "12GB", "800 MiB"."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]+)", text.strip().lower())
    if match is None or match[2] not in _UNITS or not float(match[1]):
        raise UsageError(f"--memory {text}: expected an amount of memory", code="train.memory_not_an_amount")
    return int(float(match[1]) * _UNITS[match[2]])
