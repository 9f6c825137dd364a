"""Korean text as it is read: numbers, dates, times, money, units and signs in words; what cannot be read is dropped."""

from __future__ import annotations

import re
import unicodedata

from sovits_cli.text import number_signs as signs
from sovits_cli.text.resources import parse_pairs, word_set

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

_MARKS = {
    **dict.fromkeys(";:·()[]{}〔〕【】―—─、", ","),
    **dict.fromkeys("。\u2029", "."),
    "-": " ",
    "/": " ",
}
_LETTERS = re.compile(r"[^\u3130-\u318f]+")
"""All but the letters of Hangul written alone, which NFKC would turn into parts of syllables."""

_UNIT = signs.unit_pattern(UNITS)
_MONEY = signs.money_pattern(CURRENCIES)
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
    text = signs.MINUS.sub("마이너스 ", signs.TIME.sub(_clock, text))
    text = _RANGE.sub(lambda found: f"{found[1] or ''}에서 ", text)
    text = signs.ungrouped(_MONEY.sub(_sum, text))
    text = signs.RATE.sub(lambda found: f" {UNITS[found[1]]} 매{'시' if found[2] == 'h' else '초'}", text)
    text = _UNIT.sub(_unit, signs.FRACTION.sub(r"\2분의 \1", text))
    text = signs.OPERATOR.sub(lambda found: _SIGNS[signs.operator(found)], text)
    return _marks(_COUNTED.sub(_number, text))


def _plain(text: str) -> str:
    """Full-width, half-width and joined characters as plain ones, lines as sentences."""
    text = signs.MIXED.sub("와 ", text.translate(signs.ELLIPSES))
    text = _LETTERS.sub(lambda run: unicodedata.normalize("NFKC", run[0]), text)
    text = signs.SCIENTIFIC.sub(r"\1 곱하기 10의 \2제곱", text)
    text = signs.with_ellipses(unicodedata.normalize("NFC", text))
    return re.sub(r"\s*\n\s*", ". ", re.sub(r"\.{3,}", "…", text.strip()))


def _marks(text: str) -> str:
    """Marks of all kinds to those kept, one for a run of them; what cannot be read is left out."""
    text = _KEPT.sub(lambda sign: _MARKS.get(sign[0], " " if sign[0].isspace() else ""), text)
    text = _RUN.sub(lambda run: f"{_strongest(run[0])} ", text)
    return re.sub(" +", " ", text).strip().lstrip(", ")


def _strongest(run: str) -> str:
    """Of several marks the one that says most: !? asks."""
    return next(mark for mark in "?!….," if mark in run)


def _clock(found: re.Match[str]) -> str:
    hour, minute, second = signs.clock(found)
    return f"{hour}시" + (f" {minute}분" if minute else "") + (f" {second}초" if second else "")


def _sum(found: re.Match[str]) -> str:
    return signs.amount(found[2]) + CURRENCIES[found[1]]


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
