"""The table of languages: five rows of our own, and those that other packages register. See `language` for a row.

Whatever reads, cuts, segments or hears a text goes by the table and names no language itself. The packages are looked
for when somebody asks for a code that is not among the five, or for all of them; one that is broken is left out and
named by `LANGUAGES.problems`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, MutableMapping

from sovits_cli.errors import TextError
from sovits_cli.text import charsets, registered, symbols
from sovits_cli.text.language import EAST_ASIAN, Language, Syllables
from sovits_cli.text.once import once
from sovits_cli.text.scripts import HAN, HANGUL, KANA, LATIN, UnicodeScript
from sovits_cli.versions import SymbolTable

BUILT_IN = (
    Language(
        code="en",
        name="English",
        place="sovits_cli.text.en:English",
        tables=frozenset(SymbolTable),
        scripts=(LATIN,),
        conjunctions=(
            *("and", "but", "or", "so", "because", "which", "that", "who"),
            *("when", "while", "where", "if", "as", "than", "then"),
        ),
        charsets=(charsets.CP1252,),
        phones=symbols.ENGLISH,
        guesses="sovits_cli.text.en_words:guesses",
    ),
    Language(
        code="zh",
        name="Chinese",
        place="sovits_cli.text.zh:Chinese",
        tables=frozenset(SymbolTable),
        scripts=(HAN,),
        packages=("pypinyin", "jieba"),
        has_bert=True,
        marks=EAST_ASIAN,
        judges_dots=False,
        word_ends="sovits_cli.text.zh_words:ends",
        charsets=(charsets.GB18030, charsets.BIG5),
        phones=symbols.MANDARIN,
        syllables=Syllables("pinyin", "[重庆|chong2 qing4]", "sovits_cli.text.zh_syllables:nearest"),
    ),
    Language(
        code="ja",
        name="Japanese",
        place="sovits_cli.text.ja:Japanese",
        tables=frozenset(SymbolTable),
        scripts=(KANA, HAN),
        packages=("pyopenjtalk",),
        marks=EAST_ASIAN,
        quoted_on="[とはがをのに、]|って",
        judges_dots=False,
        word_ends="sovits_cli.text.ja_words:ends",
        charsets=(charsets.EUC_JP, charsets.SHIFT_JIS),
        aliases=("jp",),
        phones=symbols.JAPANESE,
        guesses="sovits_cli.text.ja:guesses",
    ),
    Language(
        code="ko",
        name="Korean",
        place="sovits_cli.text.ko:Korean",
        tables=frozenset({SymbolTable.V2}),
        scripts=(HANGUL,),
        packages=("g2pk2", "mecab", "jamo"),
        judges_dots=False,
        charsets=(charsets.EUC_KR,),
        phones=symbols.KOREAN,
    ),
    Language(
        code="yue",
        name="Cantonese",
        place="sovits_cli.text.yue:Cantonese",
        tables=frozenset({SymbolTable.V2}),
        scripts=(HAN,),
        packages=("ToJyutping",),
        marks=EAST_ASIAN,
        judges_dots=False,
        charsets=(charsets.GB18030, charsets.BIG5),
        recogniser=("yue", "zh"),
        phones=symbols.CANTONESE,
        syllables=Syllables("jyutping", "[重慶|cung4 hing3]", "sovits_cli.text.yue:given"),
    ),
)


Others = tuple[tuple[Language, ...], tuple[TextError, ...]]
"""Rows of other packages, and what is wrong with those that cannot be used."""


class LanguageTable(MutableMapping[str, Language]):
    """Code -> row, in order: our own languages, then those of other packages, which are looked for when needed.

    Args:
        rows: our own.
        others: finds those of other packages.
    """

    def __init__(self, rows: Iterable[Language], others: Callable[[], Others]) -> None:
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
def _registered() -> Others:
    return registered.languages(BUILT_IN)


LANGUAGES = LanguageTable(BUILT_IN, _registered)
"""The languages. A language is a file and a row."""


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


def scripts() -> tuple[UnicodeScript, ...]:
    """The scripts of all languages, each once."""
    return tuple(dict.fromkeys(script for row in LANGUAGES.values() for script in row.scripts))


def owner(script: UnicodeScript) -> Language:
    """The language in which a script is read where nobody says another: the first of the table."""
    return next(row for row in LANGUAGES.values() if script in row.scripts)


def heard(code: str) -> Language:
    """The language that a speech recogniser calls `code`. Raises TextError: there is none."""
    for row in LANGUAGES.values():
        if row.heard_as[0] == code:
            return row
    return language(code)


def listed(code: str) -> str:
    """Our code for one in a transcript list; a code that is no alias as it is."""
    return next((row.code for row in LANGUAGES.values() if code in row.aliases), code)
