"""Cache, config and data directories. `SOVITS_HOME` moves all of them at once.

             Linux                    macOS                                  Windows                  SOVITS_HOME
config_dir   ~/.config/sovits         ~/Library/Application Support/sovits   AppData/Local/sovits     .../config
data_dir     ~/.local/share/sovits    as config_dir                          as config_dir            .../data
cache_dir    ~/.cache/sovits          ~/Library/Caches/sovits                .../sovits/Cache         .../cache
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

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
