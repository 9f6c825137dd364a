"""English words and marks to phones: which word gets which reading in its sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sovits_cli.text import en_homographs, en_lexicon
from sovits_cli.text.wordlists import words

_WORD = re.compile(r"[A-Za-z]+(?:['\-][A-Za-z]+)*")
_TOKEN = re.compile(r"[A-Za-z]+(?:['\-][A-Za-z]+)*|[.,!?]")
_ARTICLE = ("AH0",)
_LETTER_A = ("EY1",)
_AFTER_LETTER_A = words("is was and or to has are for in")
_MIN_PHONES = 4


def phones(norm: str) -> list[str]:
    """Phones of a text from `en_normal.normalise`; a comma in front of very short ones, as the models were trained."""
    tokens = _TOKEN.findall(norm)
    found = [phone for place in range(len(tokens)) for phone in _token(tokens, place)]
    return [","] * (len(found) < _MIN_PHONES) + found


def guesses(norm: str) -> list[str]:
    """Words of a normalised text that neither dictionary nor rule knows."""
    return [word for word in _WORD.findall(norm) if en_lexicon.is_guess(word.lower())]


def _token(tokens: Sequence[str], place: int) -> Sequence[str]:
    token = tokens[place]
    if not token[0].isalpha():
        return (token,)
    if token == "A":
        return _ARTICLE if _is_article(tokens, place) else _LETTER_A
    if token == "a":
        return _ARTICLE
    return en_homographs.choose(tokens, place) or en_lexicon.phones(token.lower())


def _is_article(tokens: Sequence[str], place: int) -> bool:
    """A capital A is the article before a word, at the start of a sentence or among words with capitals."""
    after = tokens[place + 1] if place + 1 < len(tokens) else ""
    before = tokens[place - 1] if place else "."
    if len(after) < 2 or after in _AFTER_LETTER_A:
        return False
    return not before[0].isalpha() or (len(before) > 1 and before[0].isupper() and after[0].isupper())
