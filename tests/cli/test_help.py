from __future__ import annotations

import pytest

from tests.cli import help_pages

PATHS = list(help_pages.command_paths())


@pytest.mark.parametrize("path", PATHS, ids=lambda path: " ".join(("sovits", *path)))
def test_help_is_as_written_down(path: tuple[str, ...]) -> None:
    if help_pages.typer_version() != help_pages.TYPER_FILE.read_text().strip():
        pytest.skip("laid out by another version of typer")
    written = (help_pages.FOLDER / help_pages.file_name(path)).read_text(encoding="utf-8")
    assert help_pages.page(path) == written, "if this is meant: python -m tests.cli.help_pages"


def test_no_page_is_left_over() -> None:
    assert {path.name for path in help_pages.FOLDER.glob("*.txt")} == {help_pages.file_name(path) for path in PATHS}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: " ".join(("sovits", *path)))
def test_every_option_says_what_it_does(path: tuple[str, ...]) -> None:
    text = help_pages.page(path)
    options = text.partition("Options:\n")[2].partition("Commands:\n")[0]
    rows = options.split("\n  -")
    assert len(rows) >= 1
    for row in rows:
        assert len(row.split("  ", 2)[-1].strip()) > 5, row
