"""Korean exactly as the official program reads it, defects included: for comparing, and for datasets made with it.

The rules are facts of GPT-SoVITS `text/korean.py`.
"""

from __future__ import annotations

import re
import unicodedata

from sovits_cli.text import ko_numbers, ko_sounds, symbols
from sovits_cli.text.wordlists import pairs
from sovits_cli.versions import SymbolTable

SPACE = "空"
OTHER = "停"

LETTERS = pairs(
    "a=에이 b=비 c=시 d=디 e=이 f=에프 g=지 h=에이치 i=아이 j=제이 k=케이 l=엘 m=엠 n=엔 o=오 p=피 q=큐 r=아르 "
    "s=에스 t=티 u=유 v=브이 w=더블유 x=엑스 y=와이 z=제트"
)
"""Names of the Latin letters."""

_VOWELS = str.maketrans(
    pairs("ㅘ=ㅗㅏ ㅙ=ㅗㅐ ㅚ=ㅗㅣ ㅝ=ㅜㅓ ㅞ=ㅜㅔ ㅟ=ㅜㅣ ㅢ=ㅡㅣ ㅑ=ㅣㅏ ㅒ=ㅣㅐ ㅕ=ㅣㅓ ㅖ=ㅣㅔ ㅛ=ㅣㅗ ㅠ=ㅣㅜ")
)
_MARKS = {**dict.fromkeys("：；，·、", ","), **dict.fromkeys("。\n", "."), "！": "!", "？": "?", " ": SPACE}

_INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_MEDIALS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_FINALS = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_CONJOINING = {
    chr(first + place): letter
    for first, letters in ((0x1100, _INITIALS), (0x1161, _MEDIALS), (0x11A8, _FINALS))
    for place, letter in enumerate(letters)
}
_TOO_LONG = re.compile(r"(?:\d,*){17,}")
"""Numbers on which the official program fails: they are read digit by digit."""

_LIAISON = re.compile(r"(?<=[ㅇㄹ]ㅡㄹ )ㄹ")
_ENDS_OPEN = re.compile(r"[ㄱ-ㅣ]\Z")


def normalise(text: str) -> str:
    """Nothing: the official program has no normaliser for Korean."""
    return text


def phones(norm: str) -> list[str]:
    """Phones of a text: simple letters of Hangul, punctuation, `空` for a space and `停` for all else."""
    spelled = re.sub("[A-Za-z]", lambda letter: LETTERS[letter[0].lower()], norm)
    spelled = _TOO_LONG.sub(lambda number: ko_numbers.spelled(number[0].replace(",", "")), spelled)
    letters = _LIAISON.sub("ㄴ", _letters(ko_sounds.pronounced(spelled)))
    if _ENDS_OPEN.search(letters):
        letters += "."
    known = symbols.known(SymbolTable.V2)
    found = (_MARKS.get(letter, letter) for letter in letters)
    return [phone if phone in known else OTHER for phone in found]


def _letters(syllables: str) -> str:
    """Syllables taken apart into the letters of a keyboard, vowels into their simple parts."""
    apart = "".join(unicodedata.normalize("NFD", sign) if "가" <= sign <= "힣" else sign for sign in syllables)
    return "".join(_CONJOINING.get(sign, sign) for sign in apart).translate(_VOWELS)
