"""Words that are two or three words run together: where to cut. Uses the dictionary and a list of everyday words."""

from __future__ import annotations

import re
from functools import lru_cache

from sovits_cli.text import cmu
from sovits_cli.text.once import once
from sovits_cli.text.wordlists import lines, words

_LONGEST_PIECE = 24
_MIN_PIECE = 4

_WEB_WORDS = frozenset({"http", "https", "www"})

_EVERYDAY_COST, _KNOWN_COST, _SHORT_KNOWN_COST = 5.0, 11.5, 12.5
_LETTER_COST, _PAIR_COST = 9.5, 13.5
_UNKNOWN_COST, _UNKNOWN_COST_PER_LETTER = 10.0, 2.4


@once
def everyday() -> frozenset[str]:
    """Everyday words in lower case."""
    return words(" ".join(lines("en_common.txt")))


@lru_cache(maxsize=4096)
def pieces(word: str) -> tuple[str, ...]:
    """Two everyday words of four letters or more that make up `word`, the most even cut; else `word` alone.

    Looser rules were measured to be worse than a guess at the whole word.
    """
    cuts = [
        (word[:cut], word[cut:])
        for cut in range(_MIN_PIECE, len(word) - _MIN_PIECE + 1)
        if word[:cut] in everyday() and word[cut:] in everyday()
    ]
    return max(cuts, key=lambda cut: min(map(len, cut)), default=(word,))


@lru_cache(maxsize=4096)
def web_pieces(word: str) -> tuple[str, ...]:
    """Pieces as the official program cuts them, as near as can be without its counts of words on the web.

    Letters may stand alone. Hyphens, dots and apostrophes are cut out; where they stood, a cut is free.
    """
    parts = [part for part in re.split(r"[^a-z]+", word) if part]
    return tuple(piece for part in parts for piece in _cheapest(part))


def _cheapest(word: str) -> list[str]:
    """The cheapest way to cut a word; linear in its length, since pieces are of bounded length."""
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(word) + 1):
        starts = range(max(0, end - _LONGEST_PIECE), end)
        best.append(min((best[start][0] + _cost(word[start:end]), start) for start in starts))
    found: list[str] = []
    end = len(word)
    while end:
        start = best[end][1]
        found.append(word[start:end])
        end = start
    return found[::-1]


def _cost(piece: str) -> float:
    if len(piece) == 1:
        return _LETTER_COST
    if piece in _WEB_WORDS or piece in everyday():
        return _EVERYDAY_COST
    if len(piece) == 2:
        return _PAIR_COST
    if piece in cmu.dictionary():
        return _KNOWN_COST if len(piece) > 3 else _SHORT_KNOWN_COST
    return _UNKNOWN_COST + _UNKNOWN_COST_PER_LETTER * len(piece)
