"""What the official program reads wrong in Chinese, written out before it sees it: our reading by default.

Sums of money, decimals and negative numbers, thousands, telephone numbers, ranges, units, scores, ranks, full-width
signs, 〇. What is left (dates, times, sums, counted things) is right there already.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from sovits_cli.text import resources
from sovits_cli.text.resources import POWER_OF_TEN
from sovits_cli.text.zh_official import cardinal, clock_words, digit_by_digit, simplified_table, telephone_digits

_COMPATIBLE = re.compile(r"[\u00bc-\u00be\u2150-\u215e\u3300-\u33ff\uff01-\uff5e]")
"""Fractions, squared units and full-width forms: written with plain characters first."""

_MIXED = re.compile(r"(?<=\d)\s?(?=[¼-¾⅐-⅞])|(?<=(?<!\d)\d)\s(?=\d{1,2}/\d{1,2}(?!\d))")
"""Between a whole number and its fraction: 2½, 2 1/2."""

_KEPT_WIDE = frozenset("！，：；？（）～")
_WIDE_COLON = re.compile(r"(?<=\d)：(?=\d)")  # 8：30
_ADDRESS = re.compile(r"(?:https?://|www\.)[!-~]+|[\w.+-]+@[\w.-]+", re.ASCII)  # https://x.org/a, www.x.org, name@x.org
_SLASH = re.compile(r"(?<!\d)/|/(?!\d)")  # a slash that parts no numbers
_ZEROS = str.maketrans({"〇": "零", "○": "零", "–": "-", "−": "-", "﹣": "-", "⁄": "/", "∶": ":"})
_RARE = resources.parse_pairs(
    "兙=十克 兛=千克 兝=分克 兞=毫克 兡=百克 兣=厘克 瓩=千瓦 兺=分克 浬=海里 吋=英寸 呎=英尺 哩=英里"
)

_NUMBER = r"\d+(?:\.\d+)?"
_GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")  # 1,234,567
_CURRENCIES = {
    "HK$": "港元",
    "US$": "美元",
    "A$": "澳元",
    "$": "美元",
    "€": "欧元",
    "£": "英镑",
    "￥": "元",
    "¥": "元",
    "₩": "韩元",
}
_SCALES = "(?:万亿|千万|百万|万|亿|千)?"
# $25.50, HK$5000万, ￥3元
_MONEY = re.compile(rf"({'|'.join(map(re.escape, _CURRENCIES))})\s*(-?{_NUMBER})({_SCALES})(?:元|美元)?")
_UNITS = resources.parse_pairs(
    "km/h=千米每小时 m/s²=米每二次方秒 m/s=米每秒 mm²=平方毫米 cm²=平方厘米 km²=平方千米 m²=平方米 mm³=立方毫米 "
    "cm³=立方厘米 m³=立方米 cm2=平方厘米 km2=平方千米 m2=平方米 cm3=立方厘米 m3=立方米 mm=毫米 cm=厘米 dm=分米 "
    "km=千米 nm=纳米 μm=微米 m=米 mg=毫克 kg=千克 g=克 ml=毫升 mL=毫升 L=升 ms=毫秒 s=秒 min=分钟 h=小时 kHz=千赫 "
    "MHz=兆赫 GHz=吉赫 Hz=赫兹 dB=分贝 db=分贝 kW=千瓦 W=瓦 kWh=千瓦时 V=伏 A=安 Pa=帕 kPa=千帕 MPa=兆帕 "
    "KB=千字节 MB=兆 GB=吉 TB=太 °C=度 ℃=度 °=度 °F=华氏度 ℉=华氏度 Ω=欧姆"
)
_UNIT = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))
_MEASURED = re.compile(rf"(-?)({_NUMBER})({_UNIT})(?![A-Za-z\d])")  # 5mm, -3℃, 120㎡
_FRACTION = re.compile(rf"(?<![\d/])(\d{{1,2}})/(\d{{1,2}})({_UNIT})(?![A-Za-z\d])")  # 1/2kg
_SCIENTIFIC = re.compile(rf"(?<![\dA-Za-z.])(-?)({_NUMBER}){POWER_OF_TEN}([+-]?)(\d+)(?![A-Za-z\d])")  # 1e-5
_TEMPERATURE = frozenset("度")

_CHOICES = r"(?:-|~|～|—)"
# 20~30%, 3-5kg, 3—5
_RANGE = re.compile(
    rf"(?<![\d.:/+\-×÷=A-Za-z])({_NUMBER})(%|‰|{_UNIT})?{_CHOICES}({_NUMBER})(%|‰|{_UNIT})?(?![\d.:/+\-×÷=A-Za-z])"
)
_SHARE = re.compile(rf"(-?)({_NUMBER})([%‰])")  # -5%, 3‰
_SHARES = {"%": "百分之", "‰": "千分之"}
_DATED = re.compile(r"\d{4}([-/.])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])(?!\d)")  # 2024/1/5
_CLOCK = r"((?:[01]?\d|2[0-3])):([0-5]\d)(?::([0-5]\d))?"
_CLOCK_RANGE = re.compile(rf"(?<!\d){_CLOCK}{_CHOICES}{_CLOCK}(?!\d)")  # 8:30~12:45
_SCORE = re.compile(r"(?<![\d:])(\d{1,3}):(\d{1,3})(?![\d:])")  # 3:2, 108:99; not 8:30
_IS_CLOCK = re.compile(r"(?:[01]?\d|2[0-3]):[0-5]\d")
# 400-123-4567, 010-12345678, 800-1234567
_SERVICE = re.compile(
    r"(?<!\d)(?:400-\d{3}-\d{4}|0(?:10|2\d|[3-9]\d{2})-\d{7,8}|\d{3,4}-\d{4}-\d{4}|[48]00-\d{7})(?!\d)"
)
_MOBILE = re.compile(r"(?<!\d)(?:\+?86[ -]?)?1[3-9]\d[ -]\d{4}[ -]\d{4}(?!\d)")  # +86 138 1234 5678
_DECIMAL = re.compile(r"(?<![\d.A-Za-z])(-?)(\d*)\.(\d+)(?![\d.])")  # -0.75, .5
_NEGATIVE = re.compile(r"(?<![\dA-Za-z)）.])-(\d+)(?![\d/.])")  # -5
_RANK = re.compile(r"第(\d{1,4})(?!\d)")  # 第100
# 100, 5000, 120000: not digit by digit
_ROUND = re.compile(r"(?<![\d.])([1-9]\d?00|\d{1,4}000|[1-9]\d*0{4,})(?![\d.年室号])")
# 1000克, 100倍
_COUNTED = re.compile(
    r"(?<![\d.])(\d{3,})(?=多?(?:克|公斤|公里|倍|章|集|卷|期|度|赫|瓦|伏|海里|英里|英寸|字|步|票|平|亩|顿|下))"
)
_FOREIGN = re.compile(r"[A-Za-z$€£￥¥₩^%‰]")
_POWER = re.compile(r"(\d+)\^(\d+)")  # 2^10
_DASH = re.compile(r"[—―]{2,}")  # ——

_STEPS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (_GROUPED, lambda found: found[0].replace(",", "")),
    (_SCIENTIFIC, lambda found: _scientific(*found.groups())),
    (_FRACTION, lambda found: f"{cardinal(found[2])}分之{cardinal(found[1])}{_UNITS[found[3]]}"),
    (_MOBILE, lambda found: _telephone(found[0])),
    (_SERVICE, lambda found: _telephone(found[0])),
    (_DATED, lambda found: _date(found[0].split(found[1]))),
    (_CLOCK_RANGE, lambda found: f"{_clock(found.groups()[:3])}至{_clock(found.groups()[3:])}"),
    (
        _SCORE,
        lambda found: found[0] if _IS_CLOCK.fullmatch(found[0]) else f"{cardinal(found[1])}比{cardinal(found[2])}",
    ),
    (_POWER, lambda found: f"{cardinal(found[1])}的{cardinal(found[2])}次方"),
    (_RANGE, lambda found: _range(*found.groups())),
    (_MONEY, lambda found: f"{_number(found[2])}{found[3]}{_CURRENCIES[found[1]]}"),
    (_MEASURED, lambda found: _measured(*found.groups())),
    (_SHARE, lambda found: f"{'负' * bool(found[1])}{_SHARES[found[3]]}{_number(found[2])}"),
    (re.compile(rf"(-?)({_NUMBER})摄氏度"), lambda found: f"{'零下' * bool(found[1])}{_number(found[2])}摄氏度"),
    (re.compile(rf"-({_NUMBER})度"), lambda found: f"零下{_number(found[1])}度"),
    (_DECIMAL, lambda found: f"{'负' * bool(found[1])}{cardinal(found[2])}点{digit_by_digit(found[3])}"),
    (_NEGATIVE, lambda found: f"负{cardinal(found[1])}"),
    (_RANK, lambda found: f"第{cardinal(found[1])}"),
    (_COUNTED, lambda found: cardinal(found[1])),
    (_ROUND, lambda found: cardinal(found[1])),
    (_DASH, lambda _: "，"),
)


def prepare_chinese(text: str) -> str:
    """Text in which what the official normaliser reads wrong is already in words; letters of other scripts are gone."""
    text = _MIXED.sub("又", text)
    text = _COMPATIBLE.sub(lambda found: _plain_form(found[0]), text).translate(_ZEROS).translate(simplified_table())
    text = _WIDE_COLON.sub(":", _ADDRESS.sub("", text)).translate({ord(sign): words for sign, words in _RARE.items()})
    for pattern, spoken in _STEPS:
        text = pattern.sub(spoken, text)
    return _SLASH.sub("", _FOREIGN.sub("", text))


def _plain_form(sign: str) -> str:
    return sign if sign in _KEPT_WIDE else unicodedata.normalize("NFKC", sign)


def _number(text: str) -> str:
    """A number as it is written: every digit after the point is read."""
    whole, _, part = text.removeprefix("-").partition(".")
    words = cardinal(whole) + (f"点{digit_by_digit(part)}" if part else "")
    return f"负{words}" if text.startswith("-") else words


def _telephone(written: str) -> str:
    """Digit by digit, with a short pause where the number is parted."""
    return "，".join(map(telephone_digits, re.findall(r"\d+", written)))


def _date(parts: list[str]) -> str:
    year, month, day = parts
    return f"{digit_by_digit(year)}年{cardinal(month)}月{cardinal(day)}日"


def _clock(parts: tuple[str | None, ...]) -> str:
    hour, minute, second = parts
    return clock_words(str(hour), str(minute), second, is_half=minute == "30" and second is None)


def _range(low: str, low_unit: str | None, high: str, high_unit: str | None) -> str:
    """三到五; a unit that stands once belongs to both, but is read once, as one speaks."""
    if high_unit in _SHARES:
        return f"{_SHARES[high_unit]}{_number(low)}到{_SHARES[high_unit]}{_number(high)}"
    units = [_UNITS.get(unit or "", "") for unit in (low_unit, high_unit)]
    return f"{_number(low)}{units[0]}到{_number(high)}{units[1]}"


def _scientific(minus: str, number: str, below: str, power: str) -> str:
    """一乘以十的负五次方 of 1e-5."""
    return f"{'负' * bool(minus)}{_number(number)}乘以十的{'负' * (below == '-')}{cardinal(power)}次方"


def _measured(minus: str, number: str, unit: str) -> str:
    name = _UNITS[unit]
    below = "零下" if name in _TEMPERATURE else "负"
    return f"{below * bool(minus)}{_number(number)}{name}"
