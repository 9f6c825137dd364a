"""Text in, phones out: what each language has to do.

A language is one file with a class that fulfils `Frontend`, and one row in `languages.LANGUAGES`. Nothing is loaded
before its language is first asked for. Knows no torch, no settings and no files but the tables beside the code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

from sovits_cli.errors import TextError
from sovits_cli.text import symbols
from sovits_cli.text.language import Language, load_object
from sovits_cli.text.languages import find_language
from sovits_cli.text.resources import once
from sovits_cli.versions import SymbolTable


@dataclass(frozen=True)
class Pronunciation:
    """What a text sounds like.

    Args:
        phones: symbols of the table asked for; empty only in the official reading.
        word2ph: how many phones each character of `norm` has; None where the language has no such relation.
        norm: the text as it is read: numbers, signs and abbreviations written out.
    """

    phones: list[str]
    word2ph: list[int] | None
    norm: str


class UnreadableError(TextError):
    """A text in which there is nothing that its language reads."""


class SentenceRules(Protocol):
    """What cutting has to know of a language, or of several at once."""

    def readable(self, text: str) -> bool:
        """Whether there is anything to read in `text`; cheap."""

    def ends_sentence(self, before: str, after: str) -> bool:
        """Whether the mark at the end of `before` closes a sentence, given the few characters on each side."""


class Frontend(SentenceRules, Protocol):
    """One language. `compat` asks for the official program's reading, with its defects."""

    def normalise(self, text: str, *, compat: bool) -> str:
        """Write out numbers, signs and abbreviations; drop what cannot be read."""

    def phones(self, norm: str, table: SymbolTable, *, compat: bool) -> tuple[list[str], list[int] | None]:
        """Phones of a normalised text, and phones per character where the language has that.

        A phone that `table` lacks becomes `UNK` afterwards; a front end looks at it only where readings differ.
        """


SILENCES = {"\ue002": "SP2", "\ue003": "SP3"}
"""Characters of a normalised text that stand for a comma spoken as another symbol (official, for Chinese)."""


def pronounce(text: str, lang: str, table: SymbolTable, *, compat: bool = False) -> Pronunciation:
    """Read a text of one language.

    Args:
        text: any text; a sentence at a time is best, `split.sentences` makes them.
        lang: code of a row of `languages.LANGUAGES`.
        table: symbol table of the model that will speak; phones it lacks become `UNK`.
        compat: read exactly as the official program does, defects included.

    Raises:
        TextError: unknown language, a language the table cannot write, or nothing in the text that can be read.
    """
    row = find_language(lang)
    if table not in row.tables:
        raise TextError(
            f"{row.name} cannot be written in symbol table {table.value}: expected a model with table "
            f"{' or '.join(sorted(row.tables))}",
            code="text.table_lacks_language",
            fields={"lang": lang, "table": table.value},
        )
    front_end = load_frontend(lang)
    norm = front_end.normalise(text, compat=compat)
    phones, word2ph = front_end.phones(norm, table, compat=compat)
    if not compat and all(phone in symbols.PUNCTUATION for phone in phones):
        raise UnreadableError(
            f"nothing to read in {excerpt(text)}: expected at least one {row.name} word, letter or number",
            code="text.nothing_to_read",
        )
    known = symbols.known(table)
    phones = [SILENCES.get(phone, phone) for phone in phones]
    return Pronunciation(
        phones=[phone if phone in known else symbols.UNKNOWN for phone in phones],
        word2ph=word2ph,
        norm=norm.translate(dict.fromkeys(map(ord, SILENCES), ",")),
    )


@once
def load_frontend(lang: str) -> Frontend:
    """The front end of a language, loaded on first use.

    Raises:
        TextError: unknown language, or one whose packages are not installed.
    """
    row = find_language(lang)
    missing = [package for package in row.packages if not _is_installed(package)]
    if missing:
        raise TextError(
            f"{row.name} needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed",
            hint=f"pip install {' '.join(missing)}" if row.origin else f'pip install "sovits[{row.code}]"',
        )
    if row.origin:
        return GuardedFrontend(row)
    made: Frontend = load_object(row.frontend)()
    return made


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # what the package would be inside of
        return False


def excerpt(text: str, limit: int = 40) -> str:
    """The beginning of a text for a message, with escapes for what a terminal cannot show."""
    shown = ascii(text) if not text.isprintable() else repr(text)
    return shown if len(shown) <= limit else f"{shown[:limit]}… ({len(text)} characters)"


# Code of other packages that register a language: every failure becomes one line that names the package.


class GuardedFrontend:
    """A `frontend.Frontend` that asks the one of a registered row. Raises TextError: it cannot be loaded."""

    def __init__(self, row: Language) -> None:
        self._row = row
        with _blaming(self._row, "cannot be loaded"):
            self._own: Any = load_object(row.frontend)()

    def readable(self, text: str) -> bool:
        """Whether there is anything to read in `text`."""
        with _blaming(self._row, "fails"):
            return bool(self._own.readable(text))

    def ends_sentence(self, before: str, after: str) -> bool:
        """Whether the mark at the end of `before` closes a sentence."""
        with _blaming(self._row, "fails"):
            return bool(self._own.ends_sentence(before, after))

    def normalise(self, text: str, *, compat: bool) -> str:
        """Write out numbers, signs and abbreviations."""
        with _blaming(self._row, "fails"):
            return str(self._own.normalise(text, compat=compat))

    def phones(self, norm: str, table: SymbolTable, *, compat: bool) -> tuple[list[str], list[int] | None]:
        """Phones of a normalised text, and how many each of its characters has."""
        with _blaming(self._row, "fails"):
            phones, counts = self._own.phones(norm, table, compat=compat)
            if counts is not None and (len(counts) != len(norm) or sum(counts) != len(phones)):
                raise ValueError(
                    f"{sum(counts)} phones of {len(counts)} characters are not {len(phones)} of {len(norm)}"
                )
            return [str(phone) for phone in phones], None if counts is None else [int(count) for count in counts]


def call_hook(row: Language, function: str, text: str) -> Any:
    """What a "module:function" of a row says to a text. Raises TextError: it fails, and another package brought it."""
    if not row.origin:
        return load_object(function)(text)
    with _blaming(row, "fails"):
        return load_object(function)(text)


@contextmanager
def _blaming(row: Language, what: str) -> Iterator[None]:
    try:
        yield
    except TextError:
        raise
    except (Exception, SystemExit) as error:
        raise TextError(
            f"{row.name} of {row.origin} {what}: {type(error).__name__}: {' '.join(str(error).split())}",
            hint=f"pip install -U {row.origin.partition(' ')[0]}",
        ) from error
