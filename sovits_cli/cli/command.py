"""How a command is written: flags take type, range and help from the schema, common options come by themselves.

    # sovits_cli/cli/slice.py; its row in COMMANDS of cli/app.py: "slice": Lazy("slice", "slice_command", "Cut ...")
    @command(
        option("slice.max_sec"),                       # --max-sec
        option("slice.mono"),                          # --mono / --no-mono
        option("slice.out", "--out", "-o"),
        option("train.epochs", also=("sovits.train.epochs",)),   # one flag, two keys
    )
    def slice_command(context: CommandContext, inputs: Annotated[list[Path], typer.Argument(help="files")]) -> None:
        \"\"\"Cut long recordings at silence. (The help page.)\"\"\"
        from sovits_cli.audio.slicing import slice_recordings          # heavy imports here

        report = slice_recordings(inputs, context.settings.slice, reporter=context.reporter)
        context.result(report, text=f"{report.count} slices in {report.folder}")

`context` holds settings, reporter, device and result; never print or exit, raise errors of errors.py.
A Skipped or Doubtful event makes the exit code 7. Every command has --json --quiet --debug --device --config --set
besides its own.
In tests: `typer.testing.CliRunner().invoke(sovits_cli.cli.app.app, ["slice", ...])`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, get_args, get_type_hints

import typer

from sovits_cli.cli.hints import hint_for
from sovits_cli.config import aliases, fields, files, layers
from sovits_cli.config.schema import Settings
from sovits_cli.devices import find_device
from sovits_cli.errors import EXIT_SOME_FAILED, UsageError
from sovits_cli.events import Chose, Note, Warned
from sovits_cli.report import json_output
from sovits_cli.report.console import Console

P = ParamSpec("P")


@dataclass(frozen=True)
class CommandContext:
    """One run of one command.

    Args:
        resolved: settings, with the origin of each key.
        reporter: takes events; hand it to the pipeline.
        debug: --debug was given.
    """

    resolved: layers.Resolved
    reporter: Console
    debug: bool = False

    @property
    def settings(self) -> Settings:
        """The settings, all layers merged."""
        return self.resolved.settings

    @property
    def origin(self) -> Mapping[str, str]:
        """Key -> where its value was set, "default" if nowhere."""
        return self.resolved.origin

    def given(self, key: str) -> bool:
        """Tell whether anything but the defaults set this key."""
        return self.origin[key] != "default"

    @cached_property
    def device(self) -> str:
        """The device for torch ("cpu", "cuda:0", "mps"); the first use imports torch and reports the choice."""
        found = find_device(self.settings.device)
        self.reporter.device = found.name
        self.reporter.emit(Chose("device", found.name, found.why))
        return found.name

    def warn_of_unusable_languages(self) -> None:
        """Name the languages that other packages register and that cannot be used."""
        from sovits_cli.text.languages import LANGUAGES

        for problem in LANGUAGES.problems:
            self.reporter.emit(Warned(problem.message, **problem.advice))

    def result(self, value: object, text: str = "") -> None:
        """Give the result: `text` goes to stdout for people, or `value` as one JSON line with --json.

        `value` is a frozen dataclass or a mapping; what was left out is added to it as "skipped".
        """
        if not self.reporter.json:
            self.reporter.result(None, text)
            return
        document = json_output.plain(value)
        if isinstance(document, dict) and self.reporter.skipped:
            document.setdefault("skipped", json_output.plain(self.reporter.skipped))
        self.reporter.result(document, text)


@dataclass(frozen=True)
class Flag:
    """A command-line flag for one setting, or several: `names` as typed, `keys` in the schema."""

    keys: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def parameter(self) -> str:
        """The name of its parameter inside."""
        return _FLAG + self.keys[0].replace(".", "_")

    @property
    def old_names(self) -> tuple[str, ...]:
        """What the flag was called before."""
        return tuple(old for name in self.names for old in aliases.old_names(name, aliases.FLAGS))

    @property
    def old_parameter(self) -> str:
        """The name of the parameter inside that takes the old names."""
        return f"{self.parameter}_old"


def option(key: str, *names: str, also: Sequence[str] = ()) -> Flag:
    """Make a flag for a setting; without `names` it is the last part of the key: slice.max_sec is --max-sec."""
    last = key.rpartition(".")[2].replace("_", "-")
    return Flag(keys=(key, *also), names=names or (f"--{last}",))


def group(help_text: str) -> typer.Typer:
    """Make a command that holds commands.

    In its file: `app = group("...")`, and above each function `@app.command("list")`, then `@command(...)`.
    """
    return typer.Typer(help=help_text, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


def command(
    *flags: Flag, surroundings: bool = True
) -> Callable[[Callable[Concatenate[CommandContext, P], None]], Callable[..., None]]:
    """Make a command of a function whose first parameter is the `CommandContext`.

    Its other parameters are arguments and options of its own (annotated for typer); `flags` are settings.
    Without `surroundings` it works even where settings files are broken, and knows nothing of them.
    """
    every = tuple(dict.fromkeys((*flags, option("device"))))  # once, even where a command lists it itself

    def decorate(body: Callable[Concatenate[CommandContext, P], None]) -> Callable[..., None]:
        def run_command(**given: Any) -> None:
            common = {name: given.pop(name) for name in _COMMON}
            notes = [note for flag in every if flag.old_names for note in _renamed(flag, given)]
            values = {key: (flag.names[0], given[flag.parameter]) for flag in every for key in flag.keys}
            own = {name: value for name, value in given.items() if not name.startswith(_FLAG)}
            load = partial(
                layers.load_settings,
                values,
                sets=common["sets"] or (),
                config_files=common["config"] or (),
                names=layers.OriginNames(file="--config", text="--set"),
            )
            _run(
                lambda context: body(context, **own),  # type: ignore[call-arg]
                lambda: load(surroundings=surroundings),
                common,
                notes,
            )

        # typer reads names, types and help of its parameters off a signature: this one is made, not written
        _give_signature(run_command, body, every)
        return run_command

    return decorate


def _renamed(flag: Flag, given: dict[str, Any]) -> Iterator[Note]:
    """Let what was given by an old flag count as given by the one of today."""
    value = given.pop(flag.old_parameter)
    if value is None:
        return
    if given[flag.parameter] is not None:
        raise UsageError(f"{flag.old_names[0]} is now {flag.names[0]}: both are given", hint=f"keep {flag.names[0]}")
    given[flag.parameter] = value
    yield aliases.note(flag.old_names[0], flag.names[0])


def _run(
    body: Callable[[CommandContext], None],
    load: Callable[[], layers.Resolved],
    common: Mapping[str, Any],
    notes: Sequence[Note],
) -> None:
    console = Console(quiet=common["quiet"], json=common["as_json"], debug=common["debug"], hint_for=hint_for)
    try:
        resolved = load()  # within: a broken settings file is told by the console too, and its bars are closed
        for note in (*notes, *resolved.notes):
            console.emit(note)
        body(CommandContext(resolved, console, debug=common["debug"]))
    finally:
        console.close()
    if console.skipped or console.doubtful:
        raise typer.Exit(EXIT_SOME_FAILED)


_FLAG = "flag_"

_COMMON: dict[str, Any] = {
    "config": Annotated[
        list[Path] | None,
        typer.Option("--config", metavar="FILE", help="settings file, official s1 YAML or s2.json, or a recipe's name"),
    ],
    "sets": Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="set any setting")],
    "as_json": Annotated[bool, typer.Option("--json", help="result and errors as JSON on stdout")],
    "quiet": Annotated[bool, typer.Option("--quiet", "-q", help="warnings and errors only")],
    "debug": Annotated[bool, typer.Option("--debug", help="show the traceback of an error")],
}
"""The options that every command has, besides --device, which is a setting."""


def _give_signature(wrapper: Callable[..., None], body: Callable[..., None], flags: Sequence[Flag]) -> None:
    """Show typer one flat signature: the body's own parameters, then settings, then common options."""
    hints = get_type_hints(body, include_extras=True)
    own = [
        parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in list(inspect.signature(body).parameters.values())[1:]
    ]
    settings = [_parameter(flag.parameter, _annotation(flag, flag.names), None) for flag in flags]
    settings += [
        _parameter(flag.old_parameter, _annotation(flag, flag.old_names, hidden=True), None)
        for flag in flags
        if flag.old_names
    ]
    common = [
        _parameter(name, annotation, False if get_args(annotation)[0] is bool else None)
        for name, annotation in _COMMON.items()
    ]
    parameters = [*own, *settings, *common]
    wrapper.__name__, wrapper.__doc__, wrapper.__module__ = body.__name__, body.__doc__, body.__module__
    wrapper.__signature__ = inspect.Signature(parameters, return_annotation=None)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}


def _parameter(name: str, annotation: object, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _annotation(flag: Flag, names: Sequence[str], *, hidden: bool = False) -> object:
    """The typer annotation of a flag: a switch for true/false, a text the schema reads for all else."""
    row = fields.setting(flag.keys[0])
    if row.kind is bool:
        names = [f"{name}/--no-{name[2:]}" if name.startswith("--") else name for name in names]
        return Annotated[bool | None, typer.Option(*names, help=_help(row), show_default=False, hidden=hidden)]
    return Annotated[
        str | None, typer.Option(*names, metavar=_metavar(row), help=_help(row), show_default=False, hidden=hidden)
    ]


def _metavar(row: fields.Setting) -> str:
    if row.choices:
        return "|".join(row.choices)
    return {int: "INTEGER", float: "NUMBER", Path: "PATH", tuple: "LIST"}.get(row.kind, "TEXT")


def _help(row: fields.Setting) -> str:
    """The help of a flag: what it does, its range, its default."""
    limits = row.expected.partition(", ")[2].removesuffix(", or null").removesuffix("or null")
    notes = [limits] if limits and row.kind in (int, float) else []
    if row.default is not None and row.default is not False:
        notes.append(f"default {files.render(row.default)}")
    return f"{row.help} [{'; '.join(notes)}]" if notes else row.help
