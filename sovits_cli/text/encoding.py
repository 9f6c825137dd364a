"""Bytes to text: UTF-8, UTF-16 and UTF-32, or the likeliest of the older encodings, told by everyday characters.

Knows nothing of files.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from sovits_cli.errors import TextError

UTF8 = "utf-8"

_MARKED = ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
"""Beginning of a file -> what it is in; the longer ones first."""

_UNMARKED = ("utf-16-le", "utf-16-be")
_ORDINARY = re.compile("[\t\n\r -~\xa0-\u02ff\u2010-\u2027\u3000-\u30ff\u4e00-\u9fff\uac00-\ud7a3\uff00-\uffef]+")
"""Characters of texts in the languages that are read."""

_FEWEST_ZEROS = 0.05
"""Share of zero bytes in UTF-16: a tenth of its characters are Latin letters, digits, spaces or line breaks."""

_SEEN_BYTES = 65536
_SURE = 0.75
"""Share of the characters beyond ASCII that must be common ones."""


@dataclass(frozen=True)
class Decoded:
    """A text and the encoding it was in; `is_guess`: nothing but its characters told which."""

    text: str
    encoding: str
    is_guess: bool


def decode(data: bytes, source: str, lang: str = "") -> Decoded:
    """Decode a text; a line break of any kind becomes a line feed.

    Args:
        data: all of it.
        source: its name, for messages.
        lang: the language it is likely in, or a mode of `segment`; it decides where the characters alone do not.

    Raises:
        TextError: it is no text, cut short, or in an encoding that cannot be told.
    """
    encoding = next((name for mark, name in _MARKED if data.startswith(mark)), UTF8)
    is_guess = False
    if encoding == UTF8 and b"\0" in data:
        encoding, is_guess = _unmarked(data, source), True
    try:
        text = data.decode("utf-8-sig" if encoding == UTF8 else encoding)
    except UnicodeDecodeError as error:
        if encoding != UTF8 or (error.reason == "unexpected end of data" and not data[: error.start].isascii()):
            name = encoding.upper()
            raise TextError(f"{source} is cut short: its {name} ends within a character") from error
        found = guess(data, lang)
        if found is None:
            raise TextError(
                f"{source} is not UTF-8 (byte {error.start + 1}), and its encoding cannot be told",
                hint="save it as UTF-8",
            ) from error
        text, encoding, is_guess = data.decode(found), found, True
    return Decoded(text.replace("\r\n", "\n").replace("\r", "\n"), encoding, is_guess)


def told(source: str, encoding: str) -> str:
    """One line about an encoding that was guessed."""
    return f"{source} is not UTF-8: read as {encoding}; if it is wrong, save it as UTF-8"


def guess(data: bytes, lang: str = "") -> str | None:
    """The encoding in which most of a text's characters are everyday ones; None if none fits."""
    likely = lang.rpartition("_")[2]
    scores = {row.name: _score(data, row) for row in _ENCODINGS}
    sure = [row for row in _ENCODINGS if scores[row.name][0] >= _SURE]
    best = max(sure, key=lambda row: sum(scores[row.name]) + (likely in row.languages), default=None)
    return best.name if best else None


def _unmarked(data: bytes, source: str) -> str:
    """Which UTF-16 a text with zero bytes is in: they are one half of its spaces. Raises TextError: it is none."""
    seen = data[:_SEEN_BYTES]
    zeros = [seen[side::2].count(0) / len(seen) for side in (1, 0)]
    for encoding, share, other in zip(_UNMARKED, zeros, reversed(zeros), strict=True):
        text = seen.decode(encoding, "replace")
        whole = len(data) % 2 == 0 and share > max(_FEWEST_ZEROS, 1 / len(seen)) and not other
        if whole and sum(map(len, _ORDINARY.findall(text))) > _SURE * len(text):
            return encoding
    raise TextError(f"{source} is no text: it holds zero bytes", hint="give a plain text file in UTF-8")


def _score(data: bytes, row: _Encoding) -> tuple[float, float]:
    """The shares of everyday and of the commonest characters among those beyond ASCII; 0 where the bytes do not fit."""
    try:
        text = data.decode(row.name)
    except UnicodeDecodeError:
        return 0.0, 0.0
    strange = [character for character in text[:_SEEN_BYTES] if character > "\x7f"]
    everyday = sum(row.is_everyday(character, character.encode(row.name)[0]) for character in strange)
    commonest = sum(character in row.commonest for character in strange)
    return (everyday / len(strange), commonest / len(strange)) if strange else (0.0, 0.0)


def _is_kana(character: str) -> bool:
    return "ぁ" <= character <= "ヺ" or character == "ー"


_KANA = "のにはをたがでてとしれさいるなもかっらりこくう、。"
_LATIN = "ÀÁÂÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÖØÙÚÜàáâäåæçèéêëìíîïñòóôöøùúüß–—‘’“”…€£°«»¿¡Œœ"


@dataclass(frozen=True)
class _Encoding:
    """An older encoding.

    Args:
        name: as Python calls it.
        languages: codes of what is written in it.
        is_everyday: whether a character, whose first byte is given too, is one of its everyday ones.
        commonest: characters that nearly every text in it has.
    """

    name: str
    languages: tuple[str, ...]
    is_everyday: Callable[[str, int], bool]
    commonest: str


_ENCODINGS = (
    _Encoding(
        "euc_kr",
        ("ko",),
        lambda character, lead: "가" <= character <= "힣" or 0xA1 <= lead <= 0xA3,
        "이다는은을를가에의고지하니기로도나어아시사인한요안녕세습합있그",
    ),
    _Encoding("shift_jis", ("ja",), lambda sign, lead: _is_kana(sign) or lead == 0x81 or 0x88 <= lead <= 0x97, _KANA),
    _Encoding("euc_jp", ("ja",), lambda sign, lead: _is_kana(sign) or lead == 0xA1 or 0xB0 <= lead <= 0xCF, _KANA),
    _Encoding(
        "big5",
        ("zh", "yue"),
        lambda _, lead: 0xA1 <= lead <= 0xC6,
        "的一是不了人我在有他這中大來上個國到說們為你好，。",
    ),
    _Encoding(
        "gb18030",
        ("zh", "yue"),
        lambda _, lead: 0xA1 <= lead <= 0xA3 or 0xB0 <= lead <= 0xD7,
        "的一是不了人我在有他这中大来上个国到说们为你好，。",
    ),
    _Encoding("cp1252", ("en",), lambda character, _: character in _LATIN, "éèàçäöüß’“”"),
)
"""The first best wins."""
