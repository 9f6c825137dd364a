"""Scripts: which letters belong to one, and how its words stand in a line. Knows no languages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class WordBreaks(Enum):
    """What stands between the words of a script."""

    SPACES = "spaces"
    SUFFIXES = "spaces, but particles follow a word directly"
    NONE = "nothing"


@dataclass(frozen=True)
class UnicodeScript:
    """One script.

    Args:
        name: in small letters, as Unicode names it where it has one name.
        letters: its letters, as they are written between the brackets of a regular expression: "а-яёА-ЯЁ".
        everyday: those of nearly every text, and marks that stand within its words, in the same form; empty: `letters`.
        breaks: what stands between its words.
        weights: first and last letter of a range, and how many Latin letters one of the range takes to say. What no
            range holds counts as one.
    """

    name: str
    letters: str
    everyday: str = ""
    breaks: WordBreaks = WordBreaks.SPACES
    weights: tuple[tuple[str, str, int], ...] = ()

    @property
    def pattern(self) -> re.Pattern[str]:
        """One of its letters."""
        return re.compile(f"[{self.letters}]")


LATIN = UnicodeScript("latin", "A-Za-zÀ-ɏḀ-ỿＡ-Ｚａ-ｚ")
KANA = UnicodeScript(
    "kana",
    "ぁ-ゖゝ-ゟァ-ヺー-ヿㇰ-ㇿｦ-ﾟ",
    everyday="ぁ-ヿ",
    breaks=WordBreaks.NONE,
    weights=(("ぁ", "ヿ", 2),),
)
HAN = UnicodeScript(
    "han",
    "々〇㐀-䶿一-鿿\uf900-\ufaff\U00020000-\U0003ffff",
    everyday="一-鿿",
    breaks=WordBreaks.NONE,
    weights=(("㐀", "鿿", 3), ("\U00020000", "\U0003ffff", 3)),
)
"""Written by several languages at once: what is around it tells which (`text.han`)."""

HANGUL = UnicodeScript(
    "hangul",
    "ᄀ-ᇿ\u3130-\u318fꥠ-\ua97f가-\ud7ff",
    everyday="가-힣",
    breaks=WordBreaks.SUFFIXES,
    weights=(("가", "힣", 3),),
)
