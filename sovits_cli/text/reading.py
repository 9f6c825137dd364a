"""A text of any languages to phones: segmented, each stretch read by its front end, what nobody reads named.

The way in for preparation and inference. Knows the modes of `segment` and the front ends of `frontend`, no models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from sovits_cli.text import characters, languages, lexicon, segment, symbols
from sovits_cli.text.frontend import Pronunciation, UnreadableError, call_hook, excerpt, load_frontend, pronounce
from sovits_cli.text.language import LATIN, Language, Marks
from sovits_cli.text.languages import LANGUAGES, find_language
from sovits_cli.text.lexicon import GivenWord, Lexicon, Parts
from sovits_cli.text.segment import LanguageRun
from sovits_cli.versions import SymbolTable

MIN_PHONES = 6
"""With fewer, the official program puts a full stop before the text when it speaks."""


@dataclass(frozen=True)
class ReadingOptions:
    """How texts are read.

    Args:
        table: symbol table of the model that will speak.
        compat: read exactly as the official program does, defects included.
        lexicon: how some words are read.
    """

    table: SymbolTable
    compat: bool = False
    lexicon: Lexicon = lexicon.EMPTY_LEXICON


@dataclass(frozen=True)
class WordSpan:
    """A word as it is read, and its phones: from `start` to before `end`."""

    text: str
    start: int
    end: int


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
        parts: what it was read in, each as it is read and how many of the phones it has: a word whose phones were given
            by itself, what is beside it.
    """

    lang: str
    text: str
    norm: str
    phones: tuple[str, ...]
    word2ph: tuple[int, ...] | None
    given: tuple[str, ...] = ()
    parts: tuple[tuple[str, int], ...] = ()

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
        text: a sentence or so; `split.split_sentences` makes them. Words in it may carry their phones (`lexicon`).
        lang: a mode of `segment`: auto, a language, all_zh, auto_yue, …
        table: symbol table of the model that will speak.
        compat: read exactly as the official program does, defects included.
        words: how some words are read.

    Raises:
        TextError: unknown mode, a language the table cannot write or whose packages are missing, nothing to read.
    """
    return Reading(_read(text, lang, ReadingOptions(table, compat, words)))


def read_for_speech(text: str, lang: str, options: ReadingOptions) -> tuple[Piece, ...]:
    """Read a text for a model to speak: a very short one gets a full stop before it.

    Official: `TTS_infer_pack/TextPreprocessor.py`, `get_phones_and_bert`. Raises TextError, as `read_text` does.
    """
    pieces = _read(text, lang, options)
    if sum(len(piece.phones) for piece in pieces) < MIN_PHONES:
        return _read(f".{text}", lang, options)
    return pieces


def _read(text: str, lang: str, options: ReadingOptions) -> tuple[Piece, ...]:
    mode = segment.find_mode(lang)
    if options.compat:
        text = options.lexicon.text(characters.official_form(text), mode)
        return tuple(_official_pieces(segment.language_runs(text, mode, compat=True), options.table))
    runs = options.lexicon.runs(characters.readable_form(text), mode)
    pieces = tuple(_pieces(runs, options.table))
    if not pieces:
        raise UnreadableError(
            f"nothing to read in {excerpt(lexicon.strip_phones(text))}: expected at least one word, letter or number"
            + (f" of {find_language(mode.main).name}" if mode.main else ""),
            code="text.nothing_to_read",
        )
    return pieces


_COMMAS = ",，、;；:："
_STOPS = {"。": ".", "！": "!", "？": "?"}
_SOUND = re.compile(r"[^\W_]|[%&@#+=×÷$€£￥¥]")


def _official_pieces(runs: Sequence[LanguageRun], table: SymbolTable) -> Iterator[Piece]:
    """Every run in its front end, whatever comes out; a language the table lacks is a pause (official)."""
    for lang, parts in lexicon.run_parts(runs):
        row = LANGUAGES.get(lang)
        if row is None or table not in row.tables:
            pause = _piece(languages.default_language(LATIN).code, (" ",), table, compat=True)
            yield replace(pause, lang=lang, text="".join(map(str, parts)))
        else:
            yield _piece(lang, parts, table, compat=True)


def _pieces(runs: Sequence[LanguageRun], table: SymbolTable) -> Iterator[Piece]:
    """Every run in which there is something to read."""
    for lang, parts in lexicon.run_parts(runs):
        if _has_sound(lang, parts):
            with suppress(UnreadableError):
                yield _piece(lang, parts, table, compat=False)


def _piece(lang: str, parts: Parts, table: SymbolTable, *, compat: bool) -> Piece:
    is_whole = len(parts) == 1
    read = [
        _given_word(part, lang, table)
        if isinstance(part, GivenWord)
        else pronounce(part, lang, table, compat=compat)
        if is_whole
        else _beside_given(part, lang, table, compat=compat)
        for part in parts
    ]
    counts = [part.word2ph for part in read]
    return Piece(
        lang=lang,
        text="".join(part.word if isinstance(part, GivenWord) else part for part in parts),
        norm=("" if LANGUAGES[lang].has_bert else " ").join(part.norm for part in read),
        phones=tuple(phone for part in read for phone in part.phones),
        word2ph=None if None in counts else tuple(count for each in counts for count in each or ()),
        given=tuple(part.word for part in parts if isinstance(part, GivenWord)),
        parts=tuple((part.norm, len(part.phones)) for part in read),
    )


def _given_word(part: GivenWord, lang: str, table: SymbolTable) -> Pronunciation:
    """A word whose phones were given, spread over its characters where features are."""
    known = symbols.known(table)
    phones = [phone if phone in known else symbols.UNKNOWN for phone in part.phones]
    if not LANGUAGES[lang].has_bert:
        return Pronunciation(phones, None, part.word)
    ends = [len(phones) * number // len(part.word) for number in range(len(part.word) + 1)]
    return Pronunciation(phones, [end - start for start, end in pairwise(ends)], part.word)


def _beside_given(text: str, lang: str, table: SymbolTable, *, compat: bool) -> Pronunciation:
    """Text before or after such a word: it may be only a mark, and gets no comma for being short."""
    has_counts = LANGUAGES[lang].has_bert
    leading, symbol_of = _marks(LANGUAGES[lang].marks)
    first = leading.match(text)
    rest = text[first.end() :] if first else text
    marks = [symbol_of[sign] for sign in (first[0] if first else "") if sign in symbol_of]
    if not _SOUND.search(rest):
        marks += [symbol_of[sign] for sign in rest if sign in symbol_of]
        return Pronunciation(marks, [1] * len(marks) if has_counts else None, "".join(marks))
    front_end = load_frontend(lang)
    norm = front_end.normalise(rest, compat=compat)
    phones, counts = front_end.phones(norm, table, compat=compat)
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


def _has_sound(lang: str, parts: Parts) -> bool:
    if lang not in LANGUAGES or any(isinstance(part, GivenWord) for part in parts):
        return lang in LANGUAGES
    text = "".join(map(str, parts))
    return _SOUND.search(text) is not None and load_frontend(lang).readable(text)


def guessed_words(piece: Piece) -> tuple[str, ...]:
    """Words of a piece that no dictionary or rule of its language knows, each once."""
    row = LANGUAGES.get(piece.lang)
    words = dict.fromkeys(call_hook(row, row.guesses, piece.norm) if row and row.guesses else ())
    return tuple(word for word in words if word not in piece.given)


def words_of(piece: Piece) -> list[WordSpan]:
    """The words of a piece and the phones that each has, in order; marks, spaces and borders belong to none.

    Its language tells (`Language.word_phones`); else the characters that have phones of their own, joined to words;
    else each of its `parts` is one word.
    """
    row = LANGUAGES[piece.lang]
    found: list[WordSpan] = []
    start = character = 0
    for norm, phones in piece.parts or ((piece.norm, len(piece.phones)),):
        counted: list[tuple[str, int]] = [(norm, phones)]
        if norm in piece.given:
            character += len(norm)
        elif piece.word2ph is not None:
            counted = _words_by_characters(row, norm, piece.word2ph[character : character + len(norm)])
            character += len(norm)
        elif row.word_phones:
            counted = call_hook(row, row.word_phones, norm)
            if counted[:1] == [(",", 1)] and sum(count for _, count in counted) == phones + 1:
                counted = counted[1:]  # the comma before a short text, which stands only before a whole piece
            if sum(count for _, count in counted) != phones:
                counted = [(norm, phones)]
        for word, count in counted:
            if count and any(map(str.isalnum, word)):
                found.append(WordSpan(word, start, start + count))
            start += count
    return found


def _words_by_characters(row: Language, norm: str, counts: Sequence[int]) -> list[tuple[str, int]]:
    ends: Sequence[int] | None = call_hook(row, row.word_ends, norm) if row.word_ends else None
    words = pairwise([0, *(range(1, len(norm) + 1) if ends is None else ends)])
    return [(norm[start:end], sum(counts[start:end])) for start, end in words]
