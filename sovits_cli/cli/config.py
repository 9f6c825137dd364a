"""`sovits config`: show, get, set, unset, init, validate and path. Files are checked before they are written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sovits_cli import paths
from sovits_cli.cli.command import CommandContext, command, group
from sovits_cli.cli.hints import hint_for
from sovits_cli.config import aliases, edit, fields, files, layers
from sovits_cli.errors import SettingsError, UsageError
from sovits_cli.events import Warned
from sovits_cli.files import atomic, real_path
from sovits_cli.report.console import note_text
from sovits_cli.report.tables import aligned_columns

app = group("Show, change and check settings.")

_HEAD = """\
# Settings of sovits for this folder. Every key is optional: take the # away to change one.
# Order: defaults < user file < this file < SOVITS_... variables < --config files < flags.
# `sovits config show` prints each value and where it came from.
"""
"""How the file of `sovits config init` begins."""

Key = Annotated[str, typer.Argument(metavar="KEY", help="a setting, as in slice.max_sec")]
InUserFile = Annotated[bool, typer.Option("--user", help="in the user file, for every folder")]
InProjectFile = Annotated[bool, typer.Option("--project", help="in sovits.yaml of this folder (the default)")]


@app.command("show")
@command()
def show_command(
    context: CommandContext,
    key: Annotated[str | None, typer.Argument(metavar="KEY", help="only this setting or section")] = None,
    origin: Annotated[bool, typer.Option("--origin/--no-origin", help="say where each value came from")] = True,
) -> None:
    """Show values and where they came from.

    That is: default, a file and its line, a variable, or a flag.
    """
    keys = _keys(_current(context, key) if key else None)
    values = {name: context.resolved.value(name) for name in keys}
    texts = {name: files.render(value) for name, value in values.items()}
    columns = [(name, texts[name], context.origin[name] if origin else "") for name in keys]
    document = {n: {"value": v, "origin": context.origin[n]} if origin else v for n, v in values.items()}
    context.result(document, "\n".join(aligned_columns(columns)))


@app.command("get")
@command()
def get_command(context: CommandContext, key: Key) -> None:
    """Show one value, and nothing else."""
    key = fields.setting(_current(context, key)).key
    value = context.resolved.value(key)
    context.result(value, "" if value is None else str(value) if isinstance(value, str | Path) else files.render(value))


@app.command("set", context_settings={"ignore_unknown_options": True})  # -40 is a value
@command(surroundings=False)
def set_command(
    context: CommandContext,
    key: Key,
    value: Annotated[str, typer.Argument(metavar="VALUE", help="as in a settings file")],
    user: InUserFile = False,
    project: InProjectFile = False,
) -> None:
    """Set a value in a settings file.

    In sovits.yaml of this folder, or in the user file. Comments stay as they are.
    """
    path, key = _chosen_file(user, project), _current(context, key)
    if note := aliases.no_effect(key):
        raise SettingsError(note_text(note, hint_for), hint="sovits config show lists all that have")
    parsed = layers.parse(key, value)
    layers.build([{key: layers.Value(parsed, "typed")}])
    before = files.read_text(path) if path.exists() else ""
    after = edit.set_value(_without_old_names(before, key, path), key, parsed, str(path))
    layers.build([layers.layer_of(files.entries(after, str(path)), str(path))])
    _rewrite(context, path, key, before, after)


@app.command("unset")
@command(surroundings=False)
def unset_command(context: CommandContext, key: Key, user: InUserFile = False, project: InProjectFile = False) -> None:
    """Take a value out of a settings file.

    Out of sovits.yaml of this folder, or of the user file. Comments stay as they are.
    """
    path, key = _chosen_file(user, project), _current(context, key)
    if not path.exists():
        raise SettingsError(f"{key} is not set in {path}: there is no such file", hint=f"sovits config show {key}")
    before = files.read_text(path)
    after = _without_old_names(before, key, path)
    if after == before or _value_in(after, key, path) is not None:
        after = edit.unset_value(after, key, str(path))
    _rewrite(context, path, key, before, after)


@app.command("init")
@command(surroundings=False)
def init_command(
    context: CommandContext,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="where to write")] = layers.PROJECT_FILE,
    force: Annotated[bool, typer.Option("--force", help="replace the file if it is there")] = False,
) -> None:
    """Write a commented settings file.

    It explains every key; all of them are commented out.
    """
    if file.exists() and not force:
        raise UsageError(f"{file} is there already", hint="sovits config init --force replaces it")
    _write(file, _HEAD + edit.commented_settings())
    context.result({"file": file}, f"wrote {file}: {len(fields.table())} settings, each with its default")


@app.command("validate")
@command()
def validate_command(
    context: CommandContext,
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="only this file; else all in force")] = None,
) -> None:
    """Check settings.

    Keys, types, ranges and relations: of one file, or of everything in force here.
    """
    resolved = layers.load_settings_file(file) if file else context.resolved
    for note in resolved.notes if file else ():
        context.reporter.emit(note)
    given = {key: origin for key, origin in resolved.origin.items() if origin != layers.DEFAULT}
    text = f"{file or 'settings'}: ok, {len(given)} of {len(resolved.origin)} settings given"
    context.result(
        {"valid": True, "said": given, "notes": [note_text(note, hint_for) for note in resolved.notes]}, text
    )


@app.command("path")
@command(surroundings=False)
def path_command(context: CommandContext) -> None:
    """Show the files and folders in use."""
    locations = {
        "user file": layers.user_file(),
        "project file": real_path(layers.PROJECT_FILE),
        "recipes": paths.configs_dir(),
        "models": paths.models_dir(),
        "cache": paths.cache_dir(),
    }
    columns = [(name, str(path), "" if path.exists() else "not there") for name, path in locations.items()]
    document = {name.replace(" ", "_"): {"path": path, "exists": path.exists()} for name, path in locations.items()}
    context.result(document, "\n".join(aligned_columns(columns)))


def _keys(wanted: str | None) -> list[str]:
    if wanted in fields.sections():
        return [name for name in fields.table() if name.startswith(f"{wanted}.")]
    return [fields.setting(wanted).key] if wanted else list(fields.table())


def _current(context: CommandContext, key: str) -> str:
    """The name of today of a key that was typed; an old one is named."""
    current = aliases.current(key)
    if current != key:
        context.reporter.emit(aliases.note(key, current))
    return current


def _without_old_names(text: str, key: str, path: Path) -> str:
    """The text of a settings file without what it sets of a key by its old names."""
    for old in aliases.old_names(key):
        if any(entry.key == old for entry in files.entries(text, str(path))):
            text = edit.unset_value(text, old, str(path))
    return text


def _chosen_file(user: bool, project: bool) -> Path:
    if user and project:
        raise UsageError("--user and --project exclude each other", hint="give one of them")
    return layers.user_file() if user else layers.PROJECT_FILE


def _rewrite(context: CommandContext, path: Path, key: str, before: str, after: str) -> None:
    """Write the changed text of a file and print only the change."""
    _write(path, after)
    if other := _overriding(key, path):
        context.reporter.emit(Warned(f"{key} is still {other.value}: {other.origin} overrides {path}"))
    old, new = (_value_in(text, key, path) for text in (before, after))
    context.result(
        {"key": key, "old": old, "new": new, "file": path}, f"{key}: {_shown(old)} -> {_shown(new)} ({path})"
    )


def _value_in(text: str, key: str, path: Path) -> object | None:
    names = (key, *aliases.old_names(key))
    return next((entry.value for entry in files.entries(text, str(path)) if entry.key in names), None)


def _shown(value: object | None) -> str:
    return "not set" if value is None else files.render(value)


def _overriding(key: str, path: Path) -> layers.Value | None:
    """What goes before the file just written, if anything; broken settings elsewhere are reported by other commands."""
    try:
        now = layers.load_settings()
    except SettingsError:
        return None
    origin = now.origin.get(key, layers.DEFAULT)
    if origin == layers.DEFAULT or str(path) in origin:
        return None
    return layers.Value(files.render(now.value(key)), origin)


def _write(path: Path, text: str) -> None:
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
