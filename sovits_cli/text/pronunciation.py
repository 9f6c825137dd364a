"""Words that come with their phones, `[Xiomara|Z IY0 OW0 M AA1 R AH0]` and `[重庆|chong2 qing4]`, or a respelling.

A respelling replaces its word. Phones travel in the text, as private characters behind the word they are of, so that
whatever cuts or segments the text keeps both together. Knows no sentences, and not where the words come from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sovits_cli.errors import TextError
from sovits_cli.text import segment, symbols
from sovits_cli.text.frontend import excerpt
from sovits_cli.text.guarded import asked
from sovits_cli.text.languages import LANGUAGES, language
from sovits_cli.versions import SymbolTable

_ALL = SymbolTable.V2
"""The larger table, of which the other is the beginning."""

_FIRST = 0xF0000
_OPEN = "\U000f0ffe"
_PRIVATE = re.compile("[\U000f0000-\U000f0fff]")
_CARRIED = re.compile(f"{_OPEN}([^\U000f0000-\U000f0fff]*)([\U000f0000-\U000f0eff]+)")
_INLINE = re.compile(r"\[([^\[\]|\n]{1,100})\|([^\[\]|\n]{1,500})\]")
_TONED = re.compile(r"[a-zü]+\d")


@dataclass(frozen=True)
class Given:
    """A word and the phones that were given for it."""

    word: str
    phones: tuple[str, ...]


@dataclass(frozen=True)
class Stretch:
    """A run of one language: text to be read, and words whose phones were given, in order."""

    lang: str
    parts: tuple[str | Given, ...]


def with_inline(text: str, lang: str) -> str:
    """Text in which each `[word|…]` carries its phones, or is respelled.

    Args:
        text: as it was typed.
        lang: the mode it is read in; phones are those of the word's language, else of any that has them all.

    Raises:
        TextError: something that looks like phones is none.
    """
    how = segment.mode(lang)
    return _INLINE.sub(lambda found: said(found[1], found[2], _languages_of(found[1], how)), _PRIVATE.sub("", text))


def plain(text: str) -> str:
    """Text as it was typed, without words whose phones it gives; a respelling in another script stays."""
    return _INLINE.sub(lambda found: " " if found[2].isascii() else found[2], text)


def said(word: str, value: str, languages: Sequence[str]) -> str:
    """What stands for a word in a text: the word with the phones of `value`, or `value` as a respelling.

    Args:
        word: as it is written.
        value: phones, syllables of pinyin or jyutping, or words.
        languages: whose phones they may be; the first fits best.

    Raises:
        TextError: `value` is syllables or mostly phones of the first language, but not all of them exist.
    """
    tokens = value.split()
    for lang in languages:
        phones = [_phones(token, lang) for token in tokens]
        if phones and all(phones):
            return _carried(word, [phone for each in phones for phone in each])
    first = language(languages[0])
    unknown = [token for token in tokens if not _phones(token, first.code)]
    if first.syllables and tokens and all(map(_TONED.fullmatch, tokens)):
        raise TextError(
            f"{unknown[0]!r} is no syllable of {first.syllables.name}, in {excerpt(value)} for {excerpt(word)}",
            hint=f"a syllable and its tone, as in {first.syllables.example}; or respell the word in other characters",
        )
    if tokens and 2 * len(unknown) < len(tokens):
        raise TextError(
            f"{unknown[0]!r} is no phone of {first.name}, in {excerpt(value)} for {excerpt(word)}",
            hint=f"phones of {first.name} are {' '.join(sorted(first.phones)[:12])} …; "
            "or respell the word in ordinary letters",
        )
    return value


def shown(text: str) -> str:
    """Text as people read it: without the phones that it carries."""
    return _PRIVATE.sub("", text)


def carries(text: str) -> bool:
    """Whether some word of the text carries its phones."""
    return _CARRIED.search(text) is not None


def outside(text: str) -> Iterator[tuple[str, bool]]:
    """Parts of a text in order, and whether each is outside of words that carry their phones."""
    end = 0
    for found in _CARRIED.finditer(text):
        yield text[end : found.start()], True
        yield found[0], False
        end = found.end()
    yield text[end:], True


def stretches(runs: Sequence[segment.Run]) -> list[Stretch]:
    """Runs of a text, with the words taken out that carry their phones; a word is in the run in which it ends."""
    words = list(_CARRIED.finditer("".join(run.text for run in runs)))
    found = []
    start = 0
    for run in runs:
        end = start + len(run.text)
        parts = tuple(_parts(run.text, start, words))
        if parts or not run.text:
            found.append(Stretch(run.lang, parts))
        start = end
    return found


def _parts(text: str, start: int, words: Sequence[re.Match[str]]) -> Iterator[str | Given]:
    """Parts of one run, which begins at `start` of all the text."""
    place, end = start, start + len(text)
    for word in words:
        if word.end() <= start or word.start() >= end:
            continue
        if plain := _PRIVATE.sub("", text[place - start : max(place, word.start()) - start]):
            yield plain
        place = min(word.end(), end)
        if word.end() <= end:
            table = symbols.table(_ALL)
            yield Given(word[1], tuple(table[ord(sign) - _FIRST] for sign in word[2]))
    if plain := _PRIVATE.sub("", text[place - start :]):
        yield plain


def _carried(word: str, phones: Sequence[str]) -> str:
    """A word with its phones behind it. A space in it would let it be cut."""
    return _OPEN + "".join(word.split()) + "".join(chr(_FIRST + number) for number in symbols.ids(phones, _ALL))


def _phones(token: str, lang: str) -> tuple[str, ...]:
    """One phone, or those of a syllable; none if it is neither."""
    row = language(lang)
    if token in row.phones or token in symbols.PUNCTUATION:
        return (token,)
    return (asked(row, row.syllables.place, token) if row.syllables else None) or ()


def _languages_of(word: str, how: segment.Mode) -> list[str]:
    """The languages whose phones a word may be given in; first that of its script."""
    own = [run.lang for run in reversed(segment.runs(word, how)) if run.lang in LANGUAGES]
    return list(dict.fromkeys([*own, *([how.main] if how.main else LANGUAGES)]))
