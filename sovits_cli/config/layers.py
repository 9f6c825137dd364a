"""Where settings come from, which of them wins, and where each value was set.

    stronger   flags           --max-sec 20               each setting takes its value from the topmost layer
       ^       texts           --set data.max_sec=20      that sets it; an explicit 0, false or "" counts
       |       named files     --config mine.yaml         the last named wins
       |       variables       SOVITS_DATA_MAX_SEC=20
       |       project file    ./sovits.yaml
       |       user file       config.yaml of the user
    weaker     defaults        schema.py

A file named for one call is as explicit as a flag, so it goes before variables. Each layer maps keys to values with
their origin. Before layers are merged, each one by itself has its old keys renamed (`aliases.py`), a range of lengths
taken apart, and epochs take the place of steps; then the whole is checked against the schema and its relations.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from sovits_cli import paths
from sovits_cli.config import aliases, fields, files
from sovits_cli.config.schema import Settings, check_relations
from sovits_cli.errors import SettingsError
from sovits_cli.events import Note

PROJECT_FILE = Path("sovits.yaml")
PREFIX = "SOVITS_"
DEFAULT = "default"
NOT_SETTINGS = {"SOVITS_HOME", "SOVITS_GOLDEN"}
"""Variables with our prefix that are not settings."""

LIMIT, CURRICULUM_START = "data.max_sec", "data.curriculum_start_sec"
"""A limit that may be written as a range, and the key its beginning goes to."""


LENGTHS = (("train.epochs", "train.max_steps"), ("sovits.train.epochs", "sovits.train.max_steps"))
"""Two ways to say how long a stage trains: steps count where one layer sets both, else whichever was set last."""


@dataclass(frozen=True)
class Value:
    """A value, where it was set ("user file /home/x/config.yaml:3"), and whether it was typed for this very call."""

    value: object
    origin: str
    is_typed: bool = False


@dataclass(frozen=True)
class OriginNames:
    """What the origin of a value from a named file, and of a `key=value` text, begins with."""

    file: str = "file"
    text: str = "set"


@dataclass(frozen=True)
class Resolved:
    """What all layers together say.

    Args:
        settings: merged and checked.
        origin: of every key: `DEFAULT`, or where its value was set.
        notes: lines the user should read.
        files: that were read.
        typed: keys whose value was typed for this very call.
    """

    settings: Settings
    origin: Mapping[str, str]
    notes: Sequence[Note] = ()
    files: Sequence[Path] = ()
    typed: Set[str] = frozenset()

    def value(self, key: str) -> object:
        """Look up the value of one key."""
        found: object = self.settings
        for part in key.split("."):
            found = getattr(found, part)
        return found


def load_settings(
    flags: Mapping[str, tuple[str, object | None]] | None = None,
    *,
    sets: Sequence[str] = (),
    config_files: Sequence[Path] = (),
    surroundings: bool = True,
    names: OriginNames = OriginNames(),
) -> Resolved:
    """Resolve all layers.

    Args:
        flags: key -> (name of the flag, value as typed); the value None means not given.
        sets: texts `key=value`.
        config_files: named files, later ones win; the name of a shipped recipe does too.
        surroundings: read the user file, the project file and the variables.
        names: of the origins of `config_files` and `sets`.

    Raises:
        SettingsError: naming the key, where it was set, and what was expected.
    """
    around = [*_surrounding_files()] if surroundings else []
    given = [(names.file, find_recipe(path)) for path in config_files]
    layers = [
        *(_file_layer(kind, path) for kind, path in around),
        *([_variables(os.environ)] if surroundings else ()),
        *(_file_layer(kind, path) for kind, path in given),
        _texts(sets, names.text),
        _flags(flags or {}),
    ]
    return replace(build(layers), files=tuple(path for _, path in (*around, *given)))


def _surrounding_files() -> Iterator[tuple[str, Path]]:
    for kind, path in (("user file", user_file()), ("project file", PROJECT_FILE)):
        if path.exists():
            yield kind, path


def load_settings_file(path: Path) -> Resolved:
    """One file alone over the defaults."""
    return build([_file_layer("file", path)])


def user_file() -> Path:
    """Say where the settings file of the user is, in their configuration folder."""
    return paths.config_dir() / "config.yaml"


def find_recipe(path: Path) -> Path:
    """Take a file as given, or the shipped recipe of that name. Raises SettingsError naming the recipes."""
    if path.is_file() or path.suffix or path.parent != Path():
        return path  # a file, or what can only be meant as one
    recipes = {found.stem: found for found in sorted(paths.configs_dir().glob("*.yaml"))}
    if path.name not in recipes:
        hint = f"shipped recipes: {', '.join(recipes)}" if recipes else None
        raise SettingsError(f"{path}: no such settings file or recipe", hint=hint)
    return recipes[path.name]


def build(layers: Iterable[Mapping[str, Value]]) -> Resolved:
    """Merge layers, later ones win, and check the result."""
    merged: dict[str, Value] = {}
    notes: list[Note] = []
    for layer in layers:
        # within a layer, so that an old key of a file is beaten by a new one of a flag, and the other way round
        current, renamed = aliases.renamed(layer, {key: value.origin for key, value in layer.items()})
        notes += renamed
        for key, value in _by_epochs(_split_range(current)).items():
            if note := aliases.no_effect(key, value.origin):
                notes.append(note)
            else:
                fields.setting(key, where=value.origin)
                merged[key] = value
    settings = _validate(merged)
    origin = {key: merged[key].origin if key in merged else DEFAULT for key in fields.table()}
    check_relations(settings, origin)
    typed = {key for key, value in merged.items() if value.is_typed}
    return Resolved(settings=settings, origin=origin, notes=tuple(notes), typed=typed)


def _split_range(layer: Mapping[str, Value]) -> Mapping[str, Value]:
    """Take a range of limits apart: max_sec 10:54 is curriculum_start_sec 10 and max_sec 54; 54 alone has no start."""
    limit = layer.get(LIMIT)
    if limit is None or CURRICULUM_START in layer:
        return layer
    if not isinstance(limit.value, str) or ":" not in limit.value:
        return {**layer, CURRICULUM_START: replace(limit, value=None)}
    first, last = (files.scalar(part) for part in limit.value.split(":", 1))
    return {**layer, CURRICULUM_START: replace(limit, value=first), LIMIT: replace(limit, value=last)}


def _by_epochs(layer: Mapping[str, Value]) -> Mapping[str, Value]:
    """Let epochs that a layer sets take the place of steps that an earlier one set."""
    no_steps = {steps: replace(layer[epochs], value=None) for epochs, steps in LENGTHS if epochs in layer}
    return {**no_steps, **layer}


def parse(key: str, text: str) -> object:
    """Read what was typed for a key: a text stays a text, anything else is read as YAML."""
    setting = fields.setting(aliases.current(key))
    if setting.optional and text == "null":
        return None
    return text if setting.kind in (str, Path) else files.scalar(text)


def _validate(merged: Mapping[str, Value]) -> Settings:
    tree: dict[str, object] = {}
    for key, value in merged.items():
        *parents, last = key.split(".")
        section = tree
        for part in parents:
            section = section.setdefault(part, {})  # type: ignore[assignment]
        section[last] = value.value
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise _explain(error, merged) from None


def _explain(error: ValidationError, merged: Mapping[str, Value]) -> SettingsError:
    """Tell the first problem in our words: key, value, origin, what was expected."""
    # pydantic goes deeper than keys do, into items of a list ("betas", 0): the longest beginning that was given counts
    location = [str(part) for part in error.errors(include_url=False)[0]["loc"]]
    key = next(name for size in range(len(location), 0, -1) if (name := ".".join(location[:size])) in merged)
    given = merged[key]
    setting = fields.setting(key)
    return SettingsError(
        f"{key} is {files.render(given.value)} ({given.origin}): expected {setting.expected}",
        hint=f"{key}: {setting.help}",
    )


def layer_of(entries: Sequence[files.FileEntry], source: str) -> dict[str, Value]:
    """Make a layer of a file's entries; `source` and the line are their origin. An empty section sets nothing."""
    sections = fields.sections()
    values = [entry for entry in aliases.under_sovits(entries) if not (entry.value is None and entry.key in sections)]
    return {entry.key: Value(_as_expected(entry), f"{source}:{entry.line}") for entry in values}


def _as_expected(entry: files.FileEntry) -> object:
    """Where a text is expected, `exp_name: 1.10` is that text, not a number."""
    setting = fields.table().get(aliases.current(entry.key))
    is_text = setting is not None and setting.kind in (str, Path) and entry.text is not None
    return entry.text if is_text else entry.value


def _file_layer(kind: str, path: Path) -> dict[str, Value]:
    return layer_of(files.read_settings(path), f"{kind} {path}")


def _variables(environment: Mapping[str, str]) -> dict[str, Value]:
    """Both SOVITS_DATA__MAX_SEC and SOVITS_DATA_MAX_SEC mean data.max_sec."""
    names = {key.upper().replace(".", "_"): key for key in (*fields.table(), *aliases.KEYS)}
    layer = {}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or variable in NOT_SETTINGS:
            continue
        # keys hold underscores themselves, so a name is looked up whole; a test says that no two keys share one
        name = variable.removeprefix(PREFIX).replace("__", "_")
        if name not in names:
            near = fields.nearest(name, names)
            hint = f"did you mean {PREFIX}{near}?" if near else f"unset {variable}"
            raise SettingsError(f"unknown setting (variable {variable})", hint=hint)
        layer[names[name]] = Value(parse(names[name], text), f"variable {variable}")
    return layer


def _texts(sets: Sequence[str], name: str) -> dict[str, Value]:
    layer = {}
    for text in sets:
        key, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(f"{text}: expected key=value", code="settings.not_key_value", fields={"text": text})
        where = f"{name} {text}"
        fields.setting(aliases.current(key.strip()), where=where)
        layer[key.strip()] = Value(parse(key.strip(), value.strip()), where, is_typed=True)
    return layer


def _flags(flags: Mapping[str, tuple[str, object | None]]) -> dict[str, Value]:
    return {
        key: Value(parse(key, value) if isinstance(value, str) else value, f"flag {name}", is_typed=True)
        for key, (name, value) in flags.items()
        if value is not None
    }
