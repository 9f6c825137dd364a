"""A row of the table of languages: all that is particular to a language beside its front end, its scripts above all.

Another package brings a language by a row of its own:

    from sovits_cli.text.language import LATIN, WESTERN, Language

    ROW = Language(code="es", name="Spanish", frontend="sovits_es.spanish:Spanish", scripts=(LATIN,), marks=WESTERN,
                   tables=frozenset({SymbolTable.V2}), phones=PHONES, own_letters="ñ¿¡", conjunctions=("y", "o", "que"))

and by an entry point in its pyproject.toml, whose name is the code:

    [project.entry-points."sovits.languages"]
    es = "sovits_es:ROW"

`frontend` names a class that fulfils `frontend.Frontend`; its phones are symbols of the official tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from importlib import import_module
from typing import Any

from sovits_cli.text.resources import POWER_OF_TEN
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
"""Written by several languages at once: what is around it tells which (`is_chinese`)."""

HANGUL = UnicodeScript(
    "hangul",
    "ᄀ-ᇿ\u3130-\u318fꥠ-\ua97f가-\ud7ff",
    everyday="가-힣",
    breaks=WordBreaks.SUFFIXES,
    weights=(("가", "힣", 3),),
)


# A text in runs of one script each: letters, digits, and the marks that belong to either.


class RunKind(Enum):
    """What a stretch is that has no letters of a known script."""

    DIGITS = "digits"
    UNKNOWN = "letters of another script"
    MARKS = "marks and white space, nothing else in the text"


_UNITS = "km/h|m/s|[cmk]?m[²³23]|[cmnk]?m|[mk]?g|m?[lL]|[kMG]?Hz|d[bB]|kWh?|ms|[KMGT]B|°[CF]"
_FRACTIONS = "¼-¾⅐-⅞"
_SYMBOL = r"[^\w\s!-/:-@\[-`{-~¡-¿‐-⁯、-〟＀-￯]"


@lru_cache(maxsize=32)
def _run_pattern(scripts: tuple[UnicodeScript, ...], *, is_official: bool) -> re.Pattern[str]:
    """A stretch of digits, of one of the scripts (`s0`, `s1`, …), of letters of others and of Latin ones, or a mark."""
    letter = rf"[^\W\d_{''.join(script.letters for script in scripts)}]"
    stretches = "|".join(f"(?P<s{position}>[{script.letters}]+)" for position, script in enumerate(scripts))
    if is_official:
        digits, word = r"\d+(?:[^\w\s]\d+)*", rf"(?:{letter}|{_SYMBOL}|(?<=\w)['’])+"
    else:
        unit = rf"(?:{_UNITS})(?!{letter}|\d)"
        power = rf"{POWER_OF_TEN}[+-]?\d+(?!{letter}|\d)"
        amount = rf"(?:\d+(?:[.,:/~～\-]\d+)*(?:{power}|\s?[{_FRACTIONS}])?|[{_FRACTIONS}])"
        number = rf"(?:(?<!\w)[-+−])?(?:(?:HK|US)?[$€£￥¥])?{amount}"
        sharp = rf"(?<!{letter}{letter})(?:#|\+\+)(?![A-Za-z])"  # C#, C++
        digits, word = rf"{number}(?:[%‰℃℉]|{unit})?", rf"{letter}+(?:['’]{letter}+)*(?:{sharp})?"
    return re.compile(rf"(?P<digits>{digits})|{stretches}|(?P<word>{word})|(?P<marks>.)", re.DOTALL)


_OPENING = re.compile(r"[“‘(（「『《【〈\[{#@$€£￥¥]+$")  # marks that belong to what follows


def script_runs(
    text: str, scripts: Sequence[UnicodeScript], *, is_official: bool
) -> Iterator[tuple[UnicodeScript | RunKind, str]]:
    """Stretches in order; joined they are the text.

    Marks and white space belong to what is before them, opening ones to what follows.

    Args:
        text: a sentence or so.
        scripts: those to be told apart.
        is_official: with marks and numbers as the official program takes them.
    """
    others = tuple(script for script in scripts if script != LATIN)
    kind: UnicodeScript | RunKind | None = None
    held, own = "", 0  # what is not yet given, and how much of it is no mark after its stretch
    for found in _run_pattern(others, is_official=is_official).finditer(text):
        group = str(found.lastgroup)
        if group == "marks":
            held += found[0]
            continue
        if kind:
            opening = None if is_official else _OPENING.search(held, own)
            cut = opening.start() if opening else len(held)
            yield kind, held[:cut]
            held = held[cut:]
        held += found[0]
        own = len(held)
        if group == "digits":
            kind = RunKind.DIGITS
        elif group == "word":
            kind = LATIN if LATIN.pattern.search(found[0]) else RunKind.UNKNOWN
        else:
            kind = others[int(group[1:])]
    if held:
        yield kind or RunKind.MARKS, held


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


# Han characters as Chinese or Japanese, told by the character sets that hold them.

_NEVER_JAPANESE = frozenset("你妳她這很吃喝哪呀吧們您啊嗎呢麼沒")
"""Everyday Chinese characters that Japanese character sets hold too."""

_KANA_PER_CHINESE = 10
"""A Japanese document may quote Chinese, but has more kana than so many for each Chinese character."""


@lru_cache(maxsize=32768)
def is_chinese(character: str) -> bool:
    """Whether only Chinese writes it: in a Chinese character set, in no Japanese one."""
    if character < "一" or character > "鿿":
        return False
    return character in _NEVER_JAPANESE or (
        not _is_in_charset("shift_jis", character)
        and (_is_in_charset("gb2312", character) or _is_in_charset("big5hkscs", character))
    )


@lru_cache(maxsize=32768)
def is_japanese(character: str) -> bool:
    """Whether only Japanese writes it."""
    if character == "々":
        return True
    is_han = "一" <= character <= "鿿"
    return (
        is_han
        and _is_in_charset("shift_jis", character)
        and not (_is_in_charset("gb2312", character) or _is_in_charset("big5", character))
    )


def is_japanese_document(text: str, kana: int) -> bool:
    """Whether the Han characters of a text with so many kana are Japanese."""
    return kana > _KANA_PER_CHINESE * sum(map(is_chinese, text))


def japanese_end(text: str) -> int:
    """Where a Chinese stretch ends: at the first Japanese character that no Chinese one follows."""
    last = max((position for position, character in enumerate(text) if is_chinese(character)), default=-1)
    return next((position for position in range(last + 1, len(text)) if is_japanese(text[position])), len(text))


def _is_in_charset(charset: str, character: str) -> bool:
    try:
        character.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


# A row of the table.


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
