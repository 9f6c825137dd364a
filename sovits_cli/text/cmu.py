"""The CMU pronouncing dictionary, compiled: one reading a word, stress marked.

Made by `tests/tools/compile_cmudict.py`; licence in `LICENSES/CMUdict-BSD-2-Clause.txt`. Loaded on first use, in about
0.1 s. Knows nothing of sentences, spelling rules or guesses.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

from sovits_cli.text.once import once
from sovits_cli.text.wordlists import TABLES

VOWELS = ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
CONSONANTS = (
    *("B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N"),
    *("NG", "P", "R", "S", "SH", "T", "TH", "V", "W", "Y", "Z", "ZH"),
)
PHONES = tuple(sorted((*CONSONANTS, *(vowel + stress for vowel in VOWELS for stress in "012"))))
"""The 69 phones of the dictionary; a code letter is `chr(_FIRST + position)`."""

_FIRST = ord("0")
_FILE = "cmudict.z"

CORRECTIONS = {
    "zero": "Z IY1 R OW0",  # the release that the official program reads
    "vs": "V ER1 S AH0 Z",
    "hmm": "HH AH0 M",
    "chatgpt": "CH AE1 T JH IY1 P IY1 T IY1",
    "json": "JH EY1 S AH0 N",
    "vocoder": "V OW1 K OW0 D ER0",
    "supercalifragilisticexpialidocious": (
        "S UW2 P ER0 K AE2 L AH0 F R AE1 JH AH0 L IH2 S T IH0 K EH2 K S P IY0 AE2 L AH0 D OW1 SH AH0 S"
    ),
    "conda": "K AA1 N D AH0",
}
"""Where the official dictionary is known to differ from the release compiled here."""

LEFT_OUT = frozenset({"ae", "ai", "ar", "hud", "ios", "os"})
"""Words that the official program takes out of the dictionary, so that they are spelled."""


@once
def dictionary() -> Mapping[str, str]:
    """Word in lower case -> its phones as code letters. Use `phones_of` to read them."""
    words = zlib.decompress((TABLES / _FILE).read_bytes()).decode("ascii").split("\n")
    entries = dict(zip(words[0::2], words[1::2], strict=True))
    entries.update((word, encode(phones.split())) for word, phones in CORRECTIONS.items())
    return entries


def look_up(word: str) -> list[str] | None:
    """Phones of a word in lower case; None when the dictionary lacks it."""
    code = dictionary().get(word)
    return None if code is None else decode(code)


def encode(phones: Iterable[str]) -> str:
    """Phones as one letter each. Raises KeyError for a phone that is not in `PHONES`."""
    return "".join(_letters()[phone] for phone in phones)


def decode(code: str) -> list[str]:
    """Letters back to phones."""
    return [PHONES[ord(letter) - _FIRST] for letter in code]


@once
def _letters() -> dict[str, str]:
    return {phone: chr(_FIRST + position) for position, phone in enumerate(PHONES)}
