"""Chinese text to words with their parts of speech, by jieba."""

from __future__ import annotations

import io
import warnings
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

from sovits_cli import paths
from sovits_cli.errors import SovitsError
from sovits_cli.files import atomic
from sovits_cli.text.resources import once

# jieba's dictionary.

_FIELDS = "\0"


@once
def tokenizer() -> Any:
    """What cuts text into words."""
    made = _jieba().Tokenizer()
    made.FREQ = _counts()
    made.total = sum(made.FREQ.values())
    made.initialized = True
    made.get_dict_file = io.BytesIO  # the tagger, which would read the kinds of all words again, finds nothing
    return made


@once
def tagger() -> Any:
    """What cuts text into words with their kinds."""
    made = _jieba().posseg.POSTokenizer(tokenizer())
    made.word_tag_tab = _kinds()
    return made


def _kinds() -> dict[str, str]:
    """The kinds of all words, shared with jieba's own tagger, which reads them when it is imported."""
    kinds: dict[str, str] = _jieba().posseg.dt.word_tag_tab
    return kinds


@once
def _jieba() -> Any:
    """The package and its tagger."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old escapes in its source
        import jieba
        from jieba import posseg  # noqa: F401 - from here on it is jieba.posseg
    return jieba


@once
def _counts() -> dict[str, int]:
    """How often each word is met (0: only the beginning of one), from our cache or else from the package.

    What was read from the package is cached, where that can be written.
    """
    path = paths.cache_dir() / f"jieba-{_jieba().__version__}.txt"
    with suppress(OSError, ValueError):
        return _cached(path, _kinds())
    found = _read()
    with suppress(OSError, SovitsError), atomic(path) as temporary:
        temporary.write_bytes(_written(found, _kinds()))
    return found


def _read() -> dict[str, int]:
    """The dictionary as the package brings it."""
    counts: dict[str, int] = _jieba().Tokenizer.gen_pfdict(_jieba().dt.get_dict_file())[0]
    return counts


def _cached(path: Path, words: Collection[str]) -> dict[str, int]:
    """Counts of `words`, and of the beginnings of words that the file names; the strings of both are not made twice.

    Raises OSError or ValueError: there is no such file, it is not whole, or not of these words.
    """
    beginnings, counts, end = path.read_bytes().decode("utf-8").split(_FIELDS)
    if end:
        raise ValueError(f"{path} has no end")
    return dict(zip(chain(words, beginnings.split("\n")), map(int, counts.split("\n")), strict=True))


def _written(found: dict[str, int], words: Collection[str]) -> bytes:
    beginnings = [word for word in found if word not in words]
    counts = (str(found[word]) for word in chain(words, beginnings))
    return "".join("\n".join(part) + _FIELDS for part in (beginnings, counts)).encode("utf-8")


@dataclass(frozen=True)
class Word:
    """A word and its part of speech: n noun, v verb, a adjective, r pronoun, … (jieba's tag set)."""

    text: str
    kind: str


def tag_words(text: str) -> list[Word]:
    """Words in order; joined they are the text."""
    return [Word(str(pair.word), str(pair.flag)) for pair in tagger().lcut(text)]


def word_ends(text: str) -> list[int]:
    """Where words end, in order; many times as fast as `words`, which guesses unknown ones together with their kind."""
    return list(accumulate(map(len, tokenizer().cut(text))))


@lru_cache(maxsize=65536)
def split_word(word: str) -> tuple[str, str]:
    """A word in two: its shortest part that is a word itself, and the rest (official, as is the order).

    The rest is counted from the beginning even where the part is not the end of the word.
    """
    part = min(tokenizer().cut_for_search(word), key=len)
    rest = len(word) - len(part)
    return (part, word[len(part) :]) if word.startswith(part) else (word[:rest], part)
