"""Where things are: cache, config and data directories, and what comes with the package.

`SOVITS_HOME` moves the directories all at once:

             Linux                    macOS                                  Windows                  SOVITS_HOME
config_dir   ~/.config/sovits         ~/Library/Application Support/sovits   AppData/Local/sovits     .../config
data_dir     ~/.local/share/sovits    as config_dir                          as config_dir            .../data
cache_dir    ~/.cache/sovits          ~/Library/Caches/sovits                .../sovits/Cache         .../cache
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from sovits_cli.errors import UsageError

HOME_VARIABLE = "SOVITS_HOME"


def _directory(kind: str) -> Path:
    home = os.environ.get(HOME_VARIABLE)
    if home:
        return Path(home).expanduser() / kind
    folder: str = getattr(platformdirs, f"user_{kind}_dir")("sovits", appauthor=False)
    return Path(folder)


def config_dir() -> Path:
    """Where the user's `config.yaml` lives."""
    return _directory("config")


def data_dir() -> Path:
    """Where pulled models live, under `models/`."""
    return _directory("data")


def cache_dir() -> Path:
    """What can be made again: compiled tables, references already analysed."""
    return _directory("cache")


def models_dir() -> Path:
    """One folder per installed model."""
    return data_dir() / "models"


def package_dir() -> Path:
    """The installed package itself."""
    return Path(__file__).resolve().parent


def configs_dir() -> Path:
    """The shipped recipes: in the wheel under the package, in a checkout beside it."""
    inside = package_dir() / "configs"
    return inside if inside.is_dir() else package_dir().parent / "configs"


EXAMPLE_PREFIX = "builtin:"
"""Wherever a recording or a text is asked for, `builtin:NAME` is one of the examples in the package."""

VOICE_SUFFIX = ".flac"
TEXT_SUFFIX = ".txt"


def example_names(suffix: str) -> list[str]:
    """The examples of a kind; a transcript beside a voice is not a text of its own."""
    found = {path.stem for path in _examples_dir().glob(f"*{suffix}")}
    return sorted(found if suffix == VOICE_SUFFIX else found - set(example_names(VOICE_SUFFIX)))


def resolve_example(given: str, suffix: str) -> Path:
    """Find an example, or take a path as it is.

    Args:
        given: `builtin:NAME`, or a path.
        suffix: `VOICE_SUFFIX` or `TEXT_SUFFIX`, the kind that is asked for.

    Raises:
        UsageError: no example of this kind has the name; the message lists those there are.
    """
    if not given.startswith(EXAMPLE_PREFIX):
        return Path(given)
    name = given.removeprefix(EXAMPLE_PREFIX)
    if name not in example_names(suffix):
        known = [EXAMPLE_PREFIX + one for one in example_names(suffix)]
        raise UsageError(
            f"no example is called {given}: there are {', '.join(known) or 'none'}",
            hint=f"use {known[0]}" if known else "install sovits again",
        )
    return _examples_dir() / f"{name}{suffix}"


def _examples_dir() -> Path:
    return package_dir() / "examples"
