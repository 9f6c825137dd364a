"""Hints: every code has a row in `cli/hints.py`, every row a code; no room but `cli/` names a flag or a command."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import sovits_cli
from sovits_cli.cli.hints import HINTS, hint_for, needed_fields
from sovits_cli.errors import SovitsError, TextError, UnforeseenError
from sovits_cli.events import Warned

PACKAGE = Path(sovits_cli.__file__).parent

MAX_TYPED = {
    "audio": 5,
    "checkpoints": 32,
    "config": 3,
    "data": 10,
    "features": 2,
    "inference": 23,
    "prep": 11,
    "text": 12,
    "training": 37,
    "versions.py": 1,
}
"""String literals of each room that still name a flag or a command. These numbers only fall; at 0 the row goes."""

TYPED = re.compile(r"(?:^|[\s(`'\"/,;])--[a-z]|\bsovits (?:slice|prep|train|infer|config|models)\b")
CODE = re.compile(r"[a-z_]+(\.[a-z_]+)+")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


def modules() -> Iterator[tuple[Path, ast.Module]]:
    """Every module outside `cli/`."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if room_of(path) != "cli":
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def docstrings(tree: ast.Module) -> set[int]:
    """The nodes (by id) of strings that stand alone as a statement."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def literals(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every string literal, the parts of f-strings included, that is no docstring."""
    skip = docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skip:
            yield node.lineno, node.value


def sites() -> Iterator[tuple[str, str, set[str] | None]]:
    """Where a code is said: file and line, the code, the names of its fields (None: not to be seen from here)."""
    for path, tree in modules():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            given = {keyword.arg: keyword.value for keyword in call.keywords}
            code = given.get("code")
            if isinstance(code, ast.Constant) and isinstance(code.value, str) and CODE.fullmatch(code.value):
                yield f"{path.relative_to(PACKAGE)}:{call.lineno}", code.value, names(given.get("fields"))


def names(fields: ast.expr | None) -> set[str] | None:
    if fields is None:
        return set()
    if isinstance(fields, ast.Dict) and all(isinstance(key, ast.Constant) for key in fields.keys):
        return {str(key.value) for key in fields.keys if isinstance(key, ast.Constant)}
    return None


def test_every_code_has_its_row_and_gives_the_fields_of_it() -> None:
    problems = []
    for place, code, fields in sites():
        if code not in HINTS:
            problems.append(f"{place}: {code} has no row in cli/hints.py")
        elif fields is not None and (missing := needed_fields(HINTS[code]) - fields):
            problems.append(f"{place}: {code} needs {', '.join(sorted(missing))}")
    assert problems == []


def test_every_row_is_used() -> None:
    said = {text for _, tree in modules() for _, text in literals(tree)}
    assert sorted(set(HINTS) - said) == []


def test_no_room_but_the_command_line_names_flags_and_commands() -> None:
    found = [(path, line, text) for path, tree in modules() for line, text in literals(tree) if TYPED.search(text)]
    counts = Counter(room_of(path) for path, _, _ in found)
    over = {room for room, count in counts.items() if count > MAX_TYPED.get(room, 0)}
    assert [f"{path}:{line}: {text!r}" for path, line, text in found if room_of(path) in over] == [], counts


def test_a_row_is_filled_with_the_fields() -> None:
    error = SovitsError("x is not set", code="settings.key_unset", fields={"key": "slice.max_sec", "path": "a.yaml"})
    assert hint_for(error) == "sovits config show slice.max_sec"
    assert hint_for(Warned("x is not set", **error.advice)) == "sovits config show slice.max_sec"


def test_a_hint_that_is_given_goes_before_the_row() -> None:
    assert hint_for(SovitsError("x", hint="say it", code="settings.key_unknown")) == "say it"


def test_without_row_or_field_there_is_no_hint() -> None:
    assert hint_for(SovitsError("x")) is None
    assert hint_for(Warned("x")) is None
    assert hint_for(SovitsError("x", code="another.package")) is None
    assert hint_for(SovitsError("x", code="settings.key_unset")) is None


def test_an_error_has_a_code_of_its_own_or_of_its_class() -> None:
    assert TextError("x").code == "text"
    assert TextError("x", code="text.empty").code == "text.empty"
    assert hint_for(UnforeseenError(KeyError("x"))) == "run again with --debug and report what it shows"
