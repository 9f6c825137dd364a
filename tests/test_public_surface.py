"""What others may import: frozen names and signatures, typed, at no cost until it is used."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import textwrap
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

import sovits_cli
from sovits_cli import paths
from tests.public_surface import FROZEN, surface


def test_names_and_signatures_are_frozen() -> None:
    """To change them on purpose: `python -m tests.public_surface`, and a line in the CHANGELOG."""
    assert surface().splitlines() == FROZEN.read_text(encoding="utf-8").splitlines()


def test_every_name_is_there_and_typed() -> None:
    assert files("sovits_cli").joinpath("py.typed").is_file()
    homes = {name for names in sovits_cli._MODULES.values() for name in names}
    assert homes == set(sovits_cli.__all__) - {"__version__"}
    parsed = ast.parse(files("sovits_cli").joinpath("__init__.py").read_text(encoding="utf-8"))
    (typed,) = (node for node in parsed.body if isinstance(node, ast.If))
    assert homes == {alias.name for node in typed.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert set(dir(sovits_cli)) == set(sovits_cli.__all__)
    with pytest.raises(AttributeError, match="module 'sovits_cli' has no attribute 'Voyce'"):
        sovits_cli.Voyce  # noqa: B018


def test_the_example_of_the_package_works(empty_folder: Path) -> None:
    """As it stands there, on the bundled model."""
    shutil.copy(paths.resolve_example("builtin:slt", paths.VOICE_SUFFIX), empty_folder / "r.wav")
    example = textwrap.dedent(str(sovits_cli.__doc__).split("\n\n", 1)[1].partition("\n\n`slice_recordings`")[0])
    found: dict[str, Any] = {}
    exec(example, found)
    assert found["part"].verdict.passed
    assert (found["part"].text, found["part"].span) == ("A text of any length.", (0, 21))


def test_importing_costs_nothing() -> None:
    code = (
        "import json, sys; before = set(sys.modules); import sovits_cli\n"
        "print(json.dumps([sorted(set(sys.modules) - before), len(sovits_cli.SovitsError('x').fields),"
        " 'torch' in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, _, torch_is_there = json.loads(done.stdout)
    assert not {module.partition(".")[0] for module in loaded} - sys.stdlib_module_names - {"sovits_cli"}
    assert [module for module in loaded if module.startswith("sovits_cli")] == ["sovits_cli"]
    assert not torch_is_there
