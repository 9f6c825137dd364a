"""Pinyin: Mandarin syllables as phones, and words whose characters are read otherwise than usual.

Source: GPT-SoVITS `text/opencpop-strict.txt` and `text/g2pw/polyphonic.rep` (facts).
"""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path

from sovits_cli.errors import TextError
from sovits_cli.text import zh_g2pw
from sovits_cli.text.resources import once

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
