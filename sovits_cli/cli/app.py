"""The root command `sovits`: the table of commands, imported when called, and the one error boundary.

Imports neither torch nor the settings schema, so that `sovits --help` is quick.
"""

from __future__ import annotations

import difflib
import importlib
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from sovits_cli import __version__
from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import (
    EXIT_BUG,
    EXIT_INTERRUPTED,
    EXIT_OK,
    ResourceError,
    SovitsError,
    UnforeseenError,
    UsageError,
    disk_full,
    out_of_memory,
)
from sovits_cli.report.console import Console

EXIT_PIPE_CLOSED = 141
"""The reader of our output went away (128 + SIGPIPE, as the shell counts)."""


@dataclass(frozen=True)
class Lazy:
    """A command not imported yet: its module in `cli/`, the function (or group) there, one line of help."""

    module: str
    name: str
    help: str


COMMANDS: dict[str, Lazy] = {
    "slice": Lazy("slice", "slice_command", "Cut long recordings at silence into slices."),
    "prep": Lazy("prep", "prep_command", "Make a dataset from slices and transcripts."),
    "train": Lazy("train", "train_command", "Train a voice on a dataset."),
    "infer": Lazy("infer", "infer_command", "Speak a text in the voice of a recording."),
    "config": Lazy("config", "app", "Show, change and check settings."),
    "models": Lazy("models", "app", "List, fetch, inspect and convert models."),
}


class Interrupted(SovitsError):  # noqa: N818 - not an error of anybody
    """Ctrl-C."""

    exit_code = EXIT_INTERRUPTED


class Root(TyperGroup):
    """The group that imports a command when it is called and turns every failure into one line and an exit code."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer asks so
        """All names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer asks so
        """Import one command, or None for an unknown name."""
        lazy = COMMANDS.get(cmd_name)
        if lazy is None:
            return None
        found = getattr(importlib.import_module(f"sovits_cli.cli.{lazy.module}"), lazy.name)
        if isinstance(found, typer.Typer):
            return get_group(found)
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(cmd_name)(found)
        return get_command(single)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - typer asks so
        """Write the table of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in COMMANDS.items()])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command, or name the nearest one."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):  # a wrong option is told by typer, see usage_error
            near = difflib.get_close_matches(name, COMMANDS, n=1, cutoff=0.5)
            hint = f"did you mean `sovits {near[0]}`?" if near else "sovits --help lists the commands"
            raise UsageError(f"unknown command {name}", hint=hint)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; typer would answer these two itself."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted("interrupted") from None
        except BrokenPipeError:
            raise typer.Exit(EXIT_PIPE_CLOSED) from None

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,  # noqa: ARG002 - we are called sovits, however we were started
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: ARG002 - the boundary needs what typer would swallow
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run with the error boundary around it; always ends in SystemExit, like any command.

        Args:
            args: what was typed; None for what the process was started with.
            prog_name: is ignored.
            complete_var: as typer wants it.
            standalone_mode: is ignored: typer's own boundary stays off, so that errors arrive here.
            windows_expand_args: as typer wants it.
            extra: whatever else typer hands on.
        """
        given = list(sys.argv[1:] if args is None else args)
        code = EXIT_BUG
        try:
            answer = super().main(given, "sovits", complete_var, False, windows_expand_args, **extra)
            code = answer if isinstance(answer, int) else EXIT_OK
        except Exception as error:  # noqa: BLE001 - the boundary
            code = _tell(error, given)
        except KeyboardInterrupt:
            code = _tell(Interrupted("interrupted"), given)
        sys.exit(code)


def _tell(error: BaseException, args: Sequence[str]) -> int:
    """Tell any failure in one line and say its exit code."""
    before_end = args[: args.index("--")] if "--" in args else args
    if type(error).__name__ == "NoArgsIsHelpError":  # of click, which recent typers carry inside: no import finds it
        Console().out(str(error))
        return EXIT_OK
    explained = explain(error)
    console = Console(json="--json" in before_end, hint_for=hint_for)
    if "--debug" in before_end and not isinstance(error, Interrupted):
        console.trace(error)
    console.error(explained)
    return explained.exit_code


def explain(error: BaseException) -> SovitsError:
    """Turn any exception into an error with one line and a hint."""
    if isinstance(error, SovitsError):
        return error
    if out_of_memory(error):
        return ResourceError("out of memory", hint="use shorter clips or a smaller --batch-size")
    if isinstance(error, OSError) and disk_full(error):
        return ResourceError(f"no space left on the disk ({error.filename or 'while writing'})", hint="free some space")
    if isinstance(error, typer.Abort):
        return Interrupted("interrupted")
    if hasattr(error, "format_message"):  # every usage error of click
        return usage_error(error)
    return UnforeseenError(error)


def usage_error(error: Any) -> UsageError:
    """Say typer's own complaint in our form: one line, and what to type next."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "sovits"
    hint = f"{path} --help"
    wrong = getattr(error, "option_name", None)
    if wrong and context is not None:
        shown = [parameter for parameter in context.command.params if not getattr(parameter, "hidden", False)]
        known = [name for parameter in shown for name in (*parameter.opts, *parameter.secondary_opts)]
        if str(wrong) not in known:
            near = difflib.get_close_matches(str(wrong), known, n=1, cutoff=0.6)
            hint = f"did you mean {near[0]}?" if near else f"{path} --help lists the options"
            return UsageError(f"unknown option {wrong}", hint=hint)
    message = " ".join(str(error.format_message()).split()).rstrip(".").replace("(s)", "")
    return UsageError(message[:1].lower() + message[1:], hint=hint)


_HELP = """GPT-SoVITS as one command line: voice cloning and few-shot training.

\b
sovits infer --ref r.wav -t text.txt -o out.wav  speak in the voice of r.wav

\b
sovits slice long.wav --max-sec 54               your own voice: recordings,
sovits prep slices/ --lang en                    a dataset,
sovits train --precision 16-mixed                a trained model
"""
"""A backspace on a line of its own keeps the lines after it as they are."""

app = typer.Typer(
    cls=Root,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 120},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        Console().out(f"sovits {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True, help=_HELP)
def root(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback answers
        bool, typer.Option("--version", help="show the version", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Show the help where no command is named."""
    if context.invoked_subcommand is None:
        Console().out(context.get_help())


def main() -> None:
    """Entry point of the `sovits` script and of `python -m sovits_cli`."""
    _open_standard_streams()
    _stop_as_by_ctrl_c()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if "--debug" not in sys.argv:
        warnings.simplefilter("ignore")
    try:
        app()
    finally:
        _close_stdout()


def _open_standard_streams() -> None:
    """Let the null device take the place of a standard stream that was closed (`1>&-`): what goes there is not wanted.

    Python leaves None in its place, and the next file opened would get its number and what C code writes to it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, open(number, "r" if name == "stdin" else "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def _stop_as_by_ctrl_c() -> None:
    """End as after Ctrl-C, with what was done kept, when asked by `kill` or when the terminal goes away.

    Signals that whoever started us wants ignored (nohup) stay so.
    """
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def _close_stdout() -> None:
    """Flush; a reader that went away must not cause a message while Python ends."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
