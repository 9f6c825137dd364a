"""What the README promises: its library example runs, its tables name every old word and every exit code."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import soundfile

from sovits_cli import errors, paths
from sovits_cli.cli import app
from sovits_cli.config import aliases
from tests.differences import differences
from tests.source import PACKAGE, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(marker: str) -> str:
    """The code below a marker."""
    return README.partition(f"<!-- test: {marker} -->\n```python\n")[2].partition("```")[0]


def test_the_library_example_runs_on_the_bundled_model(empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    examples = paths.package_dir() / "examples"
    shutil.copy(examples / "slt.flac", "r.wav")
    code = block("library").replace("What is said in it.", (examples / "slt.txt").read_text(encoding="utf-8").strip())
    found: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), found)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 2, "a line for each sentence"
    assert all(" 16000 " in line for line in printed)
    assert found["audio"].samples.ndim == 1  # type: ignore[attr-defined]


def test_the_example_of_a_training_runs(empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    examples = paths.package_dir() / "examples"
    Path("recordings").mkdir()
    for name in ("awb", "kal16", "rms", "slt"):
        for suffix in (".flac", ".txt"):
            shutil.copy(examples / (name + suffix), "recordings")
    samples, rate = soundfile.read(examples / "slt.flac")
    soundfile.write("interview.wav", samples, rate)
    exec(compile(block("library-train").replace("=400", "=1, stage='gpt'"), "README.md", "exec"), {})
    assert capsys.readouterr().out.split() == ["1", "4", "()", str(Path("runs", empty_folder.name)), "True"]


def test_every_old_name_stands_beside_the_new_one() -> None:
    rows = [line for line in README.splitlines() if line.startswith("| `")]
    with differences() as compare:
        for old, new in (*aliases.KEYS.items(), *aliases.FLAGS.items()):
            with compare(old):
                assert [row for row in rows if f"`{old}`" in row.split("|")[1] and f"`{new}`" in row.split("|")[2]]


def test_every_exit_code_is_told() -> None:
    codes = {kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and hasattr(kind, "exit_code")}
    codes |= {errors.EXIT_OK, errors.EXIT_SOME_FAILED, errors.EXIT_INTERRUPTED, app.EXIT_PIPE_CLOSED}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)} == codes


def test_what_is_to_be_touched_is_there() -> None:
    """The map of the section for contributors names files that exist."""
    section = README.partition("## Contributing")[2].partition("\n## ")[0]
    named = re.findall(r"`([a-z_]+/[\w/]*(?:\.py)?|[a-z_]+\.py)`", section)
    assert len(named) > 12
    lost = [name for name in named if not any((root / name).exists() for root in (PACKAGE, ROOT))]
    assert lost == []
