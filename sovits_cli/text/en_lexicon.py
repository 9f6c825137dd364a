"""One English word to phones: dictionary, our additions, endings, prefixes, compounds, and at last a guess."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from sovits_cli.text import cmu, en_compounds, en_letters
from sovits_cli.text.once import once
from sovits_cli.text.wordlists import lines

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
_SILENT_E = re.compile(r"(?:[^aeiou][aeiou][bcdfgklmnprstvz]|[ct]h)$")
_MIN_STEM = 3
_MIN_STEM_AFTER_PREFIX = 4
_MAX_SPELLED = 3


def look_up(word: str) -> list[str] | None:
    """Phones of a word in lower case, from the dictionary or our additions; None when neither has it."""
    return _additions().get(word) or cmu.look_up(word)


def phones(word: str) -> list[str]:
    """Phones of any word in lower case, apostrophes and hyphens included; never empty for a word with a letter."""
    return list(_phones(word))


def is_guess(word: str) -> bool:
    """Whether only the network tells how a word in lower case, or a part of it, is read."""
    if len(word) == 1 or look_up(word):
        return False
    parts = [part for part in re.split(r"[-']+", word) if part]
    if len(parts) > 1:
        return any(map(is_guess, parts))
    if _derived(word):
        return False
    plain = re.sub(r"[^a-z]", "", word)
    if (squeezed := _squeezed(plain)) != plain:
        return is_guess(squeezed)
    is_spelled = len(plain) <= _MAX_SPELLED or not re.search(r"[aeiouy]", plain)
    return not is_spelled and len(en_compounds.pieces(plain)) == 1


@once
def _additions() -> dict[str, list[str]]:
    return {word: readings.split() for word, _, readings in (line.partition(" ") for line in lines("en_words.txt"))}


@lru_cache(maxsize=8192)
def _phones(word: str) -> tuple[str, ...]:
    if len(word) == 1:
        return tuple(en_letters.spell(word))
    known = look_up(word) or _contracted(word) or _in_parts(word) or _derived(word)
    if known:
        return tuple(known)
    plain = re.sub(r"[^a-z]", "", word)
    if (squeezed := _squeezed(plain)) != plain:
        return _phones(squeezed)
    if len(plain) <= _MAX_SPELLED or not re.search(r"[aeiouy]", plain):
        return tuple(en_letters.spell(plain))
    pieces = en_compounds.pieces(plain)
    return tuple(_compound(pieces) if len(pieces) > 1 else guess(plain))


def _squeezed(word: str) -> str:
    """A drawled word as it is usually written: "goooood" is "good", "sooo" is "so"."""
    double, single = (re.sub(r"(.)\1{2,}", by, word) for by in (r"\1\1", r"\1"))
    everyday = en_compounds.everyday()
    return single if double not in everyday and (single in everyday or not look_up(double)) else double


def guess(word: str) -> list[str]:
    """Phones of a word that nothing else explains; loads numpy and the network on first use."""
    from sovits_cli.text import en_oov

    return en_oov.guess(word)


def _contracted(word: str) -> list[str] | None:
    if word.endswith("'s"):
        return en_letters.with_s(_phones(word[:-2]))
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
        return en_letters.with_s(stem)
    if word.endswith("ed") and (stem := _stem(_spellings(word[:-2]))):
        return en_letters.with_ed(stem)
    if word.endswith("ically") and (stem := look_up(word.removesuffix("ally"))):
        return [*stem, "L", "IY0"]
    for ending, sound in _ENDINGS.items():
        if word.endswith(ending) and (stem := _stem(_spellings(word.removesuffix(ending)))):
            tail = sound.split()
            return [*stem, *(tail[1:] if stem[-1] == tail[0] == "L" else tail)]
    for prefix, sound in _PREFIXES.items():
        rest = word.removeprefix(prefix)
        if rest != word and len(rest) >= _MIN_STEM_AFTER_PREFIX and (stem := look_up(rest) or _derived(rest)):
            return [*sound.split(), *stem]
    return None


def _stem(spellings: Iterator[str]) -> list[str] | None:
    """Phones of the first known spelling that is long enough."""
    return next((found for stem in spellings if len(stem) >= _MIN_STEM and (found := look_up(stem))), None)


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
    first, *rest = (look_up(piece) or [] for piece in pieces)
    return [*first, *(phone.replace("1", "2") for piece in rest for phone in piece)]
