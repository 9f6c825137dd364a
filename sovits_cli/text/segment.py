"""Mixed text to stretches of one language each: by script, numbers by what is around them, Han by its context.

A mode says which languages a text may be in:

    auto        each script in the first language of the table that has it: Latin letters are English
    CODE        everything in one language; but Latin letters are English where it has none of its own
    auto_CODE   as auto, but a script that the language shares with others is read in it: Han, Latin
    all_CODE    as CODE, and numbers are of that language even between English words

A text becomes runs in steps, each of which decides what the one before left open (`language_runs`). Knows nothing of
how a language is read.

Official: `text/LangSegmenter/langsegmenter.py`, `LangSegmenter.getTexts`; it asks a model of languages where ours goes
by the script.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sovits_cli.errors import TextError
from sovits_cli.text import languages
from sovits_cli.text.language import (
    HAN,
    KANA,
    LATIN,
    RunKind,
    UnicodeScript,
    is_chinese,
    is_japanese,
    is_japanese_document,
    japanese_end,
    script_runs,
)
from sovits_cli.text.languages import LANGUAGES

# In the mode `auto`, step by step:
#
#   text          iPhone 15卖8999元，東京タワー😀。
#   script_runs   iPhone |15 |卖  |8999  |元，|東京 |タワー |😀。      by Unicode: Latin, digits, Han, kana, unknown
#   languages     en     |<d>|<h> |<d>   |<h> |<h>  |ja     |<u>      a script with one language tells it
#   _with_han     en     |<d>|zh  |<d>   |zh  |ja   |ja     |<u>      卖 is no Japanese; 東京 stands beside kana
#   _with_numbers en     |zh |zh  |zh    |zh  |ja   |ja     |<u>      15 is written together with 卖
#   _with_unknown en     |zh |zh  |zh    |zh  |ja   |ja     |ja       as what stands before
#   _merged       iPhone |15卖8999元，         |東京タワー😀。

AUTO = "auto"
_ALL = "all"


@dataclass(frozen=True)
class LanguageMode:
    """One way to share a text among languages.

    Args:
        code: its name.
        main: the language of everything but Latin letters, and of these too where it has them; None: each script has
            its own.
        prefers: without `main`, the language of a script that several have.
        holds_numbers: numbers are of `main` even between English words.
    """

    code: str
    main: str | None
    prefers: str | None = None
    holds_numbers: bool = False

    @property
    def name(self) -> str:
        """For messages."""
        return LANGUAGES[self.main].name if self.main else "any language"

    @property
    def is_whole(self) -> bool:
        """Whether all of a text goes to one language, which has Latin letters."""
        return self.main is not None and self.latin == self.main

    @property
    def latin(self) -> str:
        """The language of Latin letters."""
        return self.owner(LATIN)

    @property
    def han(self) -> str:
        """The language of Han characters where nothing around them tells."""
        return self.main or self.owner(HAN)

    @property
    def fallback(self) -> str:
        """The language of what nothing tells, as of a number alone."""
        return self.main or self.prefers or self.owner(HAN)

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of all that a text may be read in."""
        if self.main is not None:
            return (self.main,) if self.is_whole else (self.main, self.latin)
        return tuple(
            row.code
            for row in LANGUAGES.values()
            if any(script == HAN or self.owner(script) == row.code for script in row.scripts)
        )

    def owner(self, script: UnicodeScript) -> str:
        """The language in which a script is read."""
        asked = self.main or self.prefers
        return asked if asked and script in LANGUAGES[asked].scripts else languages.default_language(script).code


@dataclass(frozen=True)
class LanguageRun:
    """A stretch of one language: a code of `LANGUAGES`, or `MARKS`."""

    lang: str
    text: str


MARKS = "punctuation"
"""The language of a text that is only marks."""

_DIGITS, _HAN, _UNKNOWN = "<digits>", "<han>", "<unknown>"
"""What a run is before its language is known."""


def find_mode(code: str) -> LanguageMode:
    """Look a mode up: the official ones, and their like. Raises TextError, naming the nearest."""
    kind, _, lang = code.partition("_")
    if code == AUTO:
        return LanguageMode(code, None)
    if code in LANGUAGES:
        return LanguageMode(code, code)
    if kind == AUTO and lang in LANGUAGES and _shares_script(lang):
        return LanguageMode(code, None, prefers=lang)
    if kind == _ALL and lang in LANGUAGES and _mixes_latin(lang):
        return LanguageMode(code, lang, holds_numbers=True)
    names = {row.name.lower(): row.code for row in LANGUAGES.values()}
    near = difflib.get_close_matches(code.lower(), [AUTO, *LANGUAGES, *names], n=1)
    known = ", ".join(f"{row.code} ({row.name})" for row in LANGUAGES.values())
    mixed = [f"{AUTO}_{lang}" for lang in LANGUAGES if _shares_script(lang)]
    mixed += [f"{_ALL}_{lang}" for lang in LANGUAGES if _mixes_latin(lang)]
    raise TextError(
        f"unknown language {code!r}: expected {AUTO}, {known}, or one of {', '.join(mixed)}",
        code="text.unknown_language",
        fields={"lang": code, "nearest": names.get(near[0], near[0]) if near else AUTO},
    )


def _shares_script(lang: str) -> bool:
    """Whether another language has a script of this one."""
    own = set(LANGUAGES[lang].scripts)
    return any(row.code != lang and own.intersection(row.scripts) for row in LANGUAGES.values())


def _mixes_latin(lang: str) -> bool:
    """Whether Latin letters in its texts are of another language."""
    return LATIN not in LANGUAGES[lang].scripts


def resolve_mode(code: str, document: str) -> str:
    """`auto`, or the like of `auto_ja` where the whole document tells in which language a script of it is.

    Kana tells that Han characters are Japanese. Latin letters are of the language whose `Language.own_letters` are the
    most frequent, if there are enough.
    """
    if code != AUTO:
        return code
    kana = sum(len(found) for found in re.findall(f"[{KANA.letters}]+", document))
    if is_japanese_document(document, kana):
        return f"{AUTO}_{languages.default_language(KANA).code}"
    counts = {row.code: _count(document, row.own_letters) for row in LANGUAGES.values() if row.own_letters}
    best = max(filter(_shares_script, counts), key=lambda lang: counts[lang], default=None)
    enough = max(_MIN_OWN_LETTERS, len(document.split()) / _WORDS_PER_OWN_LETTER) if best else 0
    return f"{AUTO}_{best}" if best and counts[best] >= enough else AUTO


def auto_mode_like(code: str) -> str:
    """`auto`; `auto_yue` and its like where the mode is of a language that characters do not tell from another."""
    mode = find_mode(code)
    asked = mode.main or mode.prefers
    written = LANGUAGES[asked].scripts if asked else ()
    twins = [row.code for row in LANGUAGES.values() if row.scripts == written]
    return f"{AUTO}_{asked}" if asked in twins[1:] else AUTO


def latin_ambiguity(code: str, document: str) -> str:
    """One line where nothing told which of several languages the Latin letters of a document are; else empty.

    Args:
        code: its mode, after `resolved`.
        document: all of it.
    """
    writing = [row for row in LANGUAGES.values() if LATIN in row.scripts]
    if code != AUTO or len(writing) < 2 or LATIN.pattern.search(document) is None:
        return ""
    first, *others = writing
    ways = " or ".join(f"{row.code} ({row.name})" for row in others)
    return f"Latin letters are read as {first.name}: give the language {AUTO}_{first.code} to say so, or {ways}"


_MIN_OWN_LETTERS, _WORDS_PER_OWN_LETTER = 3, 25
"""A text in a language has at least so many characters that tell it; what another borrowed from it has fewer."""


def _count(document: str, characters: str) -> int:
    return sum(map(document.casefold().count, set(characters.casefold())))


_CLAUSE_END = re.compile(r"[、，。！？；：,.!?;:\n」』）)…]\s*$")  # text whose clause ends with it

_COUNTERS = frozenset("年月日号號元个個点點分秒岁歲次人本回つ円枚件万億亿")
_ENGLISH_LIKE = re.compile(
    r"[ -~\s\u2000-\u206f\u3000-\u303f\uff00-\uffef]*[A-Za-z][ -~\s\u2000-\u206f\u3000-\u303f\uff00-\uffef]*"
)
_KEPT_OF_UNKNOWN = re.compile(rf"[^{HAN.letters}0-9\u3001-\u301c。！？.!?… /]")
_STOPS = (",", ".", "!", "?", "，", "。", "！", "？")


def language_runs(text: str, mode: LanguageMode, *, compat: bool = False) -> list[LanguageRun]:
    """Stretches of a text, in order; neighbours differ in language.

    Args:
        text: a sentence or so.
        mode: how to share it among languages.
        compat: segment as the official program does, which loses what is in no script it knows.
    """
    text = re.sub(" {2,}", " ", text)
    if mode.is_whole:
        return [LanguageRun(mode.latin, text)]
    parts = list(_parts(text.strip(), mode, is_official=compat))
    if not parts or all(part.lang == MARKS for part in parts):
        return [LanguageRun(mode.main or MARKS, text)]
    parts = _merged(_with_han(parts, mode, by_text=not compat))
    if compat:
        parts = _merged(_official(parts, mode))
    parts = _merged(_with_numbers(parts, mode, is_official=compat))
    return _merged(_with_main(_with_unknown(parts, mode), mode))


def _parts(text: str, mode: LanguageMode, *, is_official: bool) -> Iterator[LanguageRun]:
    """Stretches of one script, with their language where the script alone tells it."""
    undecided = {RunKind.DIGITS: _DIGITS, RunKind.UNKNOWN: _UNKNOWN, RunKind.MARKS: MARKS}
    for kind, stretch in script_runs(text, languages.all_scripts(), is_official=is_official):
        if isinstance(kind, RunKind):
            yield LanguageRun(undecided[kind], stretch)
        else:
            yield LanguageRun(_HAN if kind == HAN else mode.owner(kind), stretch)


def _merged(parts: Iterable[LanguageRun]) -> list[LanguageRun]:
    """Neighbours of one language joined."""
    joined: list[LanguageRun] = []
    for part in parts:
        if joined and joined[-1].lang == part.lang:
            joined[-1] = replace(part, text=joined[-1].text + part.text)
        else:
            joined.append(part)
    return joined


def _with_han(parts: Sequence[LanguageRun], mode: LanguageMode, *, by_text: bool) -> Iterator[LanguageRun]:
    """Han characters as Chinese or Japanese: by themselves, by kana in their clause, by the rest of the text."""
    japanese = mode.owner(KANA)
    chinese = languages.default_language(HAN).code if mode.han == japanese else mode.han
    has_kana = any(part.lang == japanese for part in parts)
    has_chinese = any(is_chinese(character) for part in parts for character in part.text)
    rest = japanese if by_text and has_kana and not has_chinese else mode.han
    for position, part in enumerate(parts):
        if part.lang != _HAN:
            yield part
        elif any(map(is_chinese, part.text)) or (has_chinese and any(map(is_japanese, part.text))):
            end = japanese_end(part.text)
            halves = (LanguageRun(chinese, part.text[:end]), LanguageRun(japanese, part.text[end:]))
            yield from (half for half in halves if half.text)
        elif _is_beside(japanese, parts, position) or any(map(is_japanese, part.text)):
            yield LanguageRun(japanese, part.text)
        else:
            yield LanguageRun(rest, part.text)


def _is_beside(lang: str, parts: Sequence[LanguageRun], position: int) -> bool:
    """Whether there is text of a language in the same clause, with only Han characters and digits in between."""
    for step in (-1, 1):
        here = position
        while True:
            edge = here if step > 0 else here - 1
            here += step
            if not 0 <= here < len(parts) or _CLAUSE_END.search(parts[edge].text):
                break
            if parts[here].lang == lang:
                return True
            if parts[here].lang not in {_HAN, _DIGITS}:
                break
    return False


def _official(parts: Sequence[LanguageRun], mode: LanguageMode) -> Iterator[LanguageRun]:
    """What the official program makes of pieces: only some are English to it, and unknown ones lose characters."""
    for part in parts:
        if part.lang == mode.latin and mode.holds_numbers and not _ENGLISH_LIKE.fullmatch(part.text):
            yield LanguageRun(str(mode.main), part.text)
        elif part.lang == _UNKNOWN and not mode.holds_numbers:
            kept = _KEPT_OF_UNKNOWN.sub("", part.text)
            yield LanguageRun(mode.han, kept) if kept else part
        else:
            yield part


def _with_numbers(parts: Sequence[LanguageRun], mode: LanguageMode, *, is_official: bool) -> Iterator[LanguageRun]:
    """Numbers in the language around them."""
    for position, part in enumerate(parts):
        if part.lang != _DIGITS:
            yield part
            continue
        before = parts[position - 1] if position else None
        after = parts[position + 1] if position + 1 < len(parts) else None
        if mode.holds_numbers:
            yield replace(part, lang=str(mode.main))
        elif before is None or after is None:
            only = before or after
            yield replace(part, lang=mode.fallback if only is None else only.lang)
        else:
            touching = None if is_official else _touching(before, part, after, mode.latin)
            yield replace(part, lang=(touching or _nearer(before, part, after)).lang)


def _touching(before: LanguageRun, part: LanguageRun, after: LanguageRun, latin: str) -> LanguageRun | None:
    """The neighbour that a number is written together with; None where that does not tell.

    3D打印 -> 3 with D      15卖 -> 15 with 卖      T60刚刚 -> both: with T, but 5G个 with 个 (`_COUNTERS`)
    """
    joins_before = before.text[-1].isalnum() and part.text[0].isdigit()
    joins_after = part.text[-1].isalnum() and after.text[0].isalnum()
    if joins_before and joins_after:
        if after.lang == latin or before.lang != latin or after.text[0] in _COUNTERS:
            return after
        return before
    return before if joins_before else after if joins_after else None


def _nearer(before: LanguageRun, part: LanguageRun, after: LanguageRun) -> LanguageRun:
    """The neighbour that a number belongs to, by the official rules."""
    if before.lang == after.lang:
        return before
    if before.text.rstrip().endswith(_STOPS):
        return after
    if after.text.lstrip().startswith(_STOPS) or part.text.rstrip().endswith(("。", ".")):
        return before
    return after if len(after.text) > len(before.text) else before


def _with_unknown(parts: Sequence[LanguageRun], mode: LanguageMode) -> Iterator[LanguageRun]:
    """What is in no known script, in the language before it, else of what follows."""
    lang = next((part.lang for part in parts if part.lang != _UNKNOWN), mode.fallback)
    for part in parts:
        lang = lang if part.lang == _UNKNOWN else part.lang
        yield replace(part, lang=lang)


def _with_main(parts: Iterable[LanguageRun], mode: LanguageMode) -> Iterator[LanguageRun]:
    for part in parts:
        yield part if mode.main is None or part.lang == mode.latin else replace(part, lang=mode.main)
