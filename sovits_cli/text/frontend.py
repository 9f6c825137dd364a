"""Text in, phones out: the table of languages, and what each of them has to do.

A language is one file with a class that fulfils `Frontend`, and one row in `LANGUAGES`. Nothing is loaded before its
language is first asked for. Knows no torch, no settings and no files but the tables beside the code.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol

from sovits_cli.errors import TextError
from sovits_cli.text import symbols
from sovits_cli.text.once import once
from sovits_cli.versions import SymbolTable


@dataclass(frozen=True)
class Pronounced:
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


class Script(Protocol):
    """What cutting has to know of a language, or of several at once."""

    def readable(self, text: str) -> bool:
        """Whether there is anything to read in `text`; cheap."""

    def ends_sentence(self, before: str, after: str) -> bool:
        """Whether the mark at the end of `before` closes a sentence, given the few characters on each side."""


class Frontend(Script, Protocol):
    """One language. `compat` asks for the official program's reading, with its defects."""

    def normalise(self, text: str, *, compat: bool) -> str:
        """Write out numbers, signs and abbreviations; drop what cannot be read."""

    def phones(self, norm: str, table: SymbolTable, *, compat: bool) -> tuple[list[str], list[int] | None]:
        """Phones of a normalised text, and phones per character where the language has that.

        A phone that `table` lacks becomes `UNK` afterwards; a front end looks at it only where readings differ.
        """


@dataclass(frozen=True)
class Language:
    """One row.

    Args:
        code: as in `--lang`, and the name of the extra that installs `packages`.
        name: in English.
        place: "module:class" of its `Frontend`; loaded on first use.
        tables: the symbol tables that can write its phones.
        packages: modules its front end imports that the base install does not bring.
        has_bert: whether the official models were trained with text features for it; zeros elsewhere.
    """

    code: str
    name: str
    place: str
    tables: frozenset[SymbolTable]
    packages: tuple[str, ...] = ()
    has_bert: bool = False


LANGUAGES: dict[str, Language] = {
    row.code: row
    for row in (
        Language(code="en", name="English", place="sovits_cli.text.en:English", tables=frozenset(SymbolTable)),
        Language(
            code="zh",
            name="Chinese",
            place="sovits_cli.text.zh:Chinese",
            tables=frozenset(SymbolTable),
            packages=("pypinyin", "jieba"),
            has_bert=True,
        ),
        Language(
            code="ja",
            name="Japanese",
            place="sovits_cli.text.ja:Japanese",
            tables=frozenset(SymbolTable),
            packages=("pyopenjtalk",),
        ),
        Language(
            code="ko",
            name="Korean",
            place="sovits_cli.text.ko:Korean",
            tables=frozenset({SymbolTable.V2}),
            packages=("g2pk2", "mecab", "jamo"),
        ),
        Language(
            code="yue",
            name="Cantonese",
            place="sovits_cli.text.yue:Cantonese",
            tables=frozenset({SymbolTable.V2}),
            packages=("ToJyutping",),
        ),
    )
}
"""The languages. A language is a file and a row."""

SILENCES = {"\ue002": "SP2", "\ue003": "SP3"}
"""Characters of a normalised text that stand for a comma spoken as another symbol (official, for Chinese)."""


def language(code: str) -> Language:
    """Look a language up. Raises TextError, naming the known ones and the nearest."""
    try:
        return LANGUAGES[code]
    except KeyError:
        near = difflib.get_close_matches(code.lower(), [*LANGUAGES, *(row.name.lower() for row in LANGUAGES.values())])
        code_of = {row.name.lower(): row.code for row in LANGUAGES.values()}
        guess = code_of.get(near[0], near[0]) if near else next(iter(LANGUAGES))
        known = ", ".join(f"{row.code} ({row.name})" for row in LANGUAGES.values())
        raise TextError(f"unknown language {code!r}: expected {known}", hint=f"--lang {guess}") from None


def pronounce(text: str, lang: str, table: SymbolTable, *, compat: bool = False) -> Pronounced:
    """Read a text of one language.

    Args:
        text: any text; a sentence at a time is best, `split.sentences` makes them.
        lang: code of a row of `LANGUAGES`.
        table: symbol table of the model that will speak; phones it lacks become `UNK`.
        compat: read exactly as the official program does, defects included.

    Raises:
        TextError: unknown language, a language the table cannot write, or nothing in the text that can be read.
    """
    row = language(lang)
    if table not in row.tables:
        raise TextError(
            f"{row.name} cannot be written in symbol table {table.value}: expected a model with table "
            f"{' or '.join(sorted(row.tables))}",
            hint="sovits models list",
        )
    speaker = frontend(lang)
    norm = speaker.normalise(text, compat=compat)
    phones, word2ph = speaker.phones(norm, table, compat=compat)
    if not compat and all(phone in symbols.PUNCTUATION for phone in phones):
        raise UnreadableError(
            f"nothing to read in {excerpt(text)}: expected at least one {row.name} word, letter or number",
            hint="write the words out, or give another language with --lang",
        )
    known = symbols.known(table)
    phones = [SILENCES.get(phone, phone) for phone in phones]
    return Pronounced(
        phones=[phone if phone in known else symbols.UNKNOWN for phone in phones],
        word2ph=word2ph,
        norm=norm.translate(dict.fromkeys(map(ord, SILENCES), ",")),
    )


@once
def frontend(lang: str) -> Frontend:
    """The front end of a language, loaded on first use.

    Raises:
        TextError: unknown language, or one whose packages are not installed.
    """
    row = language(lang)
    missing = [package for package in row.packages if find_spec(package) is None]
    if missing:
        raise TextError(
            f"{row.name} needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed",
            hint=f'pip install "sovits[{row.code}]"',
        )
    module, _, name = row.place.partition(":")
    made: Frontend = getattr(import_module(module), name)()
    return made


def excerpt(text: str, limit: int = 40) -> str:
    """The beginning of a text for a message, with escapes for what a terminal cannot show."""
    shown = ascii(text) if not text.isprintable() else repr(text)
    return shown if len(shown) <= limit else f"{shown[:limit]}… ({len(text)} characters)"
