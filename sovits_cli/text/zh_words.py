"""Chinese text to words with their parts of speech, by jieba; its dictionary is loaded on first use.

Its cache lies in our own cache folder, not in the shared temporary one, where others could put theirs.
"""

from __future__ import annotations

import logging
import warnings
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from sovits_cli import paths

_CACHE_FILE = "jieba.cache"


@dataclass(frozen=True)
class Word:
    """A word and its part of speech: n noun, v verb, a adjective, r pronoun, … (jieba's tag set)."""

    text: str
    kind: str


def words(text: str) -> list[Word]:
    """Words in order; joined they are the text."""
    return [Word(str(pair.word), str(pair.flag)) for pair in _tagger().lcut(text)]


@lru_cache(maxsize=65536)
def halves(word: str) -> tuple[str, str]:
    """A word in two: its shortest part that is a word itself, and the rest (official, as is the order).

    The rest is counted from the beginning even where the part is not the end of the word.
    """
    part = min(_tagger().tokenizer.cut_for_search(word), key=len)
    rest = len(word) - len(part)
    return (part, word[len(part) :]) if word.startswith(part) else (word[:rest], part)


@cache
def _tagger() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old escapes in its source
        import jieba
        from jieba import posseg
    jieba.setLogLevel(logging.CRITICAL)
    tokenizer = jieba.Tokenizer()
    tokenizer.tmp_dir = str(paths.cache_dir())
    tokenizer.cache_file = _CACHE_FILE
    with suppress(OSError):  # a read-only home: the dictionary is compiled anew each time
        paths.cache_dir().mkdir(parents=True, exist_ok=True)
    return posseg.POSTokenizer(tokenizer)
