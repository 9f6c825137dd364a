from __future__ import annotations

import pytest

from tests.cli import help_pages
from tests.differences import every_case

PATHS = list(help_pages.command_paths())


@every_case("path", PATHS, ids=lambda path: " ".join(("sovits", *path)))
def test_help_is_as_written_down(path: tuple[str, ...]) -> None:
    if help_pages.typer_version() != help_pages.TYPER_FILE.read_text().strip():
        pytest.skip("laid out by another version of typer")
    written = (help_pages.FOLDER / help_pages.file_name(path)).read_text(encoding="utf-8")
    assert help_pages.page(path) == written, "if this is meant: python -m tests.cli.help_pages"


def test_no_page_is_left_over() -> None:
    assert {path.name for path in help_pages.FOLDER.glob("*.txt")} == {help_pages.file_name(path) for path in PATHS}


@every_case("path", PATHS, ids=lambda path: " ".join(("sovits", *path)))
def test_every_command_and_option_says_what_it_does(path: tuple[str, ...]) -> None:
    command = help_pages.command_at(path)
    assert len(command.help) > 10
    assert [parameter.name for parameter in command.params if len(parameter.help or "") < 6] == []
