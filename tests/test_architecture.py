"""The house stays as it was drawn: who imports whom, who prints, who exits, and what a help page costs."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from sovits_cli.cli.app import COMMANDS
from sovits_cli.config.schema import InferenceSettings, PrepSettings
from sovits_cli.text.languages import BUILT_IN
from sovits_cli.versions import VERSIONS
from tests import source
from tests.differences import differences, every_case
from tests.source import FILES, PACKAGE, ROOT, calls, imported_at_once, name, room, tree

HEAVY = {"torch", "torchaudio", "lightning_fabric", "lightning", "librosa", "transformers", "matplotlib", "scipy"}
"""Libraries that cost seconds or hundreds of megabytes."""

TORCHLESS = ("text/", "cli/", "config/", "report/", "audio/reader.py", "audio/slicer.py", "audio/slicing.py")
"""What works without torch until it is asked for a model."""

WRITING = {"print", "sys.stdout.write", "sys.stderr.write", "typer.echo", "typer.secho"}
ENDING = {"exit", "quit", "sys.exit", "os._exit", "SystemExit", "typer.Exit", "typer.Abort"}


def test_upper_rooms_import_lower_ones_only(capsys: pytest.CaptureFixture[str]) -> None:
    from importlinter.cli import lint_imports

    code = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert code == 0, capsys.readouterr().out


def test_every_room_has_its_layer() -> None:
    """A new room that nobody put in the list would be free to import anything."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = " ".join(settings["tool"]["importlinter"]["contracts"][0]["layers"]).split()
    modules = {path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")}
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {layer.removeprefix("sovits_cli.") for layer in layers} - {"|"} == rooms | modules


def test_no_import_goes_in_a_circle() -> None:
    """Inside a room too, where the layers do not look."""
    known = {source.module(path) for path in FILES}
    graph = {source.module(path): known & set(imported_at_once(path)) for path in FILES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def heavy_imports(path: Path) -> Iterable[str]:
    """A library that costs seconds is imported where it is used, in what works without torch."""
    if name(path).startswith(TORCHLESS):
        return {library.partition(".")[0] for library in imported_at_once(path)} & HEAVY
    return ()


def printing_and_ending(path: Path) -> Iterable[str]:
    """Only the report writes, and only the command line exits."""
    called = set(calls(path))
    return (called & WRITING if room(path) != "report" else set()) | (called & ENDING if room(path) != "cli" else set())


def resolving(path: Path) -> Iterable[str]:
    """`Path.resolve` raises RuntimeError for a loop of links; `files.real_path` does not."""
    if name(path) == "paths.py":
        return ()
    resolved = (node for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute) and node.attr == "resolve")
    return [ast.unparse(node) for node in resolved if ast.unparse(node.value) != "examples"]


def versions_by_name(path: Path) -> Iterable[str]:
    """Rooms go by traits: no comparison, no match and no table key is the name of a model version."""
    if name(path) == "versions.py":
        return ()
    asked: list[ast.AST] = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Compare):
            asked += [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            asked.append(node.value)
        elif isinstance(node, ast.Dict):
            asked += [key for key in node.keys if key is not None]
    constants = {part.value for item in asked for part in ast.walk(item) if isinstance(part, ast.Constant)}
    return constants & set(VERSIONS)


CODES = "|".join(row.code for row in BUILT_IN)
OWN_FILES = re.compile(rf"versions\.py|text/(languages?|({CODES})(_\w+)?)\.py|text/({CODES})/\w+\.py")
"""The tables of versions and languages, the scripts that a row names, and the files of one language."""


def languages_in(parsed: ast.Module) -> set[str]:
    """Constants that are a language or a mode of one, or ranges of letters of East Asian scripts."""
    letter = "[\u1100-\u11ff\u3041-\u318f\u3400-\u9fff\uac00-\ud7a3]"
    wanted = re.compile(rf"(?:(?:auto|all)_)?(?:{CODES})|.*{letter}-{letter}.*", re.DOTALL)
    found = (node.value for node in ast.walk(parsed) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return {value for value in found if wanted.fullmatch(value)}


def languages_by_name(path: Path) -> Iterable[str]:
    """Rooms go by the rows of `text/languages.py`; which of them a model speaks is in its own row."""
    return () if OWN_FILES.fullmatch(name(path)) else languages_in(tree(path))


def without_a_header(path: Path) -> Iterable[str]:
    """Every file begins with what it is."""
    return () if ast.get_docstring(tree(path)) else [name(path)]


RULES = (
    heavy_imports,
    printing_and_ending,
    resolving,
    versions_by_name,
    languages_by_name,
    without_a_header,
)


def test_every_file_keeps_to_its_room() -> None:
    with differences() as compare:
        for rule in RULES:
            for path in FILES:
                with compare(f"{name(path)}, {rule.__name__}"):
                    assert sorted(rule(path)) == [], rule.__doc__


@every_case(
    "written, found",
    [
        ('ENGLISH = "en"', {"en"}),
        ('how == "all_zh"', {"all_zh"}),
        ('re.compile("[^一-龥]")', {"[^一-龥]"}),
        ('("end", "zh-CN 你好")', set()),
    ],
)
def test_the_rule_for_languages_would_see_them(written: str, found: set[str]) -> None:
    assert languages_in(ast.parse(written)) == found


def test_the_rule_for_heavy_imports_would_see_them(tmp_path: Path) -> None:
    path = tmp_path / "room.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import librosa\n"
        "try:\n    import torch.nn\nexcept ImportError:\n    pass\n"
        "def later():\n    import scipy\n"
    )
    assert set(imported_at_once(path)) == {"typing", "torch.nn"}


@every_case("settings", [PrepSettings, InferenceSettings])
def test_the_help_names_every_language_of_ours(settings: type) -> None:
    named = str(settings.model_fields["lang"].description).replace(",", "").split()
    assert {row.code for row in BUILT_IN} <= set(named)


def loaded(*args: str) -> set[str]:
    """Names of the modules loaded after `sovits ARGS`, in a process of its own."""
    code = (
        "import json, sys; from sovits_cli.cli.app import main\n"
        f"sys.argv = ['sovits', *{args!r}]\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print(); print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_root_help_loads_next_to_nothing() -> None:
    modules = loaded("--help")
    assert not modules & (HEAVY | {"numpy", "pydantic", "rich", "yaml", "soundfile", "importlib.metadata"})
    ours = {name for name in modules if re.fullmatch(r"sovits_cli\.(?!cli\b|report\b).*", name)}
    assert ours <= {
        "sovits_cli.errors",
        "sovits_cli.events",
        "sovits_cli.memory",
        "sovits_cli.data",
        "sovits_cli.data.length_bins",
    }


@every_case("command", [name for name, lazy in COMMANDS.items() if (PACKAGE / "cli" / f"{lazy.module}.py").exists()])
def test_a_help_page_loads_no_torch(command: str) -> None:
    assert not loaded(command, "--help") & HEAVY


def test_settings_load_no_torch() -> None:
    assert not loaded("config", "show") & HEAVY
