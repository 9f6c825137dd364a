"""Languages that other packages register by an entry point, see `language`; a broken one is left out and named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sovits_cli.errors import TextError
from sovits_cli.text import symbols
from sovits_cli.text.language import Language
from sovits_cli.text.scripts import UnicodeScript
from sovits_cli.versions import SymbolTable

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "sovits.languages"
"""The entry points: code = "module:ROW"."""

_CODE = re.compile("(?!auto$)[a-z]{2,8}(-[a-z0-9]{1,8})*")
"""ISO 639, and what follows it in a language tag."""


def languages(known: Sequence[Language]) -> tuple[tuple[Language, ...], tuple[TextError, ...]]:
    """Find what the installed packages register.

    Args:
        known: the rows that are there; a code or the letters of a script are taken only once.

    Returns:
        Rows that can be used, and what is wrong with the others.
    """
    from importlib.metadata import entry_points

    rows: list[Language] = []
    problems: list[TextError] = []
    try:
        entries = sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value))
    except (ValueError, OSError) as error:
        return (), (TextError(f"cannot look for languages of other packages: {error}", hint="pip check"),)
    for entry in entries:
        try:
            rows.append(_checked(entry, [*known, *rows]))
        except TextError as error:
            problems.append(error)
    return tuple(rows), tuple(problems)


def _checked(entry: EntryPoint, known: Sequence[Language]) -> Language:
    """The row of an entry point. Raises TextError: its package fails, or it is no row that can be used."""
    package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
    try:
        row = entry.load()
        if fault := _fault(entry.name, row, known):
            raise TextError(fault)
    except (Exception, SystemExit) as error:
        fault = error.message if isinstance(error, TextError) else f"{type(error).__name__}: {error}"
        raise TextError(
            f"language {entry.name!r} of {package} is left out: {' '.join(fault.split())}",
            hint=f"pip install --upgrade {package.partition(' ')[0]}, or uninstall it",
        ) from error
    checked: Language = replace(row, origin=package)
    return checked


def _fault(code: str, row: object, known: Sequence[Language]) -> str:
    """Why an object cannot be the row of a language; empty where it can."""
    if not isinstance(row, Language):
        return f"expected a Language, found {type(row).__name__}"
    if row.code != code or not _CODE.fullmatch(code):
        return f"its row has the code {row.code!r}: expected that of the entry point, as in es or pt-br"
    if any(row.code == other.code for other in known):
        return "there is one of this code already"
    if not row.tables or not all(isinstance(table, SymbolTable) for table in row.tables):
        return f"it names no symbol table: expected {' or '.join(SymbolTable)}"
    if not row.phones:
        return "it names none of its phones"
    if strange := sorted(row.phones - symbols.known(max(row.tables))):
        return f"{strange[0]!r} is no symbol of the tables it names"
    if not row.scripts:
        return "it has no script"
    for script in row.scripts:
        for other in (script for row in known for script in row.scripts):
            if script != other and (shared := _letters(script) & _letters(other)):
                return f"{min(shared)!r} of its script {script.name} is a letter of {other.name} already"
    re.compile(row.quoted_on)
    return ""


def _letters(script: UnicodeScript) -> set[str]:
    """All letters of a script, up to the second supplementary plane."""
    planes = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x30000))))
    return set(script.pattern.findall(planes))
