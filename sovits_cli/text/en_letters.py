"""Names of the letters, and the sounds that an ending adds to a word. Knows no dictionary."""

from __future__ import annotations

from collections.abc import Sequence

NAMES = {
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


def spell(word: str) -> list[str]:
    """Letter names one after the other; what is not a letter is left out."""
    return [phone for letter in word.lower() if letter in NAMES for phone in NAMES[letter].split()]


def with_s(stem: Sequence[str], *, vowel: str = "IH0") -> list[str]:
    """Phones of a word with its plural, possessive or third-person "s"; `vowel` comes in between after a hiss."""
    if not stem:
        return ["EH1", "S"]
    if stem[-1] in _HISSING:
        return [*stem, vowel, "Z"]
    return [*stem, "S" if stem[-1] in _VOICELESS else "Z"]


def with_ed(stem: Sequence[str]) -> list[str]:
    """Phones of a word with its past "ed"."""
    if stem and stem[-1] in {"T", "D"}:
        return [*stem, "IH0", "D"]
    return [*stem, "T" if stem and stem[-1] in _VOICELESS | {"S", "SH", "CH"} else "D"]
