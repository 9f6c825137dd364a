"""The root app with one sample command and one sample group added."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sovits_cli.cli import app as root
from tests.cli import sample

Sovits = Callable[..., Result]


@pytest.fixture
def sovits(monkeypatch: pytest.MonkeyPatch, empty_folder: object) -> Sovits:
    """Run `sovits ...` in an empty folder, as a user would."""
    monkeypatch.setitem(sys.modules, "sovits_cli.cli.sample", sample)
    monkeypatch.setitem(root.COMMANDS, "sample", root.Lazy("sample", "sample_command", "Do what the test wants."))
    monkeypatch.setitem(root.COMMANDS, "samples", root.Lazy("sample", "app", "A group of samples."))

    def run(*args: str, **extra: Any) -> Result:
        result = CliRunner().invoke(root.app, list(args), **extra)
        assert "Traceback" not in result.stdout
        return result

    return run


@pytest.fixture
def told(sovits: Sovits) -> Callable[..., tuple[int, list[str]]]:
    """Exit code and the lines on stderr."""

    def run(*args: str) -> tuple[int, list[str]]:
        result = sovits(*args)
        assert "Traceback" not in result.stderr
        return result.exit_code, result.stderr.splitlines()

    return run


@pytest.fixture
def answer(sovits: Sovits) -> Callable[..., Any]:
    """What `--json` puts on stdout: exactly one document."""

    def run(*args: str) -> Any:
        return json.loads(sovits(*args, "--json").stdout)

    return run
