"""Korean numbers in words: Chinese ones (일 이 삼), native ones before counters (한 두 세), and digit by digit."""

from __future__ import annotations

from sovits_cli.text.wordlists import words

DIGITS = "영일이삼사오육칠팔구"

NATIVE_COUNTERS = words(
    "개 명 마리 권 살 병 시간 대 잔 장 사람 번 번째 그루 켤레 벌 송이 채 척 자루 군데 가지 달 곳 통 배 쌍 줄 그릇 "
    "접시 판 알 조각 갑 단 모 모금 발 발짝 방 보루 술 움큼 정 짝 첩 축 톨 닢 뭇 쌈 가닥 가구 바퀴 방울 봉지 상자 "
    "스푼 토막 포기"
)
"""What is counted with native numbers."""

_PLACES = ("", "십", "백", "천")
_GROUPS = ("", "만", "억", "조", "경", "해")
_ONES = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉")
_TENS = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")
_MOST_DIGITS = 4 * len(_GROUPS)


def sino(digits: str) -> str:
    """A whole number; with a leading zero, or too long for words, digit by digit."""
    if len(digits) > _MOST_DIGITS or (digits[0] == "0" and len(digits) > 1):
        return spelled(digits)
    padded = digits.zfill(_MOST_DIGITS)
    groups = [padded[start : start + 4] for start in range(0, _MOST_DIGITS, 4)]
    parts = [_group(group) + name for group, name in zip(groups, reversed(_GROUPS), strict=True) if int(group)]
    found = "".join(parts)
    return (found.removeprefix("일") if found.startswith("일만") else found) or DIGITS[0]


def native(digits: str) -> str:
    """A number before a counter: its last two digits are native words."""
    if digits[0] == "0" or len(digits) > _MOST_DIGITS:
        return sino(digits)
    rest = int(digits[-2:])
    hundreds = sino(digits[:-2] + "00") if len(digits) > 2 else ""
    return hundreds + ("스무" if rest == 20 else _TENS[rest // 10] + _ONES[rest % 10])


def decimal(digits: str, after_point: str) -> str:
    """A number with a fraction: 삼점일사."""
    return f"{sino(digits)}점{spelled(after_point)}"


def spelled(digits: str, *, zero: str = DIGITS[0]) -> str:
    """Digit by digit; a zero of telephone numbers is 공."""
    return "".join(DIGITS[int(digit)] if digit != "0" else zero for digit in digits)


def _group(group: str) -> str:
    found = ""
    for digit, place in zip(group, reversed(_PLACES), strict=True):
        if digit != "0":
            found += place if digit == "1" and place else DIGITS[int(digit)] + place
    return found
