"""Benchmarks and tools are run by hand: here, that each can still be imported."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

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
