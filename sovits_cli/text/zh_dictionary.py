"""jieba with its dictionary read once: kept in our cache folder in a form that loads in a third of the time.

The cache lies in our own folder, not in the shared temporary one, where others could put theirs. Words are cut and
tagged exactly as jieba does by itself.
"""

from __future__ import annotations

import io
import logging
import warnings
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sovits_cli import paths
from sovits_cli.errors import SovitsError
from sovits_cli.files import atomic

_FIELDS = "\0"


@dataclass(frozen=True)
class _Dictionary:
    """Words: how often each is met (0: only the beginning of one), and the kinds of those that are met."""

    counts: dict[str, int]
    kinds: dict[str, str]


@cache
def tokenizer() -> Any:
    """What cuts text into words."""
    jieba = _jieba()
    made = jieba.Tokenizer()
    made.FREQ = _dictionary().counts
    made.total = sum(made.FREQ.values())
    made.initialized = True
    made.get_dict_file = io.BytesIO  # the tagger would read it again
    return made


@cache
def tagger() -> Any:
    """What cuts text into words with their kinds."""
    jieba = _jieba()
    jieba.dt.get_dict_file = io.BytesIO  # posseg reads the dictionary for a tagger of its own when it is imported
    from jieba import posseg

    del jieba.dt.get_dict_file
    made = posseg.POSTokenizer(tokenizer())
    made.word_tag_tab = posseg.dt.word_tag_tab = _dictionary().kinds
    return made


@cache
def _jieba() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old escapes in its source
        import jieba
    jieba.setLogLevel(logging.CRITICAL)
    return jieba


@cache
def _dictionary() -> _Dictionary:
    """The dictionary from our cache, or else from the package; then it is cached, where that can be written."""
    place = paths.cache_dir() / f"jieba-{_jieba().__version__}.txt"
    with suppress(OSError, ValueError):
        return _cached(place)
    found = _read()
    with suppress(OSError, SovitsError), atomic(place) as temporary:
        temporary.write_bytes(_written(found))
    return found


def _read() -> _Dictionary:
    """The dictionary as the package brings it: a word, its count and its kind a line."""
    counts, _ = _jieba().Tokenizer.gen_pfdict(_jieba().dt.get_dict_file())
    with _jieba().dt.get_dict_file() as file:
        lines = (line.decode("utf-8").split() for line in file)
        return _Dictionary(counts, {line[0]: line[2] for line in lines if line})


def _cached(place: Path) -> _Dictionary:
    """Raises OSError or ValueError: there is no such file, or it is not whole."""
    *fields, end = place.read_bytes().decode("utf-8").split(_FIELDS)
    words, counts, kinds = (field.split("\n") for field in fields)
    if end:
        raise ValueError(f"{place} has no end")
    return _Dictionary(
        dict(zip(words, map(int, counts), strict=True)), dict(zip(words[: len(kinds)], kinds, strict=True))
    )


def _written(found: _Dictionary) -> bytes:
    words = [*found.kinds, *(word for word in found.counts if word not in found.kinds)]
    counts = (str(found.counts[word]) for word in words)
    return "".join("\n".join(part) + _FIELDS for part in (words, counts, found.kinds.values())).encode("utf-8")
