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

from sovits_cli.text import resources, symbols
from sovits_cli.text.resources import once, parse_pairs, word_set
from sovits_cli.versions import SymbolTable

# Text as it is read: numbers, dates, times, money, units and signs in words; what cannot be read is dropped.

# Korean numbers in words: Chinese ones (일 이 삼), native ones before counters (한 두 세), and digit by digit.

DIGITS = "영일이삼사오육칠팔구"

NATIVE_COUNTERS = word_set(
    "개 명 마리 권 살 병 시간 대 잔 장 사람 번 번째 그루 켤레 벌 송이 채 척 자루 군데 가지 달 곳 통 배 쌍 줄 그릇 "
    "접시 판 알 조각 갑 단 모 모금 발 발짝 방 보루 술 움큼 정 짝 첩 축 톨 닢 뭇 쌈 가닥 가구 바퀴 방울 봉지 상자 "
    "스푼 토막 포기"
)
"""What is counted with native numbers."""

_UNIT_NAMES = ("", "십", "백", "천")
_GROUPS = ("", "만", "억", "조", "경", "해")
_ONES = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉")
_TENS = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")
_MOST_DIGITS = 4 * len(_GROUPS)


def sino_number(digits: str) -> str:
    """A whole number; with a leading zero, or too long for words, digit by digit."""
    if len(digits) > _MOST_DIGITS or (digits[0] == "0" and len(digits) > 1):
        return spelled_digits(digits)
    padded = digits.zfill(_MOST_DIGITS)
    groups = [padded[start : start + 4] for start in range(0, _MOST_DIGITS, 4)]
    parts = [_group(group) + name for group, name in zip(groups, reversed(_GROUPS), strict=True) if int(group)]
    found = "".join(parts)
    return (found.removeprefix("일") if found.startswith("일만") else found) or DIGITS[0]


def native_number(digits: str) -> str:
    """A number before a counter: its last two digits are native words."""
    if digits[0] == "0" or len(digits) > _MOST_DIGITS:
        return sino_number(digits)
    rest = int(digits[-2:])
    hundreds = sino_number(digits[:-2] + "00") if len(digits) > 2 else ""
    return hundreds + ("스무" if rest == 20 else _TENS[rest // 10] + _ONES[rest % 10])


def decimal_number(digits: str, after_point: str) -> str:
    """A number with a fraction: 삼점일사."""
    return f"{sino_number(digits)}점{spelled_digits(after_point)}"


def spelled_digits(digits: str, *, zero: str = DIGITS[0]) -> str:
    """Digit by digit; a zero of telephone numbers is 공."""
    return "".join(DIGITS[int(digit)] if digit != "0" else zero for digit in digits)


def _group(group: str) -> str:
    found = ""
    for digit, unit in zip(group, reversed(_UNIT_NAMES), strict=True):
        if digit != "0":
            found += unit if digit == "1" and unit else DIGITS[int(digit)] + unit
    return found


UNITS = parse_pairs(
    "km=킬로미터 cm=센티미터 mm=밀리미터 nm=나노미터 m=미터 kg=킬로그램 mg=밀리그램 g=그램 t=톤 L=리터 l=리터 "
    "ml=밀리리터 mL=밀리리터 dl=데시리터 kcal=킬로칼로리 cal=칼로리 GB=기가바이트 MB=메가바이트 "
    "KB=킬로바이트 TB=테라바이트 GHz=기가헤르츠 MHz=메가헤르츠 kHz=킬로헤르츠 Hz=헤르츠 "
    "kW=킬로와트 kWh=킬로와트시 W=와트 V=볼트 hPa=헥토파스칼 dB=데시벨 °C=도 °F=도 °=도 %=퍼센트"
)
"""Signs after a number."""

CURRENCIES = parse_pairs("₩=원 $=달러 €=유로 ¥=엔 £=파운드 ₹=루피")

_SIGNS = {"+": " 플러스 ", "×": " 곱하기 ", "÷": " 나누기 ", "=": " 이퀄 ", "&": " 앤드 ", "@": " 골뱅이 "}

KEPT_MARKS = ",.!?…"
"""Marks that are heard as a pause, and the only ones left."""

_PLAIN_MARKS = {
    **dict.fromkeys(";:·()[]{}〔〕【】―—─、", ","),
    **dict.fromkeys("。\u2029", "."),
    "-": " ",
    "/": " ",
}
_LETTERS = re.compile(r"[^\u3130-\u318f]+")
"""All but the letters of Hangul written alone, which NFKC would turn into parts of syllables."""

_UNIT = resources.unit_pattern(UNITS)
_MONEY = resources.money_pattern(CURRENCIES)
_DATE = re.compile(r"(?<!\d)(\d{4})([/.-])\s?(\d{1,2})\2\s?(\d{1,2})(?!\d)")  # 2024.1.5, 2024/01/05
_PHONE = re.compile(r"(?<![\d-])0\d{1,3}-\d{3,4}-\d{4}(?![\d-])")  # 010-1234-5678
# 10~20, 3-5
_RANGE = re.compile(r"(?<=[\d가-힣])\s?[〜~]\s?(?=[\d가-힣₩$€¥£])|(?<![\d-])([1-9]\d{0,3})-(?=[1-9]\d{0,3}(?![\d-]))")
_COUNTED = re.compile(
    rf"(\d+)(?:\.(\d+))?(?:(\s?)({'|'.join(sorted(NATIVE_COUNTERS, key=len, reverse=True))}|시|월)"
    r"(?=[^가-힣]|[을를이가은는와과의에로도만씩입나까부쯤짜째중밖하]|$))?"
)
"""A number, and its counter where a particle or the end of the word follows: 세 개, but 삼 개월."""

_MONTHS = {"6": "유", "10": "시"}
_LAST_NATIVE_HOUR = 12
_KEPT = re.compile(r"[^A-Za-z가-힣ㄱ-ㅣ,.!?… ]")
_RUN = re.compile(rf"\s*([{KEPT_MARKS}])[{KEPT_MARKS}\s]*")  # "!?", ", ."


def normalise_korean(text: str) -> str:
    """Text in which only Hangul, Latin letters, spaces and the marks of `KEPT_MARKS` are left."""
    text = _plain(text)
    text = _DATE.sub(r"\1년 \3월 \4일", _PHONE.sub(_telephone, text))
    text = resources.MINUS.sub("마이너스 ", resources.TIME.sub(_clock, text))
    text = _RANGE.sub(lambda found: f"{found[1] or ''}에서 ", text)
    text = resources.ungrouped(_MONEY.sub(_sum, text))
    text = resources.RATE.sub(lambda found: f" {UNITS[found[1]]} 매{'시' if found[2] == 'h' else '초'}", text)
    text = _UNIT.sub(_unit, resources.FRACTION.sub(r"\2분의 \1", text))
    text = resources.OPERATOR.sub(lambda found: _SIGNS[resources.operator(found)], text)
    return _plain_marks(_COUNTED.sub(_number, text))


def _plain(text: str) -> str:
    """Full-width, half-width and joined characters as plain ones, lines as sentences."""
    text = resources.MIXED.sub("와 ", text.translate(resources.ELLIPSES))
    text = _LETTERS.sub(lambda run: unicodedata.normalize("NFKC", run[0]), text)
    text = resources.SCIENTIFIC.sub(r"\1 곱하기 10의 \2제곱", text)
    text = resources.with_ellipses(unicodedata.normalize("NFC", text))
    return re.sub(r"\s*\n\s*", ". ", re.sub(r"\.{3,}", "…", text.strip()))


def _plain_marks(text: str) -> str:
    """Marks of all kinds to those kept, one for a run of them; what cannot be read is left out."""
    text = _KEPT.sub(lambda sign: _PLAIN_MARKS.get(sign[0], " " if sign[0].isspace() else ""), text)
    text = _RUN.sub(lambda run: f"{_strongest(run[0])} ", text)
    return re.sub(" +", " ", text).strip().lstrip(", ")


def _strongest(run: str) -> str:
    """Of several marks the one that says most: !? asks."""
    return next(mark for mark in "?!….," if mark in run)


def _clock(found: re.Match[str]) -> str:
    hour, minute, second = resources.clock(found)
    return f"{hour}시" + (f" {minute}분" if minute else "") + (f" {second}초" if second else "")


def _sum(found: re.Match[str]) -> str:
    return resources.amount(found[2]) + CURRENCIES[found[1]]


def _unit(found: re.Match[str]) -> str:
    power = {"2": "제곱", "3": "세제곱", None: ""}[found[2]]
    return power + UNITS[found[1]]


def _telephone(found: re.Match[str]) -> str:
    return " ".join(spelled_digits(part, zero="공") for part in found[0].split("-"))


def _number(found: re.Match[str]) -> str:
    """A number, read as its counter asks: 두 시, 시월, 세 개."""
    whole, after_point, gap, counter = found.groups()
    tail = (gap or "") + (counter or "")
    if after_point:
        return decimal_number(whole, after_point) + tail
    if counter == "월":
        return _MONTHS.get(whole, sino_number(whole)) + tail
    if counter == "시" and int(whole) > _LAST_NATIVE_HOUR:
        return sino_number(whole) + tail
    is_counted = counter is not None and int(whole) > 0
    return (native_number(whole) if is_counted else sino_number(whole)) + tail


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
    spelled = _TOO_LONG.sub(lambda number: spelled_digits(number[0].replace(",", "")), spelled)
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
        return bool(_SYLLABLE.search(text) or re.search(r"\w", normalise_korean(text)))

    def ends_sentence(self, before: str, after: str) -> bool:  # noqa: ARG002 - small letters mean nothing here
        """Whether the mark at the end of `before` closes a sentence: not after the number of a list item."""
        return not before.strip().rstrip(".").isdigit()

    def normalise(self, text: str, *, compat: bool) -> str:
        """Write out numbers, units and signs; drop what cannot be read."""
        return official_korean(text) if compat else normalise_korean(text)

    def phones(
        self,
        norm: str,
        table: SymbolTable,  # noqa: ARG002 - only the larger one can write Korean
        *,
        compat: bool,  # noqa: ARG002 - the difference is in the normalised text
    ) -> tuple[list[str], list[int] | None]:
        """Phones of a normalised text."""
        return korean_phones(norm), None
