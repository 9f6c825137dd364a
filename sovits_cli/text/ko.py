"""Korean: the front end, ours or the official program's. Phones are simple letters of Hangul.

The rules of the letters are facts of GPT-SoVITS `text/korean.py`. How a text sounds g2pk2 and mecab tell: 같이 is 가치.
"""

from __future__ import annotations

import re
import sys
import threading
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from sovits_cli.text import ko_normal, symbols
from sovits_cli.text.resources import once, parse_pairs
from sovits_cli.versions import SymbolTable

# Hangul as it is written to Hangul as it sounds, by g2pk2 and mecab. g2pk2 wants a list of English words, and looks for
# it on the internet when it is imported. No Latin letters reach it here, so it is given an empty list.

_NO_WORDS = SimpleNamespace(dict=dict)
"""What stands in for the English dictionary of nltk."""

_lock = threading.Lock()


#   rule                     written    sounds   letters
#   linking                  값이        갑씨      ㅂㅅ + ㅇ  ->  ㅂ + ㅆ    a silent ㅇ takes what stands before it
#   neutral finals           옷          옫        ㅅ         ->  ㄷ         seven sounds can end a syllable
#   nasals                   국물        궁물      ㄱ + ㅁ    ->  ㅇ + ㅁ
#   ㄹ beside ㄴ              신라        실라      ㄴ + ㄹ    ->  ㄹ + ㄹ
#   both                     독립        동닙      ㄱ + ㄹ    ->  ㅇ + ㄴ
#   tense                    학교        학꾜      ㄱ + ㄱ    ->  ㄱ + ㄲ
#   aspirated                좋다        조타      ㅎ + ㄷ    ->  ㅌ
#   palatal                  같이        가치      ㅌ + ㅇ이  ->  ㅊ이
#   ㄴ between words          꽃잎        꼰닙      ㅊ + ㅇ이  ->  ㄴ + ㄴ이
def surface_form(text: str) -> str:
    """Syllables as they sound; digits in words. Takes no Latin letters.

    Where two syllables meet, the last consonant of the first and the first of the second change each other; a few of
    the rules, which g2pk2 has in its table:
    """
    converter = _converter()
    with _lock:
        return converter(text)


@once
def _converter() -> Callable[[str], str]:
    with _no_english_words(), warnings.catch_warnings(action="ignore"):  # its patterns are written carelessly
        from g2pk2 import g2pk2
    from mecab import MeCab

    class Converter(g2pk2.G2p):  # type: ignore[misc]
        """Without what its maker prints or installs, and without compiling hundreds of patterns for each sentence."""

        def __init__(self) -> None:
            self.mecab = MeCab()
            self.cmu: dict[str, Any] = {}
            self.table: list[Any] = [
                (re.compile(written), sound, rules) for written, sound, rules in g2pk2.parse_table()
            ]
            self.rule2text = g2pk2.get_rule_id2text()
            self._idioms = _idioms(Path(g2pk2.__file__).with_name("idioms.txt"))

        def idioms(self, string: str, *_: object) -> str:
            """Replace words that follow no rule."""
            for written, sound in self._idioms:
                string = written.sub(sound, string)
            return string

    made: Callable[[str], str] = Converter()
    return made


def _idioms(path: Path) -> list[tuple[re.Pattern[str], str]]:
    """The rows "written===sound" of a list; "#" begins a comment."""
    rows = (line.partition("#")[0].strip().split("===") for line in path.read_text(encoding="utf-8").splitlines())
    return [(re.compile(row[0]), row[1]) for row in rows if len(row) == 2]


@contextmanager
def _no_english_words() -> Iterator[None]:
    """Let `import nltk` find a dictionary without words, while this lasts."""
    stand_in: dict[str, Any] = {"nltk": ModuleType("nltk"), "nltk.corpus": ModuleType("nltk.corpus")}
    stand_in["nltk"].data = SimpleNamespace(find=lambda _: None)
    stand_in["nltk.corpus"].cmudict = _NO_WORDS
    before = {name: sys.modules[name] for name in stand_in if name in sys.modules}
    sys.modules.update(stand_in)
    try:
        yield
    finally:
        for name in stand_in:
            del sys.modules[name]
        sys.modules.update(before)


# Syllables to phones, as GPT-SoVITS `text/korean.py` does it, defects included.

SPACE = "空"
OTHER = "停"

LETTERS = parse_pairs(
    "a=에이 b=비 c=시 d=디 e=이 f=에프 g=지 h=에이치 i=아이 j=제이 k=케이 l=엘 m=엠 n=엔 o=오 p=피 q=큐 r=아르 "
    "s=에스 t=티 u=유 v=브이 w=더블유 x=엑스 y=와이 z=제트"
)
"""Names of the Latin letters."""

_VOWELS = str.maketrans(
    parse_pairs(
        "ㅘ=ㅗㅏ ㅙ=ㅗㅐ ㅚ=ㅗㅣ ㅝ=ㅜㅓ ㅞ=ㅜㅔ ㅟ=ㅜㅣ ㅢ=ㅡㅣ ㅑ=ㅣㅏ ㅒ=ㅣㅐ ㅕ=ㅣㅓ ㅖ=ㅣㅔ ㅛ=ㅣㅗ ㅠ=ㅣㅜ"
    )
)
_MARKS = {**dict.fromkeys("：；，·、", ","), **dict.fromkeys("。\n", "."), "！": "!", "？": "?", " ": SPACE}

_INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_MEDIALS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_FINALS = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_CONJOINING = {
    chr(first + number): letter
    for first, letters in ((0x1100, _INITIALS), (0x1161, _MEDIALS), (0x11A8, _FINALS))
    for number, letter in enumerate(letters)
}
_TOO_LONG = re.compile(r"(?:\d,*){17,}")  # 10000000000000000원
"""Numbers on which the official program fails: they are read digit by digit."""

_LIAISON = re.compile(r"(?<=[ㅇㄹ]ㅡㄹ )ㄹ")  # ㄹㅡㄹ ㄹ…: of two ㄹ in a row the second is ㄴ
_ENDS_OPEN = re.compile(r"[ㄱ-ㅣ]\Z")  # a text without a mark at its end


def official_korean(text: str) -> str:
    """Nothing: the official program has no normaliser for Korean."""
    return text


#   "꽃잎 B"  ->  꽃잎 비  ->  꼰닙 비 (`surface_form`)  ->  ㄲ ㅗ ㄴ ㄴ ㅣ ㅂ 空 ㅂ ㅣ .
def korean_phones(norm: str) -> list[str]:
    """Phones of a text: simple letters of Hangul, punctuation, `空` for a space and `停` for all else.

    Official: `text/korean.py`, `latin_to_hangul`, `divide_hangul`, `fix_g2pk2_error`, `post_replace_ph`.
    """
    spelled = re.sub("[A-Za-z]", lambda letter: LETTERS[letter[0].lower()], norm)
    spelled = _TOO_LONG.sub(lambda number: ko_normal.spelled_digits(number[0].replace(",", "")), spelled)
    letters = _LIAISON.sub("ㄴ", _letters(surface_form(spelled)))
    if _ENDS_OPEN.search(letters):
        letters += "."
    known = symbols.known(SymbolTable.V2)
    found = (_MARKS.get(letter, letter) for letter in letters)
    return [phone if phone in known else OTHER for phone in found]


def word_phones(norm: str) -> list[tuple[str, int]]:
    """Words of a text, and how many of its phones each has; spaces and marks part both. One word where these differ."""
    phones = korean_phones(norm)
    is_between = [phone == SPACE or phone in symbols.PUNCTUATION for phone in phones]
    counts = [(between, len(list(group))) for between, group in groupby(is_between)]
    words = re.findall(r"[^\s,.!?…]+", norm)
    if len(words) != sum(not between for between, _ in counts):
        return [(norm, len(phones))]
    following = iter(words)
    return [(" " if between else next(following), count) for between, count in counts]


def _letters(syllables: str) -> str:
    """Syllables taken apart into the letters of a keyboard, vowels into their simple parts."""
    apart = "".join(unicodedata.normalize("NFD", sign) if "가" <= sign <= "힣" else sign for sign in syllables)
    return "".join(_CONJOINING.get(sign, sign) for sign in apart).translate(_VOWELS)


_SYLLABLE = re.compile("[가-힣]")
"""What the normaliser never takes out."""


class Korean:
    """The Korean front end. Its models take no text features, so characters are not related to phones."""

    def readable(self, text: str) -> bool:
        """Whether there is Hangul, a Latin letter or a digit."""
        return bool(_SYLLABLE.search(text) or re.search(r"\w", ko_normal.normalise_korean(text)))

    def ends_sentence(self, before: str, after: str) -> bool:  # noqa: ARG002 - small letters mean nothing here
        """Whether the mark at the end of `before` closes a sentence: not after the number of a list item."""
        return not before.strip().rstrip(".").isdigit()

    def normalise(self, text: str, *, compat: bool) -> str:
        """Write out numbers, units and signs; drop what cannot be read."""
        return official_korean(text) if compat else ko_normal.normalise_korean(text)

    def phones(
        self,
        norm: str,
        table: SymbolTable,  # noqa: ARG002 - only the larger one can write Korean
        *,
        compat: bool,  # noqa: ARG002 - the difference is in the normalised text
    ) -> tuple[list[str], list[int] | None]:
        """Phones of a normalised text."""
        return korean_phones(norm), None
