"""Older encodings of texts, and the characters by which they are told; each belongs to rows of the language table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


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
_LATIN = "ÀÁÂÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÖØÙÚÜàáâäåæçèéêëìíîïñòóôöøùúüß–—‘’“”…€£°«»¿¡Œœ"

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
CP1252 = Charset("cp1252", lambda character, _: character in _LATIN, "éèàçäöüß’“”")
