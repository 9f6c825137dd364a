"""Benchmarks and tools are run by hand: here, that each, and the code it gives to other processes, can be imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from tests import source
from tests.differences import differences

TESTS = Path(__file__).parents[1]
OPTIONAL = {"pocketsphinx"}
"""Packages that only the extra `test` brings, and not for every system."""


def test_every_benchmark_and_tool_can_be_imported() -> None:
    with differences() as compare:
        for path in sorted([*(TESTS / "benchmarks").glob("*.py"), *(TESTS / "tools").glob("*.py")]):
            with compare(f"{path.parent.name}/{path.name}"):
                try:
                    import_module(".".join(("tests", path.parent.name, path.stem)))
                except ModuleNotFoundError as error:
                    if error.name in OPTIONAL:
                        pytest.skip(f"no {error.name}")
                    raise
                for module, name in imports_of_scripts(path):
                    assert hasattr(import_module(module), name), f"{module} has no {name}"


def imports_of_scripts(path: Path) -> Iterator[tuple[str, str]]:
    """What the texts of a file import of ours that are programs: module and name."""
    for text in source.strings(path):
        if text.lstrip().startswith(("import ", "from ")) and "\n" in text:
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ImportFrom) and str(node.module).startswith("sovits_cli"):
                    yield from ((str(node.module), alias.name) for alias in node.names)
