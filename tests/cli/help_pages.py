"""The help pages of all commands, generated. `python -m tests.cli.help_pages` writes them anew to tests/cli/help/."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command
from typer.testing import CliRunner

from sovits_cli.cli import app as root

FOLDER = Path(__file__).parent / "help"
TYPER_FILE = FOLDER / "typer-version"
"""The pages are laid out by typer, so they are compared under the same minor version of it only."""


def typer_version() -> str:
    return ".".join(typer.__version__.split(".")[:2])


def command_paths() -> Iterator[tuple[str, ...]]:
    """Every command and command of a group: (), ("slice",), ("config", "show") ..."""
    yield ()
    group: Any = get_command(root.app)
    for name, lazy in root.COMMANDS.items():
        if importlib.util.find_spec(f"sovits_cli.cli.{lazy.module}") is None:
            continue
        yield (name,)
        command = group.get_command(None, name)
        yield from ((name, inner) for inner in getattr(command, "commands", {}))


def command_at(path: tuple[str, ...]) -> Any:
    """The command of a path, as typer made it."""
    found: Any = get_command(root.app)
    for name in path:
        found = found.get_command(None, name)
    return found


def file_name(path: tuple[str, ...]) -> str:
    return f"{'-'.join(('sovits', *path))}.txt"


def page(path: tuple[str, ...]) -> str:
    result = CliRunner().invoke(root.app, [*path, "--help"])
    assert result.exit_code == 0, result.output
    return "".join(f"{line.rstrip()}\n" for line in result.stdout.splitlines())


def write_all() -> None:
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.txt"):
        old.unlink()
    for path in command_paths():
        (FOLDER / file_name(path)).write_text(page(path), encoding="utf-8")
    TYPER_FILE.write_text(typer_version() + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_all()
