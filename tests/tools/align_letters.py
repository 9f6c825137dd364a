"""Which letter of a word makes which of its phones: expectation maximisation over the CMU dictionary.

Each letter makes none, one or two phones, in order. Used by `train_letters.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from sovits_cli.text import en_lexicon

SILENT = 0
_PHONES = len(en_lexicon.PHONES)
_LABELS = 1 + _PHONES + _PHONES**2
_ROUNDS = 8
_LONGEST_WORD = 24


@dataclass(frozen=True)
class Aligned:
    """All words one after the other: `letters` 0..25 and `labels`, word k at `starts[k] : starts[k + 1]`."""

    words: list[str]
    starts: NDArray[np.int64]
    letters: NDArray[np.int64]
    labels: NDArray[np.int64]


def phones_of(label: int) -> list[str]:
    """The phones that a label stands for."""
    if label == SILENT:
        return []
    if label <= _PHONES:
        return [en_lexicon.PHONES[label - 1]]
    first, second = divmod(label - 1 - _PHONES, _PHONES)
    return [en_lexicon.PHONES[first], en_lexicon.PHONES[second]]


def align(entries: dict[str, list[str]]) -> Aligned:
    """The likeliest alignment of every word that is written with letters only and has one."""
    words = [
        word
        for word, phones in entries.items()
        if word.isascii() and word.isalpha() and len(word) <= _LONGEST_WORD and len(phones) <= 2 * len(word)
    ]
    index = {phone: position for position, phone in enumerate(en_lexicon.PHONES)}
    letters = np.array([ord(letter) - 97 for word in words for letter in word])
    phones = np.array([index[phone] for word in words for phone in entries[word]])
    starts = np.cumsum([0, *map(len, words)])
    phone_starts = np.cumsum([0, *(len(entries[word]) for word in words)])
    chance = np.ones((26, _LABELS))
    chance[:, SILENT] = 5
    chance[:, 1 + _PHONES :] = 0.01
    for _ in range(_ROUNDS):
        chance /= chance.sum(1, keepdims=True)
        counts = np.full_like(chance, 1e-9)
        _expect(letters, starts, phones, phone_starts, chance, counts)
        chance = counts
    chance[chance < 1e-4] = 0
    labels = _best(letters, starts, phones, phone_starts, chance / chance.sum(1, keepdims=True))
    kept = labels[starts[:-1]] >= 0
    mask = np.repeat(kept, np.diff(starts))
    chosen = [word for word, keep in zip(words, kept, strict=True) if keep]
    return Aligned(chosen, np.cumsum([0, *map(len, chosen)]), letters[mask], labels[mask])


@numba.njit
def _label(phones, position, taken):
    if taken == 0:
        return 0
    if taken == 1:
        return 1 + phones[position - 1]
    return 1 + 69 + phones[position - 2] * 69 + phones[position - 1]


@numba.njit
def _ahead(w, p, chance):
    """Chance that the first i letters make the first j phones, for all i and j."""
    found = np.zeros((len(w) + 1, len(p) + 1))
    found[0, 0] = 1.0
    for i in range(1, len(w) + 1):
        for j in range(len(p) + 1):
            for taken in range(min(j, 2) + 1):
                found[i, j] += found[i - 1, j - taken] * chance[w[i - 1], _label(p, j, taken)]
    return found


@numba.njit
def _behind(w, p, chance):
    """Chance that the letters from i on make the phones from j on, for all i and j."""
    found = np.zeros((len(w) + 1, len(p) + 1))
    found[len(w), len(p)] = 1.0
    for i in range(len(w) - 1, -1, -1):
        for j in range(len(p) + 1):
            for taken in range(min(len(p) - j, 2) + 1):
                found[i, j] += found[i + 1, j + taken] * chance[w[i], _label(p, j + taken, taken)]
    return found


@numba.njit
def _expect(letters, starts, phones, phone_starts, chance, counts):
    """Add to `counts` how often each letter is expected to have each label."""
    for word in range(len(starts) - 1):
        w = letters[starts[word] : starts[word + 1]]
        p = phones[phone_starts[word] : phone_starts[word + 1]]
        ahead, behind = _ahead(w, p, chance), _behind(w, p, chance)
        if ahead[len(w), len(p)] <= 0:
            continue
        for i in range(len(w)):
            for j in range(len(p) + 1):
                for taken in range(min(len(p) - j, 2) + 1):
                    label = _label(p, j + taken, taken)
                    share = ahead[i, j] * chance[w[i], label] * behind[i + 1, j + taken] / ahead[len(w), len(p)]
                    counts[w[i], label] += share


@numba.njit
def _best(letters, starts, phones, phone_starts, chance):
    labels = np.full(len(letters), -1)
    for word in range(len(starts) - 1):
        w = letters[starts[word] : starts[word + 1]]
        p = phones[phone_starts[word] : phone_starts[word + 1]]
        n, m = len(w), len(p)
        score = np.zeros((n + 1, m + 1))
        came = np.zeros((n + 1, m + 1), np.int64)
        score[0, 0] = 1.0
        for i in range(1, n + 1):
            for j in range(m + 1):
                for taken in range(min(j, 2) + 1):
                    here = score[i - 1, j - taken] * chance[w[i - 1], _label(p, j, taken)]
                    if here > score[i, j]:
                        score[i, j] = here
                        came[i, j] = taken
        if score[n, m] <= 0:
            continue
        j = m
        for i in range(n, 0, -1):
            labels[starts[word] + i - 1] = _label(p, j, came[i, j])
            j -= came[i, j]
    return labels
