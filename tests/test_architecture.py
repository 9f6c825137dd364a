"""The house stays as it was drawn: who imports whom, who prints, who exits, and what a help page costs."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from pydantic import BaseModel

from sovits_cli.cli.app import COMMANDS
from sovits_cli.config.schema import InferenceSettings, PrepSettings
from sovits_cli.text.languages import BUILT_IN
from sovits_cli.versions import VERSIONS

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "sovits_cli"
FILES = sorted(PACKAGE.rglob("*.py"))

HEAVY = {"torch", "torchaudio", "lightning_fabric", "lightning", "librosa", "transformers", "matplotlib", "scipy"}
"""Libraries that cost seconds or hundreds of megabytes."""

TORCHLESS = ["text", "cli", "config", "report", "audio/files.py", "audio/slicer.py", "audio/slicing.py"]
"""What works without torch until it is asked for a model."""


def name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported_at_once(path: Path) -> Iterator[str]:
    """Names of modules that importing this file imports; blocks for type checkers do not count."""
    todo: list[ast.AST] = list(tree(path).body)
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            todo.extend(node.orelse)
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ClassDef):
            todo.extend(ast.iter_child_nodes(node))


def calls(path: Path) -> Iterator[str]:
    """Dotted names of everything called in a file, as written: "sys.exit", "print"."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


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


@pytest.mark.parametrize("place", TORCHLESS)
def test_no_heavy_import_at_module_level(place: str) -> None:
    for path in FILES:
        if name(path) == place or name(path).startswith(f"{place}/"):
            found = {module.partition(".")[0] for module in imported_at_once(path)} & HEAVY
            assert not found, f"{name(path)} imports {found}"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_only_the_report_writes_and_only_the_command_line_exits(path: Path) -> None:
    room = name(path).partition("/")[0]
    called = set(calls(path))
    if room != "report":
        assert not called & {"print", "sys.stdout.write", "sys.stderr.write", "typer.echo", "typer.secho"}
    if room != "cli":
        assert not called & {"exit", "quit", "sys.exit", "os._exit", "SystemExit", "typer.Exit", "typer.Abort"}


@pytest.mark.parametrize("path", [path for path in FILES if name(path) != "paths.py"], ids=name)
def test_links_are_followed_without_fear_of_loops(path: Path) -> None:
    """`Path.resolve` raises RuntimeError for a loop of links; `files.real_path` does not."""
    resolved = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute) and node.attr == "resolve"]
    assert [ast.unparse(node.value) for node in resolved if ast.unparse(node.value) not in {"examples"}] == []


@pytest.mark.parametrize("path", [path for path in FILES if name(path) != "versions.py"], ids=name)
def test_nobody_asks_for_a_version_by_name(path: Path) -> None:
    """Rooms go by traits: no comparison, no match and no table key is the name of a model version."""
    asked = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Compare):
            asked += [node.left, *node.comparators]
        elif isinstance(node, ast.MatchValue):
            asked.append(node.value)
        elif isinstance(node, ast.Dict):
            asked += [key for key in node.keys if key is not None]
    constants = {part.value for item in asked for part in ast.walk(item) if isinstance(part, ast.Constant)}
    assert not constants & set(VERSIONS)


CODES = "|".join(row.code for row in BUILT_IN)
OWN_FILES = re.compile(rf"text/(languages|scripts|han|({CODES})(_\w+)?)\.py")
"""The table of languages, the scripts that its rows name, and the files of one language."""


def told_by_name(source: ast.Module) -> set[str]:
    """Constants that are a language or a mode of one, or ranges of letters of East Asian scripts."""
    letter = "[\u1100-\u11ff\u3041-\u318f\u3400-\u9fff\uac00-\ud7a3]"
    wanted = re.compile(rf"(?:(?:auto|all)_)?(?:{CODES})|.*{letter}-{letter}.*", re.DOTALL)
    found = (node.value for node in ast.walk(source) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return {value for value in found if wanted.fullmatch(value)}


@pytest.mark.parametrize(
    "path", [path for path in FILES if name(path) != "versions.py" and not OWN_FILES.fullmatch(name(path))], ids=name
)
def test_nobody_asks_for_a_language_by_name(path: Path) -> None:
    """Rooms go by the rows of `text/languages.py`; which of them a model speaks is in its own row."""
    assert not told_by_name(tree(path))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('ENGLISH = "en"', {"en"}),
        ('how == "all_zh"', {"all_zh"}),
        ('re.compile("[^一-龥]")', {"[^一-龥]"}),
        ('("end", "zh-CN 你好")', set()),
    ],
)
def test_the_test_for_languages_would_see_them(source: str, found: set[str]) -> None:
    assert told_by_name(ast.parse(source)) == found


@pytest.mark.parametrize("settings", [PrepSettings, InferenceSettings])
def test_the_help_names_every_language_of_ours(settings: type[BaseModel]) -> None:
    told = str(settings.model_fields["lang"].description).replace(",", "").split()
    assert {row.code for row in BUILT_IN} <= set(told)


@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_file_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(tree(path))


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
    assert not {module for module in modules if module.startswith("sovits_cli.") and ".cli" not in module} - {
        "sovits_cli.errors",
        "sovits_cli.events",
        "sovits_cli.report",
        "sovits_cli.report.console",
        "sovits_cli.report.jsonl",
        "sovits_cli.report.vram",
    }


@pytest.mark.parametrize(
    "command", [name for name, lazy in COMMANDS.items() if (PACKAGE / "cli" / f"{lazy.module}.py").exists()]
)
def test_a_help_page_loads_no_torch(command: str) -> None:
    assert not loaded(command, "--help") & HEAVY


def test_settings_load_no_torch() -> None:
    assert not loaded("config", "show") & HEAVY


def test_the_test_for_heavy_imports_would_see_them(tmp_path: Path) -> None:
    path = tmp_path / "room.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import librosa\n"
        "try:\n    import torch.nn\nexcept ImportError:\n    pass\n"
        "def later():\n    import scipy\n"
    )
    assert set(imported_at_once(path)) == {"typing", "torch.nn"}
