"""Cantonese: text normalised as Chinese, read by ToJyutping, written with the symbols that begin with Y.

Onsets and signs are those of GPT-SoVITS `text/cantonese.py` (facts).
"""

from __future__ import annotations

import re
import warnings
from typing import Any

from sovits_cli.errors import TextError
from sovits_cli.text import symbols, zh_normal, zh_official
from sovits_cli.text.resources import once
from sovits_cli.text.zh import Chinese
from sovits_cli.versions import SymbolTable

_MARKS = str.maketrans("：；，·、。！？\n$～~—", ",,,,,.!?..---")
_UNREAD = re.compile(r"[^一-龥!?…,.\-]")
_UNREAD_OURS = re.compile(r"[^\u3400-\u9fff\U00020000-\U0003ffff!?…,.\-]")
_SYLLABLE = re.compile(r"([a-z]+)([1-6])")  # cung4
_ONSETS = (
    "aa",
    "ai",
    "au",
    "ap",
    "at",
    "ak",
    "a",
    "p",
    "b",
    "e",
    "ts",
    "t",
    "dz",
    "d",
    "kw",
    "k",
    "gw",
    "g",
    "f",
    "h",
    "l",
    "m",
    "ng",
    "n",
    "s",
    "y",
    "w",
    "c",
    "z",
    "j",
    "ong",
    "on",
    "ou",
    "oi",
    "ok",
    "o",
    "uk",
    "ung",
    "sp",
    "spl",
    "spn",
    "sil",
)
"""What a syllable may begin with, in the order in which it is tried (official: 啊 is aa and a)."""


class Cantonese(Chinese):
    """The Cantonese front end. Its models take no text features."""

    def normalise(self, text: str, *, compat: bool) -> str:
        """Write out numbers and signs as in Chinese; drop what cannot be read. Runs of marks stay as they are."""
        sentences = zh_official.official_sentences(text if compat else zh_normal.prepare_chinese(text))
        marked = "".join(sentences).replace("...", "…").translate(_MARKS)
        return (_UNREAD if compat else _UNREAD_OURS).sub("", marked)

    def phones(self, norm: str, table: SymbolTable, *, compat: bool) -> tuple[list[str], list[int]]:
        """Phones of a normalised text, two a character and one a mark."""
        known = symbols.known(table)
        found: list[str] = []
        counts: list[int] = []
        for character, jyutping in _readings(norm):
            sounds = _sounds(character, jyutping, known, compat=compat)
            found += [phone for each in sounds for phone in each]
            counts += [len(each) for each in sounds]
        return found, counts


def _sounds(character: str, jyutping: str | None, known: frozenset[str], *, compat: bool) -> list[tuple[str, ...]]:
    """Phones of each character of an item that ToJyutping read at once."""
    if character in symbols.PUNCTUATION:
        return [(character,)]
    syllables = _SYLLABLE.findall(jyutping or "")
    if len(syllables) == len(character):
        return [syllable(sound, tone, known, compat=compat) for sound, tone in syllables]
    if compat:
        raise TextError(f"the official program fails at {character!r}: it has no reading", hint="leave it out")
    return [(symbols.UNKNOWN,)] * len(character)


def syllable(sound: str, tone: str, known: frozenset[str], *, compat: bool) -> tuple[str, str]:
    """The two symbols of a syllable. Where the official split gives one that no table has, ours takes the nearest.

    Args:
        sound: jyutping without its tone, "cung".
        tone: "1" to "6".
        known: symbols of the table.
        compat: split as the official program does, whatever comes out.
    """
    onset = next((onset for onset in _ONSETS if sound.startswith(onset)), sound[:1])
    rime = sound[len(onset) :] or onset[-1]
    phones = (f"Y{onset}", f"Y{rime}{tone}")
    if compat or set(phones) <= known:
        return phones
    whole = f"Y{sound}{tone}"
    return (f"Y{sound[0]}", whole) if {f"Y{sound[0]}", whole} <= known else phones


def jyutping_phones(jyutping: str) -> tuple[str, str] | None:
    """The two symbols of a syllable with its tone, "cung4"; None if there is no such syllable."""
    if _SYLLABLE.fullmatch(jyutping) is None:
        return None
    known = symbols.known(SymbolTable.V2)
    found = syllable(jyutping[:-1], jyutping[-1], known, compat=False)
    return found if set(found) <= known else None


def _readings(text: str) -> list[tuple[str, str | None]]:
    if not text:
        return []
    return [(str(character), None if jyutping is None else str(jyutping)) for character, jyutping in _read()(text)]


@once
def _read() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ToJyutping
    return ToJyutping.get_jyutping_list
