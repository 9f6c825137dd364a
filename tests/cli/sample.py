"""A command as others are written, that does what the test wants: `sovits sample WHAT`."""

from __future__ import annotations

import errno
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from sovits_cli.cli.command import CommandContext, command, group, option
from sovits_cli.errors import AudioError
from sovits_cli.events import Chose, Skipped


@dataclass(frozen=True)
class Report:
    """What the sample command gives."""

    what: str
    max_sec: float
    mono: bool
    epochs: tuple[int, int]
    out: Path


FAILURES: dict[str, BaseException] = {
    "known": AudioError("a.wav: is empty", hint="leave it out"),
    "bug": ValueError("two\nlines"),
    "memory": MemoryError(),
    "torch": RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 99 bytes"),
    "disk": OSError(errno.ENOSPC, "No space left on device", "out.wav"),
    "io": OSError(errno.EACCES, "Permission denied", "secret.wav"),
    "ctrl-c": KeyboardInterrupt(),
    "pipe": BrokenPipeError(),
}


@command(
    option("slice.max_sec"),
    option("slice.mono"),
    option("slice.out", "--out", "-o"),
    option("train.epochs", also=("sovits.train.epochs",)),
    option("train.stage"),
)
def sample_command(
    context: CommandContext,
    what: Annotated[str, typer.Argument(help="what happens")],
    times: Annotated[int, typer.Option("--times", help="an option of its own")] = 1,
) -> None:
    """Do what the test wants."""
    if what in FAILURES:
        raise FAILURES[what]
    if what == "device":
        context.reporter.emit(Chose("asked", context.device))
    if what == "skip":
        context.reporter.emit(Skipped("b.wav", "is silent"))
    if what == "exit":
        sys.exit(3)
    settings = context.settings
    epochs = (settings.train.epochs, settings.sovits.train.epochs)
    report = Report(what, settings.slice.max_sec, settings.slice.mono, epochs, settings.slice.out)
    context.result(report, text=f"did {what} {times} times")


app = group("A group of samples.")
app.command("one")(sample_command)
