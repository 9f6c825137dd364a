"""Japanese text as it is read: dates, times, money, units and signs in words; what cannot be read is dropped.

Whole numbers, decimals and telephone numbers are left to OpenJTalk, which knows the sounds of their counters.
"""

from __future__ import annotations

import re
import unicodedata

from sovits_cli.text.wordlists import pairs

UNITS = pairs(
    "km=キロメートル cm=センチメートル mm=ミリメートル nm=ナノメートル μm=マイクロメートル m=メートル "
    "kg=キログラム mg=ミリグラム g=グラム t=トン L=リットル l=リットル ml=ミリリットル mL=ミリリットル "
    "dl=デシリットル kcal=キロカロリー cal=カロリー "
    "GB=ギガバイト MB=メガバイト KB=キロバイト TB=テラバイト GHz=ギガヘルツ MHz=メガヘルツ kHz=キロヘルツ Hz=ヘルツ "
    "kW=キロワット kWh=キロワットアワー W=ワット V=ボルト hPa=ヘクトパスカル dB=デシベル °C=度 °F=度 °=度 %=パーセント"
)
"""Signs after a number."""

CURRENCIES = pairs("¥=円 $=ドル €=ユーロ £=ポンド ₩=ウォン ₹=ルピー")

_SIGNS = {"+": "プラス", "×": "かける", "÷": "わる", "=": "イコール", "&": "アンド", "@": "アットマーク"}

KEPT_MARKS = "、。！？…"
"""Marks that are heard as a pause, and the only ones left."""

_MARKS = {
    **dict.fromkeys(",;:；：·()（）[]{}〔〕［］【】―—─", "、"),
    **dict.fromkeys(".｡\u2029", "。"),
    "!": "！",
    "?": "？",
}
_SHAPES = str.maketrans({"…": "\ue000", "‥": "\ue000"})
_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_UNIT = re.compile(rf"(?<=\d)\s?({'|'.join(sorted(map(re.escape, UNITS), key=len, reverse=True))})([23])?(?![A-Za-z])")
_RATE = re.compile(r"(?<=\d)\s?(km|m)/(h|s)(?![A-Za-z])")
_MONEY = re.compile(rf"([{''.join(CURRENCIES)}])\s?({_NUMBER})")
_DATE = re.compile(r"(?<!\d)(\d{4})([/-])(\d{1,2})\2(\d{1,2})(?!\d)")
_TIME = re.compile(r"(?<!\d)([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?!\d)")
_FRACTION = re.compile(r"(?<![\d/])(\d+)/(\d+)(?![\d/])")
_RANGE = re.compile(
    r"(?<=[\d\u4e00-\u9fff])\s?[〜~]\s?(?=[\d\u4e00-\u9fff$¥€£₩])"
    r"|(?<![\d-])([1-9]\d{0,3})-(?=[1-9]\d{0,3}(?![\d-]))"
)
_MINUS = re.compile(r"(?<![A-Za-z\d-])[-−](?=\d)")
_ADDRESS = re.compile(r"https?://(?:www\.)?")
_DOT = re.compile(r"(?<=[A-Za-z])\.(?=[A-Za-z])")
_OPERATOR = re.compile(r"(?<=[\w)])\s?([+×÷=])\s?(?=[\w(])|(?<!\w)([+])(?=\d)|([&@])")
_DRAWL = re.compile(r"(?<=[\u3041-\u30ff])[〜~]+")
_GROUPED = re.compile(r"(?<!\d)\d{1,3}(?:,\d{3})+(?!\d)")
_KEPT = re.compile(r"[^A-Za-z\d.\-々〆ゝゞヽヾ\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff、。！？… ]")
_STRAY = re.compile(r"(?<!\d)[.\-]+|[.\-]+(?!\d)")
_RUN = re.compile(rf"\s*([{KEPT_MARKS}])[{KEPT_MARKS}\s]*")


def normalise(text: str) -> str:
    """Text in which only kana, kanji, letters, numbers and the marks of `KEPT_MARKS` are left."""
    text = unicodedata.normalize("NFKC", text.translate(_SHAPES)).replace("\ue000", "…").replace("⁄", "/")
    text = re.sub(r"\s*\n\s*", "。", re.sub(r"\.{3,}|・{2,}", "…", text.strip()))
    text = _DATE.sub(r"\1年\3月\4日", _DOT.sub("ドット", _ADDRESS.sub("", text)))
    text = _GROUPED.sub(lambda number: number[0].replace(",", ""), _MINUS.sub("マイナス", _TIME.sub(_clock, text)))
    text = _MONEY.sub(_sum, _RANGE.sub(lambda found: f"{found[1] or ''}から", text))
    text = _RATE.sub(lambda found: f"{UNITS[found[1]]}毎{'時' if found[2] == 'h' else '秒'}", text)
    text = _UNIT.sub(_unit, _FRACTION.sub(r"\2分の\1", text))
    text = _OPERATOR.sub(lambda found: _SIGNS[found[1] or found[2] or found[3]], text)
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
    hour, minute, second = (part and str(int(part)) for part in found.groups())
    spoken = f"{hour}時" + (f"{minute}分" if minute != "0" or second else "")
    return spoken + (f"{second}秒" if second else "")


def _sum(found: re.Match[str]) -> str:
    amount = found[2].replace(",", "")
    return (amount.rstrip("0").rstrip(".") if "." in amount else amount) + CURRENCIES[found[1]]


def _unit(found: re.Match[str]) -> str:
    power = {"2": "平方", "3": "立方", None: ""}[found[2]]
    return power + UNITS[found[1]]
