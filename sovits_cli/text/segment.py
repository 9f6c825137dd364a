"""Mixed text to stretches of one language each: by script, numbers by what is around them, Han by its context.

`--lang` names a mode. Knows nothing of how a language is read.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from sovits_cli.errors import TextError
from sovits_cli.text.frontend import LANGUAGES

AUTO = "auto"
_ENGLISH, _CHINESE, _JAPANESE, _KOREAN = "en", "zh", "ja", "ko"


@dataclass(frozen=True)
class Mode:
    """One way to share a text among languages.

    Args:
        code: as in `--lang`.
        main: the language of everything but English; None: each script has its own.
        han: the language of Han characters where nothing around them tells.
        holds_numbers: numbers are of `main` even between English words.
    """

    code: str
    main: str | None
    han: str
    holds_numbers: bool = False

    @property
    def name(self) -> str:
        """For messages."""
        return LANGUAGES[self.main].name if self.main else "any language"

    @property
    def is_whole(self) -> bool:
        """Whether all of a text goes to one language, English."""
        return self.main == _ENGLISH


@dataclass(frozen=True)
class Run:
    """A stretch of one language: a code of `LANGUAGES`, or `MARKS`."""

    lang: str
    text: str


MARKS = "punctuation"
"""The language of a text that is only marks."""

_DIGITS, _UNKNOWN = "digits", "unknown"


def mode(code: str) -> Mode:
    """Look a mode up: the official ones, and `auto_ja`. Raises TextError, naming the nearest."""
    kind, _, lang = code.partition("_")
    if code == AUTO:
        return Mode(code, None, _CHINESE)
    if code in LANGUAGES:
        return Mode(code, code, code)
    if kind == AUTO and lang in LANGUAGES and lang not in {_ENGLISH, _KOREAN}:
        return Mode(code, None, lang)
    if kind == "all" and lang in LANGUAGES and lang != _ENGLISH:
        return Mode(code, lang, lang, holds_numbers=True)
    names = {row.name.lower(): row.code for row in LANGUAGES.values()}
    near = difflib.get_close_matches(code.lower(), [AUTO, *LANGUAGES, *names], n=1)
    known = ", ".join(f"{row.code} ({row.name})" for row in LANGUAGES.values())
    raise TextError(
        f"unknown language {code!r}: expected {AUTO}, {known}, or one of auto_yue, auto_ja, all_zh, all_yue, …",
        hint=f"--lang {names.get(near[0], near[0]) if near else AUTO}",
    )


def resolved(code: str, document: str) -> str:
    """`auto`, or `auto_ja` where the whole document tells that its Han characters are Japanese."""
    if code != AUTO:
        return code
    kana = sum(len(found) for found in re.findall(f"[{_KANA}]+", document))
    chinese = sum(map(_is_chinese, document))
    return f"{AUTO}_{_JAPANESE}" if kana > _KANA_PER_CHINESE * chinese else AUTO


_KANA_PER_CHINESE = 10
"""A Japanese document may quote Chinese, but has more kana than so many for each Chinese character."""

_KANA = "ぁ-ゖゝ-ゟァ-ヺー-ヿㇰ-ㇿｦ-ﾟ"
_HAN = "々〇㐀-䶿一-鿿\uf900-\ufaff\U00020000-\U0003ffff"
_HANGUL = "ᄀ-ᇿ\u3130-\u318fꥠ-\ua97f가-\ud7ff"
_LETTER = rf"[^\W\d_{_KANA}{_HAN}{_HANGUL}]"
_LATIN = re.compile("[A-Za-zÀ-ɏḀ-ỿＡ-Ｚａ-ｚ]")
_SYMBOL = r"[^\w\s!-/:-@\[-`{-~¡-¿‐-⁯、-〟＀-￯]"
_SCRIPTS = rf"(?P<ja>[{_KANA}]+)|(?P<han>[{_HAN}]+)|(?P<ko>[{_HANGUL}]+)"

_UNITS = "km/h|m/s|[cmk]?m[²³23]|[cmnk]?m|[mk]?g|m?[lL]|[kMG]?Hz|d[bB]|kWh?|ms|[KMGT]B|°[CF]"
_NUMBER = rf"(?:(?<!\w)[-+−])?(?:(?:HK|US)?[$€£￥¥])?\d+(?:[.,:/~～\-]\d+)*(?:[%‰℃℉]|(?:{_UNITS})(?!{_LETTER}|\d))?"
_OURS = re.compile(rf"(?P<digits>{_NUMBER})|{_SCRIPTS}|(?P<word>{_LETTER}+(?:['’]{_LETTER}+)*)|(?P<marks>.)", re.DOTALL)
_OFFICIAL = re.compile(
    rf"(?P<digits>\d+(?:[^\w\s]\d+)*)|{_SCRIPTS}|(?P<word>(?:{_LETTER}|{_SYMBOL}|(?<=\w)['’])+)|(?P<marks>.)", re.DOTALL
)
_OPENING = re.compile(r"[“‘(（「『《【〈\[{#@$€£￥¥]+$")
_CLAUSE_END = re.compile(r"[、，。！？；：,.!?;:\n」』）)…]\s*$")

_COUNTERS = frozenset("年月日号號元个個点點分秒岁歲次人本回つ円枚件万億亿")
_ENGLISH_LIKE = re.compile(
    r"[ -~\s\u2000-\u206f\u3000-\u303f\uff00-\uffef]*[A-Za-z][ -~\s\u2000-\u206f\u3000-\u303f\uff00-\uffef]*"
)
_KEPT_OF_UNKNOWN = re.compile(rf"[^{_HAN}0-9\u3001-\u301c。！？.!?… /]")
_STOPS = (",", ".", "!", "?", "，", "。", "！", "？")

_NEVER_JAPANESE = frozenset("你妳她這很吃喝哪呀吧們您啊嗎呢麼沒")
"""Everyday Chinese characters that Japanese character sets hold too."""


def runs(text: str, how: Mode, *, compat: bool = False) -> list[Run]:
    """Stretches of a text, in order; neighbours differ in language.

    Args:
        text: a sentence or so.
        how: by which mode.
        compat: segment as the official program does, which loses what is in no script it knows.
    """
    text = re.sub(" {2,}", " ", text)
    if how.is_whole:
        return [Run(_ENGLISH, text)]
    parts = list(_parts(text.strip(), _OFFICIAL if compat else _OURS))
    if not parts or all(part.lang == MARKS for part in parts):
        return [Run(how.main or MARKS, text)]
    parts = _merged(_with_han(parts, how, by_text=not compat))
    if compat:
        parts = _merged(_official(parts, how))
    parts = _merged(_with_numbers(parts, how, is_official=compat))
    return _merged(_with_main(_with_unknown(parts, how), how))


def _parts(text: str, pattern: re.Pattern[str]) -> Iterator[Run]:
    """Stretches of one script; marks and white space belong to what is before them, opening ones to what follows."""
    lang, held = "", ""
    for found in pattern.finditer(text):
        kind = str(found.lastgroup)
        if kind == "marks":
            held += found[0]
            continue
        if lang:
            opening = _OPENING.search(held) if pattern is _OURS else None
            cut = opening.start() if opening else len(held)
            yield Run(lang, held[:cut])
            held = held[cut:]
        held += found[0]
        lang = kind if kind != "word" else _ENGLISH if _LATIN.search(found[0]) else _UNKNOWN
    if held:
        yield Run(lang or MARKS, held)


def _merged(parts: Iterable[Run]) -> list[Run]:
    """Neighbours of one language joined."""
    joined: list[Run] = []
    for part in parts:
        if joined and joined[-1].lang == part.lang:
            joined[-1] = replace(part, text=joined[-1].text + part.text)
        else:
            joined.append(part)
    return joined


def _with_han(parts: Sequence[Run], how: Mode, *, by_text: bool) -> Iterator[Run]:
    """Han characters as Chinese or Japanese: by themselves, by kana in their clause, by the rest of the text."""
    chinese = _CHINESE if how.han == _JAPANESE else how.han
    has_kana = any(part.lang == _JAPANESE for part in parts)
    has_chinese = any(_is_chinese(character) for part in parts for character in part.text)
    rest = _JAPANESE if by_text and has_kana and not has_chinese else how.han
    for place, part in enumerate(parts):
        if part.lang != "han":
            yield part
        elif any(map(_is_chinese, part.text)) or (has_chinese and any(map(_is_japanese, part.text))):
            yield from _with_japanese_end(part.text, chinese)
        elif _beside_kana(parts, place) or any(map(_is_japanese, part.text)):
            yield Run(_JAPANESE, part.text)
        else:
            yield Run(rest, part.text)


def _with_japanese_end(text: str, chinese: str) -> Iterator[Run]:
    """Chinese, up to the first Japanese character that no Chinese one follows."""
    last = max((place for place, character in enumerate(text) if _is_chinese(character)), default=-1)
    start = next((place for place in range(last + 1, len(text)) if _is_japanese(text[place])), len(text))
    stretches = (Run(chinese, text[:start]), Run(_JAPANESE, text[start:]))
    yield from (stretch for stretch in stretches if stretch.text)


def _beside_kana(parts: Sequence[Run], place: int) -> bool:
    """Whether there is kana in the same clause."""
    for step in (-1, 1):
        here = place
        while True:
            edge = here if step > 0 else here - 1
            here += step
            if not 0 <= here < len(parts) or _CLAUSE_END.search(parts[edge].text):
                break
            if parts[here].lang == _JAPANESE:
                return True
            if parts[here].lang not in {"han", _DIGITS}:
                break
    return False


@lru_cache(maxsize=32768)
def _is_chinese(character: str) -> bool:
    """Whether only Chinese writes it: in a Chinese character set, in no Japanese one."""
    if character < "一" or character > "鿿":
        return False
    return character in _NEVER_JAPANESE or (
        not _has("shift_jis", character) and (_has("gb2312", character) or _has("big5hkscs", character))
    )


@lru_cache(maxsize=32768)
def _is_japanese(character: str) -> bool:
    """Whether only Japanese writes it."""
    if character == "々":
        return True
    is_han = "一" <= character <= "鿿"
    return is_han and _has("shift_jis", character) and not (_has("gb2312", character) or _has("big5", character))


def _has(charset: str, character: str) -> bool:
    try:
        character.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


def _official(parts: Sequence[Run], how: Mode) -> Iterator[Run]:
    """What the official program makes of pieces: only some are English to it, and unknown ones lose characters."""
    for part in parts:
        if part.lang == _ENGLISH and how.holds_numbers and not _ENGLISH_LIKE.fullmatch(part.text):
            yield Run(str(how.main), part.text)
        elif part.lang == _UNKNOWN and not how.holds_numbers:
            kept = _KEPT_OF_UNKNOWN.sub("", part.text)
            yield Run(how.han, kept) if kept else part
        else:
            yield part


def _with_numbers(parts: Sequence[Run], how: Mode, *, is_official: bool) -> Iterator[Run]:
    """Numbers in the language around them."""
    for place, part in enumerate(parts):
        if part.lang != _DIGITS:
            yield part
            continue
        before = parts[place - 1] if place else None
        after = parts[place + 1] if place + 1 < len(parts) else None
        if how.holds_numbers:
            yield replace(part, lang=str(how.main))
        elif before is None or after is None:
            only = before or after
            yield replace(part, lang=how.han if only is None else only.lang)
        else:
            touching = None if is_official else _touching(before, part, after)
            yield replace(part, lang=(touching or _nearer(before, part, after)).lang)


def _touching(before: Run, part: Run, after: Run) -> Run | None:
    """The neighbour that a number is written together with; None where that does not tell."""
    joins_before = before.text[-1].isalnum() and part.text[0].isdigit()
    joins_after = part.text[-1].isalnum() and after.text[0].isalnum()
    if joins_before and joins_after:
        if after.lang == _ENGLISH or before.lang != _ENGLISH or after.text[0] in _COUNTERS:
            return after
        return before
    return before if joins_before else after if joins_after else None


def _nearer(before: Run, part: Run, after: Run) -> Run:
    """The neighbour that a number belongs to, by the official rules."""
    if before.lang == after.lang:
        return before
    if before.text.rstrip().endswith(_STOPS):
        return after
    if after.text.lstrip().startswith(_STOPS) or part.text.rstrip().endswith(("。", ".")):
        return before
    return after if len(after.text) > len(before.text) else before


def _with_unknown(parts: Sequence[Run], how: Mode) -> Iterator[Run]:
    """What is in no known script, in the language before it, else of what follows."""
    lang = next((part.lang for part in parts if part.lang != _UNKNOWN), how.han)
    for part in parts:
        lang = lang if part.lang == _UNKNOWN else part.lang
        yield replace(part, lang=lang)


def _with_main(parts: Iterable[Run], how: Mode) -> Iterator[Run]:
    for part in parts:
        yield part if how.main is None or part.lang == _ENGLISH else replace(part, lang=how.main)
