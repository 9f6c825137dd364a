"""English words in capitals: which are spelled, which are shouted, which hide a Roman number or two words in one."""

from __future__ import annotations

import re

from sovits_cli.text import en_compounds, en_lexicon
from sovits_cli.text import en_numbers as numbers
from sovits_cli.text.wordlists import words

SPOKEN_ACRONYMS = words(
    "NASA NATO UNESCO UNICEF OPEC AIDS FIFA UEFA COVID SARS RAM ROM GIF PIN SIM SWAT BIOS LAN CAPTCHA IKEA JSON YAML "
    "CUDA HIPAA FEMA OSHA NASDAQ INTERPOL MIDI LASER LIDAR SONAR RADAR SCUBA PETA NORAD DARPA MENSA LEGO VISA"
)
"""Acronyms that are said as words."""

_ALWAYS_SPELLED = words("IT US AI OS TV PC UK EU UN AM PM PR HR OK IN OR ME CO LA ID PE GI ICE AGE ARM BAR CAT ACE")
_SHOUTED_PAIRS = words("NO GO UP ON IS WE HE SO DO MY OH BE TO IF AN AT AS BY OF OUR")
_COUNTED = words(
    "war part chapter volume vol pt ch act scene book section phase type level bowl mark title article class stage "
    "appendix figure table league division group episode season cycle step vatican rocky unit"
)
_REIGNING = words(
    "henry louis george elizabeth charles james edward william richard john paul pius benedict francis philip "
    "catherine napoleon alexander nicholas frederick gregory leo peter mary ferdinand gustav christian haakon innocent "
    "clement ivan leopold ramesses xerxes darius ptolemy urban boniface albert victor wilhelm otto constantine"
)

_ROMAN = re.compile(r"\b([A-Za-z]{2,12})(\.?) ([IVXL]{1,7})\b(?!['.]\w)")
_ROMAN_FORM = re.compile(r"(X[LC]|L?X{0,3})(I[XV]|V?I{0,3})")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50}
_CAPITALS = re.compile(r"\b([A-Z]{2,})(s|'s)?\b")
_MIXED = re.compile(r"\b(?=[A-Za-z]*[a-z][A-Z]|[A-Z]{2,}[a-z]{2})[A-Za-z]+\b")
_SEAM = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[A-Za-z]{2,}")
_SHOUTED_SHARE = 0.6


def roman_numbers(text: str) -> str:
    """`text` with the Roman numbers of kings in words, and those of wars, chapters and the like in digits."""
    return _ROMAN.sub(_roman, text)


def spelled_out(text: str) -> str:
    """Run-together words apart, acronyms as spaced letters, shouted words in lower case."""
    text = _MIXED.sub(_apart, text)
    found = _WORD.findall(text)
    shouting = len(found) > 2 and sum(word.isupper() for word in found) >= _SHOUTED_SHARE * len(found)
    return _CAPITALS.sub(lambda word: _capitals(word, shouting), text)


def roman_value(numeral: str) -> int:
    """Value of a Roman number below 90; 0 when it is not one."""
    if not numeral or not _ROMAN_FORM.fullmatch(numeral):
        return 0
    values = [_ROMAN_VALUES[letter] for letter in numeral]
    followers = [*values[1:], 0]
    return sum(-value if value < follower else value for value, follower in zip(values, followers, strict=True))


def _roman(found: re.Match[str]) -> str:
    """A number after "chapter" or "war" is counted; after the name of a king it is a rank; else it is left."""
    word, dot, numeral = found.groups()
    value = roman_value(numeral)
    sure = len(numeral) > 1 or _ends_phrase(found)
    if value and word.lower() in _COUNTED and (sure or word[0].isupper()):
        return f"{word}{dot} {value}"
    if value and word.istitle() and word.lower() in _REIGNING and sure:
        return f"{word} the {numbers.ordinal(value)}"
    return found[0]


def _ends_phrase(found: re.Match[str]) -> bool:
    return re.match(r"\s*(?:[.,;:!?)]|$)", found.string[found.end() : found.end() + 3]) is not None


def _apart(found: re.Match[str]) -> str:
    word = found[0]
    return word if en_lexicon.look_up(word.lower()) else " ".join(_SEAM.split(word))


def _capitals(found: re.Match[str], shouting: bool) -> str:
    word, ending = found[1], found[2] or ""
    if word in SPOKEN_ACRONYMS:
        return found[0]
    if _is_word(word, shouting or _has_shouting_neighbour(found)):
        return found[0].lower()
    return " ".join(word) + ("'s" if ending else "")


def _is_word(word: str, shouting: bool) -> bool:
    lower = word.lower()
    everyday = lower in en_compounds.everyday()
    if shouting:
        return everyday or (len(word) > 3 and en_lexicon.look_up(lower) is not None)
    if len(word) == 2:
        return word in _SHOUTED_PAIRS
    if word in _ALWAYS_SPELLED:
        return False
    return everyday or (len(word) > 4 and en_lexicon.look_up(lower) is not None)


def _has_shouting_neighbour(found: re.Match[str]) -> bool:
    """Whether the next word on either side is an everyday word in capitals too."""
    text, before = found.string, found.string[max(0, found.start() - 24) : found.start()]
    left = re.search(r"([A-Za-z]+)[\s,]+$", before)
    right = re.match(r"[\s,]+([A-Za-z]+)", text[found.end() : found.end() + 24])
    return any(
        side is not None and len(side[1]) > 1 and side[1].isupper() and side[1].lower() in en_compounds.everyday()
        for side in (left, right)
    )
