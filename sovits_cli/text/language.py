"""A row of the table of languages: all that is particular to a language beside its front end.

Another package brings a language by a row of its own:

    from sovits_cli.text.language import WESTERN, Language
    from sovits_cli.text.scripts import LATIN

    ROW = Language(code="es", name="Spanish", frontend="sovits_es.spanish:Spanish", scripts=(LATIN,), marks=WESTERN,
                   tables=frozenset({SymbolTable.V2}), phones=PHONES, own_letters="ñ¿¡", conjunctions=("y", "o", "que"))

and by an entry point in its pyproject.toml, whose name is the code:

    [project.entry-points."sovits.languages"]
    es = "sovits_es:ROW"

`frontend` names a class that fulfils `frontend.Frontend`; its phones are symbols of the official tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from importlib import import_module
from typing import Any

from sovits_cli.versions import SymbolTable

# Scripts: which letters belong to one, and how its words stand in a line.


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


# Older encodings of texts, and the characters by which they are told.


@dataclass(frozen=True)
class Charset:
    """An older encoding.

    Args:
        name: as Python calls it.
        is_everyday: whether a character, whose first byte is given too, is one of its everyday ones.
        commonest: characters that nearly every text in it has.
    """

    name: str
    is_everyday: Callable[[str, int], bool]
    commonest: str


def _is_kana(character: str) -> bool:
    return "ぁ" <= character <= "ヺ" or character == "ー"


_KANA = "のにはをたがでてとしれさいるなもかっらりこくう、。"
_LATIN_LETTERS = "ÀÁÂÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÖØÙÚÜàáâäåæçèéêëìíîïñòóôöøùúüß–—‘’“”…€£°«»¿¡Œœ"

EUC_KR = Charset(
    "euc_kr",
    lambda character, lead: "가" <= character <= "힣" or 0xA1 <= lead <= 0xA3,
    "이다는은을를가에의고지하니기로도나어아시사인한요안녕세습합있그",
)
SHIFT_JIS = Charset("shift_jis", lambda sign, lead: _is_kana(sign) or lead == 0x81 or 0x88 <= lead <= 0x97, _KANA)
EUC_JP = Charset("euc_jp", lambda sign, lead: _is_kana(sign) or lead == 0xA1 or 0xB0 <= lead <= 0xCF, _KANA)
BIG5 = Charset("big5", lambda _, lead: 0xA1 <= lead <= 0xC6, "的一是不了人我在有他這中大來上個國到說們為你好，。")
GB18030 = Charset(
    "gb18030",
    lambda _, lead: 0xA1 <= lead <= 0xA3 or 0xB0 <= lead <= 0xD7,
    "的一是不了人我在有他这中大来上个国到说们为你好，。",
)
CP1252 = Charset("cp1252", lambda character, _: character in _LATIN_LETTERS, "éèàçäöüß’“”")


@dataclass(frozen=True)
class Marks:
    """Punctuation at which a text may be cut; "…" and dashes are everybody's.

    Args:
        sentence: marks that close a sentence; the front end says which of them really do.
        clause: marks that close a clause, like ";".
        comma: the weakest.
        spaced: whether white space must follow them.
    """

    sentence: str
    clause: str
    comma: str
    spaced: bool = True


WESTERN = Marks(".!?", ";:", ",")
EAST_ASIAN = Marks("。！？", "；：", "，、", spaced=False)


@dataclass(frozen=True)
class Syllables:
    """How people write the phones of a language by syllables, in lexicons and in `[word|…]`.

    Args:
        name: what the syllables are called.
        example: a word with its syllables.
        to_phones: "module:function" from a syllable to its phones, None where it is none.
    """

    name: str
    example: str
    to_phones: str


@dataclass(frozen=True)
class Language:
    """One row. What is "module:name" is loaded on first use.

    Args:
        code: ISO 639, and the name of the extra that installs `packages`.
        name: in English.
        frontend: "module:class" of its `Frontend`.
        tables: the symbol tables that can write its phones.
        scripts: what it is written in, its own before one that it shares. A script is read in the first language of
            the table that has it, unless the mode names another; a language with Latin letters reads all of a text.
        packages: modules its front end imports that the base install does not bring.
        has_bert: whether the official models were trained with text features for it; zeros elsewhere.
        marks: at which its texts are cut.
        conjunctions: words before which a sentence that is too long may be cut.
        after_quotation: regular expression of what, after a quotation that has just closed, goes on with the sentence.
        decides_full_stops: whether its front end says which ones end a sentence in texts of several languages; if not,
            that of the Latin letters does.
        own_letters: letters by which a text is told to be in it, and not in another language of the same script.
        word_ends: "module:function" from a stretch to positions at which words end, where no spaces do; None where
            the stretch is not in this language.
        charsets: older encodings of its texts, the one that fits most bytes first.
        recogniser: what speech recognisers call it, the best first; empty: `code`.
        aliases: other codes of it in transcript lists (official ones that differ from ours).
        phones: symbols that words of it are made of, marks of pitch among them.
        syllables: how its phones are written by syllables, where that is the custom.
        word_phones: "module:function" from a normalised text to its words, marks among them, each with the number of
            its phones; empty where characters have phones of their own, or nothing tells.
        guesses: "module:function" from a normalised text to the words whose reading is a guess.
        origin: the package that registered it, and its version; empty for our own.
    """

    code: str
    name: str
    frontend: str
    tables: frozenset[SymbolTable]
    scripts: tuple[UnicodeScript, ...]
    packages: tuple[str, ...] = ()
    has_bert: bool = False
    marks: Marks = WESTERN
    conjunctions: tuple[str, ...] = ()
    after_quotation: str = ""
    decides_full_stops: bool = True
    own_letters: str = ""
    word_ends: str = ""
    charsets: tuple[Charset, ...] = ()
    recogniser: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    phones: frozenset[str] = frozenset()
    syllables: Syllables | None = None
    word_phones: str = ""
    guesses: str = ""
    origin: str = ""

    @property
    def recogniser_codes(self) -> tuple[str, ...]:
        """What speech recognisers call it, the best first."""
        return self.recogniser or (self.code,)


@lru_cache(maxsize=256)
def load_object(reference: str) -> Any:
    """What a "module:name" names."""
    module, _, name = reference.partition(":")
    return getattr(import_module(module), name)
