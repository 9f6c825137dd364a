"""Mandarin syllables as phones: pinyin with a tone to the two symbols of the official table.

Source: GPT-SoVITS `text/opencpop-strict.txt` (facts: which syllables there are, and what their finals are called).
"""

from __future__ import annotations

import re
from functools import lru_cache

from sovits_cli.text.once import once

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

_PINYIN = re.compile(r"([a-zêü]+)([1-5])")


@lru_cache(maxsize=4096)
def phones(onset: str, rime: str) -> tuple[str, str] | None:
    """Two symbols of a syllable split in the strict manner ("", "uei4"); None if there is no such syllable."""
    final, tone = rime[:-1], rime[-1:]
    if tone not in tuple("12345"):
        return None
    found = _table().get(_spelt(onset, final))
    return (found[0], found[1] + tone) if found else None


@lru_cache(maxsize=4096)
def nearest(pinyin: str) -> tuple[str, str] | None:
    """Two symbols of a syllable as it is spelt with its tone ("hng5"), or of the nearest there is; None if none is."""
    parts = _PINYIN.fullmatch(pinyin)
    if parts is None:
        return None
    spelling = parts[1].replace("ü", "v")
    found = _table().get(_SYLLABIC.get(spelling, spelling))
    return (found[0], found[1] + parts[2]) if found else None


def _spelt(onset: str, final: str) -> str:
    """Pinyin of a strictly split syllable: "", "uei" is wei; "g", "uei" is gui."""
    if onset:
        return onset + _AFTER_ONSET.get(final, final)
    if final in _ALONE:
        return _ALONE[final]
    return _GLIDES.get(final[:1], final[:1]) + final[1:]


@once
def _table() -> dict[str, tuple[str, str]]:
    """Spelling -> initial symbol, final symbol without its tone."""
    found = {}
    for line in _ONSETS.strip().splitlines():
        onset, _, finals = line.partition(": ")
        for final in finals.split():
            spelling = final if onset.isupper() else onset + final
            found[spelling] = (onset, _RENAMED.get((onset, final), final))
    return found
