"""Han characters as Chinese or Japanese, told by the character sets that hold them. Knows no other script."""

from __future__ import annotations

from functools import lru_cache

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
        not _has("shift_jis", character) and (_has("gb2312", character) or _has("big5hkscs", character))
    )


@lru_cache(maxsize=32768)
def is_japanese(character: str) -> bool:
    """Whether only Japanese writes it."""
    if character == "々":
        return True
    is_han = "一" <= character <= "鿿"
    return is_han and _has("shift_jis", character) and not (_has("gb2312", character) or _has("big5", character))


def is_japanese_document(text: str, kana: int) -> bool:
    """Whether the Han characters of a text with so many kana are Japanese."""
    return kana > _KANA_PER_CHINESE * sum(map(is_chinese, text))


def japanese_end(text: str) -> int:
    """Where a Chinese stretch ends: at the first Japanese character that no Chinese one follows."""
    last = max((place for place, character in enumerate(text) if is_chinese(character)), default=-1)
    return next((place for place in range(last + 1, len(text)) if is_japanese(text[place])), len(text))


def _has(charset: str, character: str) -> bool:
    try:
        character.encode(charset)
    except UnicodeEncodeError:
        return False
    return True
