"""The recorded lists of keys and shapes (`manifests/*.json` of the golden folder), and what differs from one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from tests.parity import golden

FOLDER = golden.FOLDER / "manifests"
KEYS = "keys and shapes that differ"

Shapes = dict[str, list[int]]


def files(names: Iterable[str]) -> list[Any]:
    """Pytest parameters, one for each of these lists that is in the folder; a skip where there is none."""
    wanted = set(names)
    found = [path for path in sorted(FOLDER.glob("*.json")) if path.stem in wanted]
    skip = pytest.param(None, marks=pytest.mark.skip(reason=f"no such list in {FOLDER}"), id="no-list")
    return [pytest.param(path, id=path.stem) for path in found] or [skip]


def recorded(path: Path) -> tuple[dict[str, Any], Shapes]:
    """The configuration of a list, and its keys with their shapes."""
    manifest = json.loads(path.read_text(encoding="utf-8"))
    return manifest["config"], {key: shape for key, (shape, _) in manifest["keys"].items()}


def shapes(module: nn.Module) -> Shapes:
    return {key: list(value.shape) for key, value in module.state_dict().items()}


def differing(got: Mapping[str, object], wanted: Mapping[str, object]) -> int:
    """How many keys only one side has, or are something else there."""
    return sum(got.get(key) != wanted.get(key) for key in got.keys() | wanted.keys())
