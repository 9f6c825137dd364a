"""Where every table comes from is written down, and its notice is there."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

from packaging.licenses import canonicalize_license_expression

from sovits_cli.text import resources
from tests.differences import every_case

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sovits_cli"
NOTICES = PACKAGE / "LICENSES"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

NOTICE = {
    "MIT": "GPT-SoVITS-MIT.txt",
    "Apache-2.0": "Apache-2.0.txt",
    "BSD-2-Clause": "CMUdict-BSD-2-Clause.txt",
    "MIT-Festival": "flite-MIT-Festival.txt",
}
"""Licence -> the file with its text. Ours is MIT too: LICENSE."""


def listed() -> dict[str, tuple[str, str]]:
    """File -> licence and origin."""
    rows = (line.split(" | ") for line in rows_of(NOTICES / "PROVENANCE.txt"))
    return {file: (licence, origin) for file, licence, origin in rows}


def rows_of(path: Path) -> list[str]:
    return [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]


def data_files() -> set[str]:
    """Everything in the wheel that is no Python and no notice."""
    inside = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*") if path.is_file()}
    inside |= {path.relative_to(ROOT) for path in (ROOT / "configs").rglob("*") if path.is_file()}
    return {
        path.as_posix()
        for path in inside
        if path.suffix not in {".py", ".pyc"} and path.parts[0] != NOTICES.name and not path.name.startswith(".")
    }


def modules_after_others() -> set[str]:
    """Code that says that a file of the official program is its source."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        told = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        if re.search(r"GPT-SoVITS\s+`", told):
            found.add(path.relative_to(PACKAGE).as_posix())
    return found


def test_every_file_and_table_is_listed():
    assert set(listed()) == (data_files() | modules_after_others()) - {"py.typed"}, "py.typed is an empty mark"


@every_case("file", listed())
def test_its_licence_is_declared_and_its_notice_is_there(file):
    licence, origin = listed()[file]
    assert licence in PROJECT["license"].split(" AND ")
    assert (NOTICES / NOTICE[licence]).is_file()
    assert origin.startswith("ours") or licence != "MIT" or "GPT-SoVITS" in origin
    assert licence != "Apache-2.0" or "(c) " in origin


def test_the_expression_is_true():
    """No licence more, none less, each by its SPDX name."""
    assert canonicalize_license_expression(PROJECT["license"]) == PROJECT["license"]
    assert set(PROJECT["license"].split(" AND ")) == {licence for licence, _ in listed().values()} == set(NOTICE)


def test_notices_name_whom_they_have_to():
    said = {path.name: " ".join(path.read_text("utf-8").split()) for path in NOTICES.iterdir()}
    assert "Copyright (C) 1993-2015 Carnegie Mellon University." in said["CMUdict-BSD-2-Clause.txt"]
    assert "Carnegie Mellon University Copyright (c) 1999-2017" in said["flite-MIT-Festival.txt"]
    assert "Copyright (c) 2024 RVC-Boss" in said["GPT-SoVITS-MIT.txt"]
    assert "Apache License Version 2.0, January 2004" in said["Apache-2.0.txt"]


@every_case("name", [file for file, (licence, _) in listed().items() if licence == "Apache-2.0"])
def test_changed_tables_say_so(name):
    """Section 4 (b) of Apache-2.0; for code the list says it."""
    if name.endswith(".txt"):
        first = (PACKAGE / name).read_text("utf-8").splitlines()[0]
        assert re.search(r"\(c\) \d{4} .*Apache-2\.0 .*; changed: ", first)
        assert not resources.table_lines(Path(name).name)[0].startswith("#")
