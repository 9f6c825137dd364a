"""Japanese text as it is read: dates, times, money, units and signs in words; what cannot be read is dropped.

Whole numbers, decimals and telephone numbers are left to OpenJTalk, which knows the sounds of their counters.
"""

from __future__ import annotations

import re
import unicodedata

from sovits_cli.text import number_signs as signs
from sovits_cli.text.resources import parse_pairs

UNITS = parse_pairs(
    "km=キロメートル cm=センチメートル mm=ミリメートル nm=ナノメートル μm=マイクロメートル m=メートル "
    "kg=キログラム mg=ミリグラム g=グラム t=トン L=リットル l=リットル ml=ミリリットル mL=ミリリットル "
    "dl=デシリットル kcal=キロカロリー cal=カロリー "
    "GB=ギガバイト MB=メガバイト KB=キロバイト TB=テラバイト GHz=ギガヘルツ MHz=メガヘルツ kHz=キロヘルツ Hz=ヘルツ "
    "kW=キロワット kWh=キロワットアワー W=ワット V=ボルト hPa=ヘクトパスカル dB=デシベル °C=度 °F=度 °=度 %=パーセント"
)
"""Signs after a number."""

CURRENCIES = parse_pairs("¥=円 $=ドル €=ユーロ £=ポンド ₩=ウォン ₹=ルピー")

_SIGNS = {"+": "プラス", "×": "かける", "÷": "わる", "=": "イコール", "&": "アンド", "@": "アットマーク"}

KEPT_MARKS = "、。！？…"
"""Marks that are heard as a pause, and the only ones left."""

_MARKS = {
    **dict.fromkeys(",;:；：·()（）[]{}〔〕［］【】―—─", "、"),
    **dict.fromkeys(".｡\u2029", "。"),
    "!": "！",
    "?": "？",
}
_UNIT = signs.unit_pattern(UNITS)
_MONEY = signs.money_pattern(CURRENCIES)
_DATE = re.compile(r"(?<!\d)(\d{4})([/-])(\d{1,2})\2(\d{1,2})(?!\d)")  # 2024/1/5
# 10〜20, 3-5
_RANGE = re.compile(
    r"(?<=[\d\u4e00-\u9fff])\s?[〜~]\s?(?=[\d\u4e00-\u9fff$¥€£₩])"
    r"|(?<![\d-])([1-9]\d{0,3})-(?=[1-9]\d{0,3}(?![\d-]))"
)
_ADDRESS = re.compile(r"https?://(?:www\.)?")
_DOT = re.compile(r"(?<=[A-Za-z])\.(?=[A-Za-z])")  # example.com
_DRAWL = re.compile(r"(?<=[\u3041-\u30ff])[〜~]+")  # ね〜
_KEPT = re.compile(r"[^A-Za-z\d.\-々〆ゝゞヽヾ\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff、。！？… ]")
_STRAY = re.compile(r"(?<!\d)[.\-]+|[.\-]+(?!\d)")  # a dot or a dash beside no digit
_RUN = re.compile(rf"\s*([{KEPT_MARKS}])[{KEPT_MARKS}\s]*")  # "！？", "、 。"


def normalise_japanese(text: str) -> str:
    """Text in which only kana, kanji, letters, numbers and the marks of `KEPT_MARKS` are left."""
    text = signs.MIXED.sub("と", text.translate(signs.ELLIPSES))
    text = signs.with_ellipses(unicodedata.normalize("NFKC", text))
    text = signs.SCIENTIFIC.sub(r"\1かける10の\2乗", text)
    text = re.sub(r"\s*\n\s*", "。", re.sub(r"\.{3,}|・{2,}", "…", text.strip()))
    text = _DATE.sub(r"\1年\3月\4日", _DOT.sub("ドット", _ADDRESS.sub("", text)))
    text = signs.ungrouped(signs.MINUS.sub("マイナス", signs.TIME.sub(_clock, text)))
    text = _MONEY.sub(_sum, _RANGE.sub(lambda found: f"{found[1] or ''}から", text))
    text = signs.RATE.sub(lambda found: f"{UNITS[found[1]]}毎{'時' if found[2] == 'h' else '秒'}", text)
    text = _UNIT.sub(_unit, signs.FRACTION.sub(r"\2分の\1", text))
    text = signs.OPERATOR.sub(lambda found: _SIGNS[signs.operator(found)], text)
    return _marks(_DRAWL.sub("ー", text))


def _marks(text: str) -> str:
    """Marks of all kinds to those kept, one for a run of them; what cannot be read is left out."""
    text = _STRAY.sub(lambda found: "。" if "." in found[0] else "、", text)
    text = _KEPT.sub(lambda sign: _MARKS.get(sign[0], ""), text)
    return _RUN.sub(lambda run: _strongest(run[0]), re.sub(" +", " ", text)).lstrip(" 、")


def _strongest(run: str) -> str:
    """Of several marks the one that says most: ！？ asks."""
    return next(mark for mark in "？！…。、" if mark in run)


def _clock(found: re.Match[str]) -> str:
    hour, minute, second = signs.clock(found)
    return f"{hour}時" + (f"{minute}分" if minute else "") + (f"{second}秒" if second else "")


def _sum(found: re.Match[str]) -> str:
    return signs.amount(found[2]) + CURRENCIES[found[1]]


def _unit(found: re.Match[str]) -> str:
    power = {"2": "平方", "3": "立方", None: ""}[found[2]]
    return power + UNITS[found[1]]
