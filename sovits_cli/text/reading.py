"""A text of any languages to phones: segmented, each stretch read by its front end, what nobody reads named.

The way in for preparation and inference. Knows the modes of `segment` and the front ends of `frontend`, no models.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from sovits_cli.text import characters, languages, lexicon, segment, symbols
from sovits_cli.text.characters import is_lost
from sovits_cli.text.frontend import (
    Pronunciation,
    SentenceRules,
    UnreadableError,
    call_hook,
    excerpt,
    load_frontend,
    pronounce,
)
from sovits_cli.text.language import LATIN, Language, Marks
from sovits_cli.text.languages import BUILT_IN, LANGUAGES, find_language
from sovits_cli.text.lexicon import GivenWord, Lexicon
from sovits_cli.versions import SymbolTable

MIN_PHONES = 6
"""With fewer, the official program puts a full stop before the text when it speaks."""


@dataclass(frozen=True)
class Piece:
    """A stretch of one language, as read.

    Args:
        lang: code of a row of `LANGUAGES`.
        text: as it stands in the source.
        norm: as it is read.
        phones: symbols of the table asked for.
        word2ph: phones per character of `norm`, where the language has that.
        given: words of it whose phones were given.
    """

    lang: str
    text: str
    norm: str
    phones: tuple[str, ...]
    word2ph: tuple[int, ...] | None
    given: tuple[str, ...] = ()

    @property
    def has_bert(self) -> bool:
        """Whether the models take text features for it; zeros stand for the others."""
        return self.word2ph is not None and find_language(self.lang).has_bert


@dataclass(frozen=True)
class Reading:
    """What a text sounds like, stretch by stretch."""

    pieces: tuple[Piece, ...]

    @property
    def phones(self) -> list[str]:
        """Phones of the whole text."""
        return [phone for piece in self.pieces for phone in piece.phones]

    @property
    def norm(self) -> str:
        """The text as it is read."""
        return "".join(piece.norm for piece in self.pieces)

    @property
    def word2ph(self) -> list[int] | None:
        """Phones per character of `norm`; None unless every stretch has that."""
        if any(piece.word2ph is None for piece in self.pieces):
            return None
        return [count for piece in self.pieces for count in piece.word2ph or ()]


def read_text(
    text: str, lang: str, table: SymbolTable, *, compat: bool = False, words: Lexicon = lexicon.EMPTY_LEXICON
) -> Reading:
    """Read a text.

    Args:
        text: a sentence or so; `split.sentences` makes them. Words in it may carry their phones (`pronunciation`).
        lang: a mode of `segment`: auto, a language, all_zh, auto_yue, …
        table: symbol table of the model that will speak.
        compat: read exactly as the official program does, defects included.
        words: how some words are read.

    Raises:
        TextError: unknown mode, a language the table cannot write or whose packages are missing, nothing to read.
    """
    how = segment.find_mode(lang)
    if compat:
        return _official(words.applied(characters.official_form(text), how), how, table)
    runs = segment.language_runs(words.applied(characters.readable_form(text), how), how)
    pieces = tuple(_pieces(lexicon.annotated_runs(runs), table))
    if not pieces:
        raise UnreadableError(
            f"nothing to read in {excerpt(lexicon.strip_phones(text))}: expected at least one word, letter or number"
            + (f" of {find_language(how.main).name}" if how.main else ""),
            hint="write the words out, or give another language with --lang",
        )
    return Reading(pieces)


def read_for_speech(
    text: str, lang: str, table: SymbolTable, *, compat: bool = False, words: Lexicon = lexicon.EMPTY_LEXICON
) -> Reading:
    """Read a text for a model to speak: a very short one gets a full stop before it (official)."""
    found = read_text(text, lang, table, compat=compat, words=words)
    if len(found.phones) < MIN_PHONES:
        found = read_text(f".{text}", lang, table, compat=compat, words=words)
    return found


def sentence_rules(lang: str) -> SentenceRules:
    """What knows sentences of a mode: the front end of a language with Latin letters, or one for all scripts.

    Raises:
        TextError: unknown mode, or a language whose packages are missing.
    """
    how = segment.find_mode(lang)
    if how.main is not None:
        load_frontend(how.main)
    return load_frontend(how.latin) if how.is_whole else _Mixed(how)


_COMMAS = ",，、;；:："
_STOPS = {"。": ".", "！": "!", "？": "?"}
_SOUND = re.compile(r"[^\W_]|[%&@#+=×÷$€£￥¥]")


class _Mixed:
    """Sentences of texts in several scripts; it reads nothing itself."""

    def __init__(self, how: segment.LanguageMode) -> None:
        self._how = how
        self._codes = tuple(dict.fromkeys([*(row.code for row in BUILT_IN), *how.languages]))

    def readable(self, text: str) -> bool:
        """Whether there is a letter, a character or a number of a script that some front end reads."""
        return any(character.isalnum() and not is_lost(character, self._codes) for character in text)

    def ends_sentence(self, before: str, after: str) -> bool:
        """Whether the mark at the end of `before` closes a sentence: by the language before it, or that of Latin."""
        row = self._before(before)
        if row is not None and row.judges_dots:
            return load_frontend(row.code).ends_sentence(before, after)
        return before[-1:] != "." or load_frontend(self._how.latin).ends_sentence(before, after)

    def _before(self, text: str) -> Language | None:
        """The language of the last letter, where it is no Latin one."""
        last = next((character for character in reversed(text) if character.isalpha()), "")
        script = next((script for script in languages.all_scripts() if script.pattern.fullmatch(last)), LATIN)
        return None if script == LATIN else LANGUAGES[self._how.owner(script)]


def _official(text: str, how: segment.LanguageMode, table: SymbolTable) -> Reading:
    """Every stretch in its front end, whatever comes out; a language the table lacks is a pause (official)."""
    pieces = []
    for stretch in lexicon.annotated_runs(segment.language_runs(text, how, compat=True)):
        row = LANGUAGES.get(stretch.lang)
        if row is None or table not in row.tables:
            pause = _piece(lexicon.AnnotatedRun(languages.default_language(LATIN).code, (" ",)), table, compat=True)
            pieces.append(replace(pause, lang=stretch.lang, text="".join(map(str, stretch.parts))))
        else:
            pieces.append(_piece(stretch, table, compat=True))
    return Reading(tuple(pieces))


def _pieces(stretches: Iterable[lexicon.AnnotatedRun], table: SymbolTable) -> Iterator[Piece]:
    """Every stretch in which there is something to read."""
    for stretch in stretches:
        if _has_sound(stretch):
            with suppress(UnreadableError):
                yield _piece(stretch, table, compat=False)


def _piece(stretch: lexicon.AnnotatedRun, table: SymbolTable, *, compat: bool) -> Piece:
    is_whole = len(stretch.parts) == 1
    said = [
        _given_word(part, stretch.lang, table)
        if isinstance(part, GivenWord)
        else pronounce(part, stretch.lang, table, compat=compat)
        if is_whole
        else _beside_given(part, stretch.lang, table, compat=compat)
        for part in stretch.parts
    ]
    counts = [part.word2ph for part in said]
    return Piece(
        lang=stretch.lang,
        text="".join(part.word if isinstance(part, GivenWord) else part for part in stretch.parts),
        norm=("" if LANGUAGES[stretch.lang].has_bert else " ").join(part.norm for part in said),
        phones=tuple(phone for part in said for phone in part.phones),
        word2ph=None if None in counts else tuple(count for each in counts for count in each or ()),
        given=tuple(part.word for part in stretch.parts if isinstance(part, GivenWord)),
    )


def _given_word(part: GivenWord, lang: str, table: SymbolTable) -> Pronunciation:
    """A word whose phones were given, spread over its characters where features are."""
    known = symbols.known(table)
    phones = [phone if phone in known else symbols.UNKNOWN for phone in part.phones]
    if not LANGUAGES[lang].has_bert:
        return Pronunciation(phones, None, part.word)
    ends = [len(phones) * place // len(part.word) for place in range(len(part.word) + 1)]
    return Pronunciation(phones, [end - start for start, end in pairwise(ends)], part.word)


def _beside_given(text: str, lang: str, table: SymbolTable, *, compat: bool) -> Pronunciation:
    """Text before or after such a word: it may be only a mark, and gets no comma for being short."""
    has_counts = LANGUAGES[lang].has_bert
    leading, said = _marks(LANGUAGES[lang].marks)
    first = leading.match(text)
    rest = text[first.end() :] if first else text
    marks = [said[sign] for sign in (first[0] if first else "") if sign in said]
    if not _SOUND.search(rest):
        marks += [said[sign] for sign in rest if sign in said]
        return Pronunciation(marks, [1] * len(marks) if has_counts else None, "".join(marks))
    speaker = load_frontend(lang)
    norm = speaker.normalise(rest, compat=compat)
    phones, counts = speaker.phones(norm, table, compat=compat)
    if counts is None and phones[:1] == [","]:
        del phones[0]
    known = symbols.known(table)
    phones = [*marks, *(phone if phone in known else symbols.UNKNOWN for phone in phones)]
    return Pronunciation(phones, counts and [1] * len(marks) + counts, "".join(marks) + norm)


@lru_cache(maxsize=32)
def _marks(own: Marks) -> tuple[re.Pattern[str], dict[str, str]]:
    """What matches marks at the beginning of a text, and the symbol of each mark; `own` are those of its language."""
    commas = f"{_COMMAS}{own.clause}{own.comma}"
    symbol_of = {**dict.fromkeys(own.sentence, "."), **dict.fromkeys(commas, ","), **_STOPS}
    symbol_of |= {mark: mark for mark in symbols.PUNCTUATION}
    free = "".join(mark for mark in symbol_of if mark not in ".-")
    return re.compile(rf"[\s{re.escape(free)}]+|[.\s]+(?!\d)"), symbol_of


def _has_sound(stretch: lexicon.AnnotatedRun) -> bool:
    if stretch.lang not in LANGUAGES or any(isinstance(part, GivenWord) for part in stretch.parts):
        return stretch.lang in LANGUAGES
    text = "".join(map(str, stretch.parts))
    return _SOUND.search(text) is not None and load_frontend(stretch.lang).readable(text)


def guessed_words(piece: Piece) -> tuple[str, ...]:
    """Words of a piece that no dictionary or rule of its language knows, each once."""
    row = LANGUAGES.get(piece.lang)
    words = dict.fromkeys(call_hook(row, row.guesses, piece.norm) if row and row.guesses else ())
    return tuple(word for word in words if word not in piece.given)
