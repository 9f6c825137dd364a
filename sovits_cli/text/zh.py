"""Chinese: the two steps of its front end, ours or the official program's.

Readings of characters come from G2PW where its weights are installed and the symbol table is the later one, from
pypinyin otherwise. Official: GPT-SoVITS `text/chinese2.py` (`g2p`, `_g2p`, `text_normalize`), `text/chinese.py` for the
first symbol table; facts of `text/opencpop-strict.txt` and `text/g2pw/polyphonic.rep`.
"""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from sovits_cli.errors import TextError
from sovits_cli.text import en_abbreviations, symbols, zh_g2pw, zh_normal, zh_official
from sovits_cli.text.resources import once
from sovits_cli.text.zh_tones import apply_erhua, apply_sandhi, merge_for_sandhi
from sovits_cli.text.zh_words import tag_words
from sovits_cli.versions import SymbolTable

# Syllables as phones: pinyin with a tone to the two symbols of the official table. Which syllables there are, and what
# their finals are called: GPT-SoVITS `text/opencpop-strict.txt` (facts).

_ONSETS = """
AA: a ai an ang ao
b: a ai an ang ao ei en eng i ian iao ie in ing o u
c: a ai an ang ao e ei en eng i ong ou u uan ui un uo
ch: a ai an ang ao e en eng i ong ou u ua uai uan uang ui un uo
d: a ai an ang ao e ei en eng i ia ian iao ie ing iu ong ou u uan ui un uo
EE: e ei en eng er
f: a an ang ei en eng o ou u
g: a ai an ang ao e ei en eng ong ou u ua uai uan uang ui un uo
h: a ai an ang ao e ei en eng ong ou u ua uai uan uang ui un uo
j: i ia ian iang iao ie in ing iong iu u v uan van ue ve un vn
k: a ai an ang ao e ei en eng ong ou u ua uai uan uang ui un uo
l: a ai an ang ao e ei eng i ia ian iang iao ie in ing iu o ong ou u uan un uo v ve
m: a ai an ang ao e ei en eng i ian iao ie in ing iu o ou u
n: a ai an ang ao e ei en eng i ian iang iao ie in ing iu ong ou u uan un uo v ve
OO: o ou
p: a ai an ang ao ei en eng i ian iao ie in ing o ou u
q: i ia ian iang iao ie in ing iong iu u v uan van ue ve un vn
r: an ang ao e en eng i ong ou u ua uan ui un uo
s: a ai an ang ao e en eng i ong ou u uan ui un uo
sh: a ai an ang ao e ei en eng i ou u ua uai uan uang ui un uo
t: a ai an ang ao e ei eng i ian iao ie ing ong ou u uan ui un uo
w: a ai an ang ei en eng o u
x: i ia ian iang iao ie in ing iong iu u v uan van ue ve un vn
y: a an ang ao e i in ing o ong ou u v uan van ue ve un vn
z: a ai an ang ao e ei en eng i ong ou u uan ui un uo
zh: a ai an ang ao e ei en eng i ong ou u ua uai uan uang ui un uo
"""
"""Initial symbol: the finals that may follow it, as pinyin writes them. AA, EE and OO stand before a bare vowel."""

_RENAMED = {
    **{(onset, "i"): "i0" for onset in ("z", "c", "s")},
    **{(onset, "i"): "ir" for onset in ("zh", "ch", "sh", "r")},
    **{(onset, f"u{rest}"): f"v{rest}" for onset in ("j", "q", "x", "y") for rest in ("", "an", "e", "n")},
    ("y", "an"): "En",
    ("y", "e"): "E",
}
"""Finals whose spelling hides their sound."""

_AFTER_ONSET = {"uei": "ui", "iou": "iu", "uen": "un"}
_ALONE = {"ing": "ying", "i": "yi", "in": "yin", "u": "wu"}
_GLIDES = {"v": "yu", "e": "e", "i": "y", "u": "w"}
_SYLLABIC = {"m": "mu", "n": "en", "ng": "en", "hm": "hen", "hng": "heng", "ê": "ei"}
"""Syllables without a vowel, which the table lacks: the nearest that it has."""

_PINYIN = re.compile(r"([a-zêü]+)([1-5])")  # chong2, lü4


@lru_cache(maxsize=4096)
def syllable_phones(onset: str, rime: str) -> tuple[str, str] | None:
    """Two symbols of a syllable split in the strict manner ("", "uei4"); None if there is no such syllable."""
    final, tone = rime[:-1], rime[-1:]
    if tone not in tuple("12345"):
        return None
    found = _syllables().get(_spelt(onset, final))
    return (found[0], found[1] + tone) if found else None


@lru_cache(maxsize=4096)
def nearest_syllable(pinyin: str) -> tuple[str, str] | None:
    """Two symbols of a syllable as it is spelt with its tone ("hng5"), or of the nearest there is; None if none is."""
    parts = _PINYIN.fullmatch(pinyin)
    if parts is None:
        return None
    spelling = parts[1].replace("ü", "v")
    found = _syllables().get(_SYLLABIC.get(spelling, spelling))
    return (found[0], found[1] + parts[2]) if found else None


def _spelt(onset: str, final: str) -> str:
    """Pinyin of a strictly split syllable, as `_g2p` of `text/chinese2.py` spells it for the table.

    "g" "uei" -> gui     "j" "iou" -> jiu     "" "uei" -> wei     "" "iou" -> you     "" "van" -> yuan     "" "i" -> yi
    """
    if onset:
        return onset + _AFTER_ONSET.get(final, final)
    if final in _ALONE:
        return _ALONE[final]
    return _GLIDES.get(final[:1], final[:1]) + final[1:]


@once
def _syllables() -> dict[str, tuple[str, str]]:
    """Spelling -> initial symbol, final symbol without its tone."""
    found = {}
    for line in _ONSETS.strip().splitlines():
        onset, _, finals = line.partition(": ")
        for final in finals.split():
            spelling = final if onset.isupper() else onset + final
            found[spelling] = (onset, _RENAMED.get((onset, final), final))
    return found


# Words that segmentation and pypinyin get wrong: GPT-SoVITS `text/g2pw/polyphonic.rep` (facts). Its long companion is
# read where it was put beside the G2PW weights.

FILES = ("polyphonic.rep", "polyphonic-fix.rep")

_WORDS = """
湖泊 hu2 po1, 地壳 di4 qiao4, 柏树 bai3 shu4, 曝光 bao4 guang1, 弹力 tan2 li4, 字帖 zi4 tie4, 口吃 kou3 chi1,
包扎 bao1 za1, 哪吒 ne2 zha1, 说服 shuo1 fu2, 识字 shi2 zi4, 骨头 gu3 tou5, 对称 dui4 chen4, 口供 kou3 gong4,
抹布 ma1 bu4, 露背 lu4 bei4, 圈养 juan4 yang3, 眼眶 yan3 kuang4, 品行 pin3 xing2, 颤抖 chan4 dou3,
差不多 cha4 bu5 duo1, 鸭绿江 ya1 lu4 jiang1, 撒切尔 sa4 qie4 er3, 比比皆是 bi3 bi3 jie1 shi4,
身无长物 shen1 wu2 chang2 wu4, 手里 shou2 li3, 关卡 guan1 qia3, 怀揣 huai2 chuai1, 挑剔 tiao1 ti4,
供称 gong4 cheng1, 作坊 zuo1 fang5, 中医 zhong1 yi1, 嚷嚷 rang1 rang5, 商厦 shang1 sha4, 大厦 da4 sha4,
刹车 sha1 che1, 嘚瑟 de4 se5, 朝鲜 chao2 xian3, 阿房宫 e1 pang2 gong1, 阿胶 e1 jiao1, 咖喱 ga1 li5,
时分 shi2 fen1, 蚌埠 beng4 bu4, 驯服 xun4 fu2, 幸免于难 xing4 mian3 yu2 nan4, 恶行 e4 xing2, 唉 ai4,
扎实 zha1 shi2, 干将 gan4 jiang4, 陈威行 chen2 wei1 hang2, 郭晟 guo1 sheng4, 中标 zhong4 biao1,
抗住 kang2 zhu4
"""


def polyphone_reading(word: str) -> list[str] | None:
    """Pinyin of each character of a word of the table, with its tone ("ga1"); None where the table has no such word."""
    return _polyphones().get(word)


@once
def _polyphones() -> dict[str, list[str]]:
    items = (item.split() for item in _WORDS.replace("\n", " ").split(", "))
    found = {word: list(pinyin) for word, *pinyin in items}
    folder = zh_g2pw.g2pw_folder()
    for name in FILES:
        if (folder / name).is_file():
            found.update(_load_rep(folder / name))
    return found


def _load_rep(path: Path) -> dict[str, list[str]]:
    """Lines of `word: ['pin1', 'yin1']`."""
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        word, _, listed = line.partition(":")
        if not line.strip():
            continue
        try:
            pinyin = ast.literal_eval(listed.strip())
        except (ValueError, SyntaxError) as error:
            raise TextError(
                f"{path} line {number}: expected word: ['pin1', 'yin1']", hint=f"mend it: {path}"
            ) from error
        if len(pinyin) == len(word.strip()):
            found[word.strip()] = list(map(str, pinyin))
    return found


# The way of a text:
#
#   "我有3个。" --zh_normal, zh_official--> "我有三个." --pieces between marks--> words (jieba) --merge_for_sandhi-->
#   我 | 有 | 三个    readings by G2PW, a table of words, or pypinyin    onsets "" "" s g, rimes uo3 iou3 an1 e4
#                    apply_sandhi, apply_erhua                          rimes uo3 iou3 an1 e5
#                    syllable_phones                                    w o3 y ou3 s an1 g e5, and "." for the mark

SILENCES = {"￥": "\ue002", "^": "\ue003"}
"""Signs that the official program takes for a pause, which then all commas become (`frontend.SILENCES`)."""

_HAN = "一-龥"
_READABLE = re.compile(rf"[{_HAN}〇\dΑ-Ωα-ω①-⑩%+=×÷‰½-¾]")
_REWRITTEN = str.maketrans("嗯呣", "恩母")
_MARKS = str.maketrans("：；，。！？·、$/—~～", ",,,.!?,,.,-……")
_UNREAD = re.compile(rf"[^{_HAN}!?…,.\-]")
_REPEATED = re.compile(r"([!?…,.\-])[!?…,.\-]+")
_ONE_BY_ONE: Any = list
"""What pypinyin does with characters it cannot read: each is its own item."""

_PIECE = re.compile(r"[^!?…,.\-\ue002\ue003]*[!?…,.\-\ue002\ue003]?")


class Chinese:
    """The Chinese front end: the only language with text features, so phones are counted for each character."""

    def readable(self, text: str) -> bool:
        """Whether there is a character or a number that Chinese can read."""
        return _READABLE.search(text) is not None

    def ends_sentence(self, before: str, after: str) -> bool:
        """Whether the mark at the end of `before` closes a sentence; a full stop of Latin script may be another."""
        return before[-1:] != "." or (not after[:1].islower() and en_abbreviations.dot_ends_sentence(before, after))

    def normalise(self, text: str, *, compat: bool) -> str:
        """Write out numbers and signs; drop what cannot be read."""
        if not compat:
            return punctuated(zh_official.official_sentences(zh_normal.prepare_chinese(text)))
        sign = next((sign for sign in SILENCES if sign in text), None)
        if sign is None:
            return punctuated(zh_official.official_sentences(text))
        return punctuated(zh_official.official_sentences(text.replace(sign, ","))).replace(",", SILENCES[sign])

    def phones(self, norm: str, table: SymbolTable, *, compat: bool) -> tuple[list[str], list[int]]:
        """Phones of a normalised text, two a character and one a mark."""
        found: list[str] = []
        counts: list[int] = []
        for piece in filter(str.strip, _PIECE.findall(norm)):
            for sounds in _piece(piece, table, compat=compat):
                found += sounds
                counts.append(len(sounds))
        return found, counts


def punctuated(sentences: list[str]) -> str:
    """Sentences joined, with the six marks that have a symbol; everything else that is not read is dropped.

    Official: `text/chinese2.py`, `replace_punctuation` and `replace_consecutive_punctuation`.
    """
    text = "".join(sentences).translate(_REWRITTEN).replace("...", "…").translate(_MARKS)
    return _REPEATED.sub(r"\1", _UNREAD.sub("", text))


def _piece(text: str, table: SymbolTable, *, compat: bool) -> list[tuple[str, ...]]:
    """Phones of each character of a piece between two marks; a mark at its end is one of its characters."""
    model = zh_g2pw.installed_g2pw() if table is not SymbolTable.V1 else None
    readings = model.readings(text) if model else None
    sounds: list[tuple[str, ...]] = []
    for word in merge_for_sandhi(tag_words(text), _rimes):
        start = len(sounds)
        own = readings[start : start + len(word.text)] if readings else None
        onsets, rimes = _split(word.text, own, compat=compat)
        rimes = apply_sandhi(word, rimes, compat=compat)
        if table is not SymbolTable.V1:
            rimes = apply_erhua(word, rimes)
        sounds += [_sounds(*syllable, compat=compat) for syllable in zip(word.text, onsets, rimes, strict=True)]
    return sounds


def _split(text: str, readings: list[str] | None, *, compat: bool) -> tuple[list[str], list[str]]:
    """Onset and rime of each character of a word, as pypinyin splits them: you3 -> "", iou3.

    Args:
        text: the word.
        readings: of G2PW, where it was asked.
        compat: without G2PW the official program knows no table of words.
    """
    known = polyphone_reading(text) if readings is not None or not compat else None
    if known is None and readings is None:
        return _pypinyin(text)
    found = known or readings or []
    return [_onset(pinyin) for pinyin in found], [_rime(pinyin) for pinyin in found]


def _rimes(text: str) -> list[str]:
    return _pypinyin(text)[1]


@lru_cache(maxsize=65536)
def _pypinyin(text: str) -> tuple[list[str], list[str]]:
    """Onsets and rimes of a word by itself."""
    from pypinyin import Style, lazy_pinyin

    onsets = lazy_pinyin(text, style=Style.INITIALS, neutral_tone_with_five=True, errors=_ONE_BY_ONE)
    rimes = lazy_pinyin(text, style=Style.FINALS_TONE3, neutral_tone_with_five=True, errors=_ONE_BY_ONE)
    return onsets, rimes


@lru_cache(maxsize=4096)
def _onset(pinyin: str) -> str:
    from pypinyin.contrib.tone_convert import to_initials

    return str(to_initials(pinyin, strict=True)) if pinyin[:1].isascii() and pinyin[:1].isalpha() else pinyin


@lru_cache(maxsize=4096)
def _rime(pinyin: str) -> str:
    from pypinyin.contrib.tone_convert import to_finals_tone3

    if not (pinyin[:1].isascii() and pinyin[:1].isalpha()):
        return pinyin
    return str(to_finals_tone3(pinyin, strict=True, neutral_tone_with_five=True))


def _sounds(character: str, onset: str, rime: str, *, compat: bool) -> tuple[str, ...]:
    """Phones of one character."""
    if character in symbols.PUNCTUATION or character in SILENCES.values():
        return (character,)
    found = syllable_phones(onset, rime)
    if found is not None:
        return found
    if compat:
        raise TextError(f"the official program fails at {character!r}: it has no phones for it", hint="leave it out")
    return nearest_syllable(_tone3(character)) or (symbols.UNKNOWN,)


def _tone3(character: str) -> str:
    from pypinyin import Style, lazy_pinyin

    return str(lazy_pinyin(character, style=Style.TONE3, neutral_tone_with_five=True)[0])
