"""One English word to phones: dictionary, our additions, endings, prefixes, compounds, and at last a guess."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from sovits_cli.text.resources import TABLES, once, table_lines, word_set

# The CMU pronouncing dictionary, compiled: one reading a word, stress marked. Made by `tests/tools/compile_cmudict.py`,
# licence in `LICENSES/CMUdict-BSD-2-Clause.txt`; loaded on first use, in about 0.1 s.

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
def cmu_dictionary() -> Mapping[str, str]:
    """Word in lower case -> its phones as code letters. Use `phones_of` to read them."""
    words = zlib.decompress((TABLES / _FILE).read_bytes()).decode("ascii").split("\n")
    entries = dict(zip(words[0::2], words[1::2], strict=True))
    entries.update((word, encode_phones(phones.split())) for word, phones in CORRECTIONS.items())
    return entries


def look_up_cmu(word: str) -> list[str] | None:
    """Phones of a word in lower case; None when the dictionary lacks it."""
    code = cmu_dictionary().get(word)
    return None if code is None else decode_phones(code)


def encode_phones(phones: Iterable[str]) -> str:
    """Phones as one letter each. Raises KeyError for a phone that is not in `PHONES`."""
    return "".join(_letters()[phone] for phone in phones)


def decode_phones(code: str) -> list[str]:
    """Letters back to phones."""
    return [PHONES[ord(letter) - _FIRST] for letter in code]


@once
def _letters() -> dict[str, str]:
    return {phone: chr(_FIRST + position) for position, phone in enumerate(PHONES)}


# Words that are two or three words run together: where to cut.

_LONGEST_PIECE = 24
_MIN_PIECE = 4

_WEB_WORDS = frozenset({"http", "https", "www"})

_EVERYDAY_COST, _KNOWN_COST, _SHORT_KNOWN_COST = 5.0, 11.5, 12.5
_LETTER_COST, _PAIR_COST = 9.5, 13.5
_UNKNOWN_COST, _UNKNOWN_COST_PER_LETTER = 10.0, 2.4


@once
def everyday_words() -> frozenset[str]:
    """Everyday words in lower case."""
    return word_set(" ".join(table_lines("en_common.txt")))


@lru_cache(maxsize=4096)
def split_compound(word: str) -> tuple[str, ...]:
    """Two everyday words of four letters or more that make up `word`, the most even cut; else `word` alone.

    Looser rules were measured to be worse than a guess at the whole word.
    """
    cuts = [
        (word[:cut], word[cut:])
        for cut in range(_MIN_PIECE, len(word) - _MIN_PIECE + 1)
        if word[:cut] in everyday_words() and word[cut:] in everyday_words()
    ]
    return max(cuts, key=lambda cut: min(map(len, cut)), default=(word,))


@lru_cache(maxsize=4096)
def split_web_word(word: str) -> tuple[str, ...]:
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
    if piece in _WEB_WORDS or piece in everyday_words():
        return _EVERYDAY_COST
    if len(piece) == 2:
        return _PAIR_COST
    if piece in cmu_dictionary():
        return _KNOWN_COST if len(piece) > 3 else _SHORT_KNOWN_COST
    return _UNKNOWN_COST + _UNKNOWN_COST_PER_LETTER * len(piece)


# Names of the letters, and the sounds that an ending adds to a word.

LETTER_NAMES = {
    "a": "EY1",
    "b": "B IY1",
    "c": "S IY1",
    "d": "D IY1",
    "e": "IY1",
    "f": "EH1 F",
    "g": "JH IY1",
    "h": "EY1 CH",
    "i": "AY1",
    "j": "JH EY1",
    "k": "K EY1",
    "l": "EH1 L",
    "m": "EH1 M",
    "n": "EH1 N",
    "o": "OW1",
    "p": "P IY1",
    "q": "K Y UW1",
    "r": "AA1 R",
    "s": "EH1 S",
    "t": "T IY1",
    "u": "Y UW1",
    "v": "V IY1",
    "w": "D AH1 B AH0 L Y UW0",
    "x": "EH1 K S",
    "y": "W AY1",
    "z": "Z IY1",
}

_HISSING = frozenset({"S", "Z", "SH", "ZH", "CH", "JH"})
_VOICELESS = frozenset({"P", "T", "K", "F", "TH", "HH"})


def spell_word(word: str) -> list[str]:
    """Letter names one after the other; what is not a letter is left out."""
    return [phone for letter in word.lower() if letter in LETTER_NAMES for phone in LETTER_NAMES[letter].split()]


def add_s(stem: Sequence[str], *, vowel: str = "IH0") -> list[str]:
    """Phones of a word with its plural, possessive or third-person "s"; `vowel` comes in between after a hiss."""
    if not stem:
        return ["EH1", "S"]
    if stem[-1] in _HISSING:
        return [*stem, vowel, "Z"]
    return [*stem, "S" if stem[-1] in _VOICELESS else "Z"]


def add_ed(stem: Sequence[str]) -> list[str]:
    """Phones of a word with its past "ed"."""
    if stem and stem[-1] in {"T", "D"}:
        return [*stem, "IH0", "D"]
    return [*stem, "T" if stem and stem[-1] in _VOICELESS | {"S", "SH", "CH"} else "D"]


_CONTRACTIONS = {"'re": "ER0", "'ve": "AH0 V", "'ll": "AH0 L", "'d": "D", "'m": "M", "n't": "AH0 N T"}
_ENDINGS = {
    "ing": "IH0 NG",
    "er": "ER0",
    "ers": "ER0 Z",
    "est": "AH0 S T",
    "ness": "N AH0 S",
    "less": "L AH0 S",
    "ful": "F AH0 L",
    "able": "AH0 B AH0 L",
    "ment": "M AH0 N T",
    "ments": "M AH0 N T S",
    "hood": "HH UH2 D",
    "like": "L AY2 K",
    "wise": "W AY2 Z",
    "proof": "P R UW2 F",
}
_PREFIXES = {
    "anti": "AE2 N T IY0",
    "micro": "M AY2 K R OW0",
    "multi": "M AH2 L T IY0",
    "mega": "M EH2 G AH0",
    "hyper": "HH AY2 P ER0",
    "cyber": "S AY2 B ER0",
    "ultra": "AH2 L T R AH0",
    "neuro": "N UH2 R OW0",
    "nano": "N AE2 N OW0",
}
_SILENT_E = re.compile(r"(?:[^aeiou][aeiou][bcdfgklmnprstvz]|[ct]h)$")  # mak(ing), bath(ing): make, bathe
_MIN_STEM = 3
_MIN_STEM_AFTER_PREFIX = 4
_MAX_SPELLED = 3


def look_up_word(word: str) -> list[str] | None:
    """Phones of a word in lower case, from the dictionary or our additions; None when neither has it."""
    return _additions().get(word) or look_up_cmu(word)


def word_phones(word: str) -> list[str]:
    """Phones of any word in lower case, apostrophes and hyphens included; never empty for a word with a letter."""
    return list(_phones(word))


def is_guessed_word(word: str) -> bool:
    """Whether only the network tells how a word in lower case, or a part of it, is read."""
    if len(word) == 1 or look_up_word(word):
        return False
    parts = [part for part in re.split(r"[-']+", word) if part]
    if len(parts) > 1:
        return any(map(is_guessed_word, parts))
    if _derived(word):
        return False
    plain = re.sub(r"[^a-z]", "", word)
    if (squeezed := _squeezed(plain)) != plain:
        return is_guessed_word(squeezed)
    is_spelled = len(plain) <= _MAX_SPELLED or not re.search(r"[aeiouy]", plain)
    return not is_spelled and len(split_compound(plain)) == 1


@once
def _additions() -> dict[str, list[str]]:
    return {
        word: readings.split() for word, _, readings in (line.partition(" ") for line in table_lines("en_words.txt"))
    }


@lru_cache(maxsize=8192)
def _phones(word: str) -> tuple[str, ...]:
    if len(word) == 1:
        return tuple(spell_word(word))
    known = look_up_word(word) or _contracted(word) or _in_parts(word) or _derived(word)
    if known:
        return tuple(known)
    plain = re.sub(r"[^a-z]", "", word)
    if (squeezed := _squeezed(plain)) != plain:
        return _phones(squeezed)
    if len(plain) <= _MAX_SPELLED or not re.search(r"[aeiouy]", plain):
        return tuple(spell_word(plain))
    pieces = split_compound(plain)
    return tuple(_compound(pieces) if len(pieces) > 1 else guess_phones(plain))


def _squeezed(word: str) -> str:
    """A drawled word as it is usually written: "goooood" is "good", "sooo" is "so"."""
    double, single = (re.sub(r"(.)\1{2,}", by, word) for by in (r"\1\1", r"\1"))
    everyday = everyday_words()
    return single if double not in everyday and (single in everyday or not look_up_word(double)) else double


def guess_phones(word: str) -> list[str]:
    """Phones of a word that nothing else explains; loads numpy and the network on first use."""
    from sovits_cli.text import en_oov

    return en_oov.guess_word(word)


def _contracted(word: str) -> list[str] | None:
    if word.endswith("'s"):
        return add_s(_phones(word[:-2]))
    for ending, sound in _CONTRACTIONS.items():
        if word.endswith(ending) and len(word) > len(ending):
            return [*_phones(word.removesuffix(ending)), *sound.split()]
    return None


def _in_parts(word: str) -> list[str] | None:
    parts = [part for part in re.split(r"[-']+", word) if part]
    return [phone for part in parts for phone in _phones(part)] if len(parts) > 1 else None


def _derived(word: str) -> list[str] | None:
    """A known word with an ending or a prefix."""
    if stem := _stem(_plural_spellings(word)):
        return add_s(stem)
    if word.endswith("ed") and (stem := _stem(_spellings(word[:-2]))):
        return add_ed(stem)
    if word.endswith("ically") and (stem := look_up_word(word.removesuffix("ally"))):
        return [*stem, "L", "IY0"]
    for ending, sound in _ENDINGS.items():
        if word.endswith(ending) and (stem := _stem(_spellings(word.removesuffix(ending)))):
            tail = sound.split()
            return [*stem, *(tail[1:] if stem[-1] == tail[0] == "L" else tail)]
    for prefix, sound in _PREFIXES.items():
        rest = word.removeprefix(prefix)
        if rest != word and len(rest) >= _MIN_STEM_AFTER_PREFIX and (stem := look_up_word(rest) or _derived(rest)):
            return [*sound.split(), *stem]
    return None


def _stem(spellings: Iterator[str]) -> list[str] | None:
    """Phones of the first known spelling that is long enough."""
    return next((found for stem in spellings if len(stem) >= _MIN_STEM and (found := look_up_word(stem))), None)


def _plural_spellings(word: str) -> Iterator[str]:
    """What a word in -s may be the plural of."""
    if word.endswith("ies"):
        yield f"{word[:-3]}y"
    if word.endswith("s") and word[-2:-1] not in {"s", "i", "u"}:
        yield word[:-1]
        if word.endswith("es"):
            yield word[:-2]


def _spellings(stem: str) -> Iterator[str]:
    """How a stem may be written without its ending: with its silent "e", with "y" for "i", undoubled, as it is."""
    if stem.endswith("i"):
        yield f"{stem[:-1]}y"
    if _SILENT_E.search(stem):
        yield f"{stem}e"
    yield stem
    if len(stem) > _MIN_STEM and stem[-1] == stem[-2]:
        yield stem[:-1]
    yield f"{stem}e"


def _compound(pieces: tuple[str, ...]) -> list[str]:
    """Phones of the pieces; only the first keeps its main stress."""
    first, *rest = (look_up_word(piece) or [] for piece in pieces)
    return [*first, *(phone.replace("1", "2") for piece in rest for phone in piece)]
