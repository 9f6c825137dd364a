"""Hints: every code has a row in `cli/hints.py`, every row a code.

`test_habits.py` keeps flags and commands out of all other rooms.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from sovits_cli.cli.hints import HINTS, hint_for, needed_fields
from sovits_cli.errors import SovitsError, TextError, UnforeseenError
from sovits_cli.events import Warned
from tests import source

OTHERS = [path for path in source.FILES if source.name(path) != "cli/hints.py"]

CODE = re.compile(r"[a-z_]+(\.[a-z_]+)+")


def sites() -> Iterator[tuple[str, str, set[str] | None]]:
    """Where a code is given: file and line, the code, the names of its fields (None: not to be seen from here)."""
    for path in OTHERS:
        for call in (node for node in ast.walk(source.tree(path)) if isinstance(node, ast.Call)):
            given = {keyword.arg: keyword.value for keyword in call.keywords}
            code = given.get("code")
            if isinstance(code, ast.Constant) and isinstance(code.value, str) and CODE.fullmatch(code.value):
                yield f"{source.name(path)}:{call.lineno}", code.value, names(given.get("fields"))


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
    written = {text for path in OTHERS for text in source.strings(path)}
    assert sorted(set(HINTS) - written) == []


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
