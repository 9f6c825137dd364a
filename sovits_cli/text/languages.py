"""The table of languages: five rows of our own, and those that other packages register. See `language` for a row.

Whatever reads, cuts, segments or hears a text goes by the table and names no language itself. The packages are looked
for when somebody asks for a code that is not among the five, or for all of them; one that is broken is left out and
named by `LANGUAGES.problems`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from sovits_cli.errors import TextError
from sovits_cli.text import language, symbols
from sovits_cli.text.language import EAST_ASIAN, HAN, HANGUL, KANA, LATIN, Language, Syllables, UnicodeScript
from sovits_cli.text.resources import once
from sovits_cli.versions import SymbolTable

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "sovits.languages"
"""The entry points: code = "module:ROW"."""

_CODE_PATTERN = re.compile("(?!auto$)[a-z]{2,8}(-[a-z0-9]{1,8})*")
"""ISO 639, and what follows it in a language tag."""


def registered_languages(known: Sequence[Language]) -> tuple[tuple[Language, ...], tuple[TextError, ...]]:
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
            hint=f"pip install -U {package.partition(' ')[0]}, or uninstall it",
        ) from error
    checked: Language = replace(row, origin=package)
    return checked


def _fault(code: str, row: object, known: Sequence[Language]) -> str:
    """Why an object cannot be the row of a language; empty where it can."""
    if not isinstance(row, Language):
        return f"expected a Language, found {type(row).__name__}"
    if row.code != code or not _CODE_PATTERN.fullmatch(code):
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
    re.compile(row.after_quotation)
    return _shared_letter(row.scripts, [script for row in known for script in row.scripts])


def _shared_letter(scripts: Sequence[UnicodeScript], known: Sequence[UnicodeScript]) -> str:
    """What is wrong where a letter of a script belongs to another one already; empty where none does."""
    for script, other in product(scripts, known):
        if script != other and (shared := _letters(script) & _letters(other)):
            return f"{min(shared)!r} of its script {script.name} is a letter of {other.name} already"
    return ""


def _letters(script: UnicodeScript) -> set[str]:
    """All letters of a script, up to the second supplementary plane."""
    planes = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x30000))))
    return set(script.pattern.findall(planes))


BUILT_IN = (
    Language(
        code="en",
        name="English",
        frontend="sovits_cli.text.en:English",
        tables=frozenset(SymbolTable),
        scripts=(LATIN,),
        conjunctions=(
            *("and", "but", "or", "so", "because", "which", "that", "who"),
            *("when", "while", "where", "if", "as", "than", "then"),
        ),
        charsets=(language.CP1252,),
        phones=symbols.ENGLISH,
        word_phones="sovits_cli.text.en:word_phones",
        guesses="sovits_cli.text.en:unknown_words",
    ),
    Language(
        code="zh",
        name="Chinese",
        frontend="sovits_cli.text.zh:Chinese",
        tables=frozenset(SymbolTable),
        scripts=(HAN,),
        packages=("pypinyin", "jieba"),
        has_bert=True,
        marks=EAST_ASIAN,
        decides_full_stops=False,
        word_ends="sovits_cli.text.zh_words:word_ends",
        charsets=(language.GB18030, language.BIG5),
        phones=symbols.MANDARIN,
        syllables=Syllables("pinyin", "[重庆|chong2 qing4]", "sovits_cli.text.zh:nearest_syllable"),
    ),
    Language(
        code="ja",
        name="Japanese",
        frontend="sovits_cli.text.ja:Japanese",
        tables=frozenset(SymbolTable),
        scripts=(KANA, HAN),
        packages=("pyopenjtalk",),
        marks=EAST_ASIAN,
        after_quotation="[とはがをのに、]|って",
        decides_full_stops=False,
        word_ends="sovits_cli.text.ja:word_ends",
        charsets=(language.EUC_JP, language.SHIFT_JIS),
        aliases=("jp",),
        phones=symbols.JAPANESE,
        word_phones="sovits_cli.text.ja:word_phones",
        guesses="sovits_cli.text.ja:unknown_words",
    ),
    Language(
        code="ko",
        name="Korean",
        frontend="sovits_cli.text.ko:Korean",
        tables=frozenset({SymbolTable.V2}),
        scripts=(HANGUL,),
        packages=("g2pk2", "mecab", "jamo"),
        decides_full_stops=False,
        charsets=(language.EUC_KR,),
        phones=symbols.KOREAN,
        word_phones="sovits_cli.text.ko:word_phones",
    ),
    Language(
        code="yue",
        name="Cantonese",
        frontend="sovits_cli.text.yue:Cantonese",
        tables=frozenset({SymbolTable.V2}),
        scripts=(HAN,),
        packages=("ToJyutping",),
        marks=EAST_ASIAN,
        decides_full_stops=False,
        charsets=(language.GB18030, language.BIG5),
        recogniser=("yue", "zh"),
        phones=symbols.CANTONESE,
        syllables=Syllables("jyutping", "[重慶|cung4 hing3]", "sovits_cli.text.yue:jyutping_phones"),
    ),
)


Registered = tuple[tuple[Language, ...], tuple[TextError, ...]]
"""Rows of other packages, and what is wrong with those that cannot be used."""


class LanguageTable(MutableMapping[str, Language]):
    """Code -> row, in order: our own languages, then those of other packages, which are looked for when needed.

    Args:
        rows: our own.
        others: finds those of other packages.
    """

    def __init__(self, rows: Iterable[Language], others: Callable[[], Registered]) -> None:
        self._rows = {row.code: row for row in rows}
        self._problems: tuple[TextError, ...] = ()
        self._others = others
        self._is_complete = False

    def __getitem__(self, code: str) -> Language:
        if code not in self._rows:
            self._complete()
        return self._rows[code]

    def __setitem__(self, code: str, row: Language) -> None:
        self._rows[code] = row

    def __delitem__(self, code: str) -> None:
        del self._rows[code]

    def __iter__(self) -> Iterator[str]:
        self._complete()
        return iter(tuple(self._rows))

    def __len__(self) -> int:
        self._complete()
        return len(self._rows)

    @property
    def problems(self) -> tuple[TextError, ...]:
        """What is wrong with each registered language that cannot be used."""
        self._complete()
        return self._problems

    def _complete(self) -> None:
        """Add what other packages register. Threads that come at once add the same rows."""
        if not self._is_complete:
            found, self._problems = self._others()
            for row in found:
                self._rows.setdefault(row.code, row)
            self._is_complete = True


@once
def _registered() -> Registered:
    return registered_languages(BUILT_IN)


LANGUAGES = LanguageTable(BUILT_IN, _registered)
"""The languages. A language is a file and a row."""


def find_language(code: str) -> Language:
    """Look a language up. Raises TextError, naming the known ones and the nearest."""
    try:
        return LANGUAGES[code]
    except KeyError:
        near = difflib.get_close_matches(code.lower(), [*LANGUAGES, *(row.name.lower() for row in LANGUAGES.values())])
        code_of = {row.name.lower(): row.code for row in LANGUAGES.values()}
        guess = code_of.get(near[0], near[0]) if near else next(iter(LANGUAGES))
        known = ", ".join(f"{row.code} ({row.name})" for row in LANGUAGES.values())
        raise TextError(
            f"unknown language {code!r}: expected {known}",
            code="text.unknown_language",
            fields={"lang": code, "nearest": guess},
        ) from None


def all_scripts() -> tuple[UnicodeScript, ...]:
    """The scripts of all languages, each once."""
    return tuple(dict.fromkeys(script for row in LANGUAGES.values() for script in row.scripts))


def default_language(script: UnicodeScript) -> Language:
    """The language in which a script is read where nobody says another: the first of the table."""
    return next(row for row in LANGUAGES.values() if script in row.scripts)


def language_of_recogniser(code: str) -> Language:
    """The language that a speech recogniser calls `code`. Raises TextError: there is none."""
    for row in LANGUAGES.values():
        if row.recogniser_codes[0] == code:
            return row
    return find_language(code)


def canonical_code(code: str) -> str:
    """Our code for one in a transcript list; a code that is no alias as it is."""
    return next((row.code for row in LANGUAGES.values() if code in row.aliases), code)
