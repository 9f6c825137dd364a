"""Chinese: the two steps of its front end, ours or the official program's.

Readings of characters come from G2PW where its weights are installed and the symbol table is the later one, from
pypinyin otherwise. Official: `text/chinese2.py` (`g2p`, `_g2p`, `text_normalize`), `text/chinese.py` for the first
symbol table.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from sovits_cli.errors import TextError
from sovits_cli.text import en_abbreviations, symbols, zh_g2pw, zh_normal, zh_official, zh_pinyin
from sovits_cli.text.zh_tones import apply_erhua, apply_sandhi, merge_for_sandhi
from sovits_cli.text.zh_words import tag_words
from sovits_cli.versions import SymbolTable

# The way of a text:
#
#   "我有3个。" --zh_normal, zh_official--> "我有三个." --pieces between marks--> words (jieba) --merge_for_sandhi-->
#   我 | 有 | 三个    readings by G2PW, a table of words, or pypinyin    onsets "" "" s g, rimes uo3 iou3 an1 e4
#                    apply_sandhi, apply_erhua                          rimes uo3 iou3 an1 e5
#                    zh_pinyin                                          w o3 y ou3 s an1 g e5, and "." for the mark

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
    known = zh_pinyin.polyphone_reading(text) if readings is not None or not compat else None
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
    found = zh_pinyin.syllable_phones(onset, rime)
    if found is not None:
        return found
    if compat:
        raise TextError(f"the official program fails at {character!r}: it has no phones for it", hint="leave it out")
    return zh_pinyin.nearest_syllable(_tone3(character)) or (symbols.UNKNOWN,)


def _tone3(character: str) -> str:
    from pypinyin import Style, lazy_pinyin

    return str(lazy_pinyin(character, style=Style.TONE3, neutral_tone_with_five=True)[0])
