"""English: the front end, ours or the official program's, and which word gets which reading in its sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sovits_cli.text import en_abbreviations, en_homographs, en_lexicon, en_normal, en_official
from sovits_cli.text.resources import word_set
from sovits_cli.versions import SymbolTable

_WORD = re.compile(r"[A-Za-z]+(?:['\-][A-Za-z]+)*")
_TOKEN = re.compile(r"[A-Za-z]+(?:['\-][A-Za-z]+)*|[.,!?]")
_PLAIN = re.compile("[A-Za-z0-9]")
_MARKUP = re.compile(r"[<\[≮﹇﹤＜［]")
"""What may begin a tag or a footnote, the only places where letters and digits are not read."""

_ARTICLE = ("AH0",)
_LETTER_A = ("EY1",)
_AFTER_LETTER_A = word_set("is was and or to has are for in")
_MIN_PHONES = 4


def english_phones(norm: str) -> list[str]:
    """Phones of a text from `en_normal.normalise`; a comma in front of very short ones, as the models were trained."""
    return [phone for _, phones in _readings(norm) for phone in phones]


def word_phones(norm: str) -> list[tuple[str, int]]:
    """Words and marks of a normalised text, and how many of its phones each has."""
    return [(word, len(phones)) for word, phones in _readings(norm)]


def _readings(norm: str) -> list[tuple[str, Sequence[str]]]:
    tokens = _TOKEN.findall(norm)
    found = [(token, _token(tokens, position)) for position, token in enumerate(tokens)]
    is_short = sum(len(phones) for _, phones in found) < _MIN_PHONES
    return [(",", (",",)), *found] if is_short else found


def unknown_words(norm: str) -> list[str]:
    """Words of a normalised text that neither dictionary nor rule knows."""
    return [word for word in _WORD.findall(norm) if en_lexicon.is_guessed_word(word.lower())]


def _token(tokens: Sequence[str], position: int) -> Sequence[str]:
    token = tokens[position]
    if not token[0].isalpha():
        return (token,)
    if token == "A":
        return _ARTICLE if _is_article(tokens, position) else _LETTER_A
    if token == "a":
        return _ARTICLE
    return en_homographs.choose_reading(tokens, position) or en_lexicon.word_phones(token.lower())


def _is_article(tokens: Sequence[str], position: int) -> bool:
    """A capital A is the article before a word, at the start of a sentence or among words with capitals."""
    after = tokens[position + 1] if position + 1 < len(tokens) else ""
    before = tokens[position - 1] if position else "."
    if len(after) < 2 or after in _AFTER_LETTER_A:
        return False
    return not before[0].isalpha() or (len(before) > 1 and before[0].isupper() and after[0].isupper())


class English:
    """The English front end. Its models take no text features, so characters are not related to phones."""

    def readable(self, text: str) -> bool:
        """Whether there is a letter or a digit that English can read."""
        if _PLAIN.search(text) and not _MARKUP.search(text):
            return True
        return any(character.isalnum() for character in en_normal.clean(text))

    def ends_sentence(self, before: str, after: str) -> bool:
        """Whether the mark at the end of `before` closes a sentence: not before a small letter, nor in "Dr."."""
        if after[:1].islower():
            return False
        return before[-1:] != "." or en_abbreviations.dot_ends_sentence(before, after)

    def normalise(self, text: str, *, compat: bool) -> str:
        """Write out numbers, signs and abbreviations; drop what cannot be read."""
        return en_official.official_english(text) if compat else en_normal.normalise_english(text)

    def phones(
        self,
        norm: str,
        table: SymbolTable,  # noqa: ARG002 - English is the same in all of them
        *,
        compat: bool,
    ) -> tuple[list[str], list[int] | None]:
        """Phones of a normalised text."""
        return en_official.official_phones(norm) if compat else english_phones(norm), None
