"""Bytes to text: UTF-8, UTF-16 and UTF-32, or the likeliest of the older encodings, told by everyday characters.

Knows nothing of files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sovits_cli.errors import TextError
from sovits_cli.text.language import Charset
from sovits_cli.text.languages import BUILT_IN, LANGUAGES, all_scripts

UTF8 = "utf-8"

_MARKED = ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
"""Beginning of a file -> what it is in; the longer ones first."""

_UNMARKED = ("utf-16-le", "utf-16-be")
_COMMON = "\t\n\r -~\xa0-\u02ff\u2010-\u2027\u3000-\u303f\uff00-\uffef"
"""White space, Latin letters, and marks of every language."""

_FEWEST_ZEROS = 0.05
"""Share of zero bytes in UTF-16: a tenth of its characters are Latin letters, digits, spaces or line breaks."""

_SEEN_BYTES = 65536
_SURE = 0.75
"""Share of the characters beyond ASCII that must be common ones."""


@dataclass(frozen=True)
class DecodedText:
    """A text and the encoding it was in; `is_guess`: nothing but its characters told which."""

    text: str
    encoding: str
    is_guess: bool


def decode_text(data: bytes, source: str, lang: str = "") -> DecodedText:
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
        found = guess_encoding(data, lang)
        if found is None:
            raise TextError(
                f"{source} is not UTF-8 (byte {error.start + 1}), and its encoding cannot be told",
                hint="save it as UTF-8",
            ) from error
        text, encoding, is_guess = data.decode(found), found, True
    return DecodedText(text.replace("\r\n", "\n").replace("\r", "\n"), encoding, is_guess)


def encoding_note(source: str, encoding: str) -> str:
    """One line about an encoding that was guessed."""
    return f"{source} is not UTF-8: read as {encoding}; if it is wrong, save it as UTF-8"


def guess_encoding(data: bytes, lang: str = "") -> str | None:
    """The encoding in which most of a text's characters are everyday ones; None if none fits."""
    likely = lang.rpartition("_")[2]
    own = LANGUAGES[likely].charsets if likely in LANGUAGES else ()
    scores = {charset: _score(data, charset) for charset in _charsets()}
    sure = [charset for charset, score in scores.items() if score[0] >= _SURE]
    best = max(sure, key=lambda charset: sum(scores[charset]) + (charset in own), default=None)
    return best.name if best else None


def _charsets() -> list[Charset]:
    """The older encodings of all languages. Of equals the first is taken: ours, those last that fit most bytes."""
    rows = sorted(LANGUAGES.values(), key=lambda row: row in BUILT_IN)
    return list(reversed(dict.fromkeys(charset for row in rows for charset in row.charsets)))


def _unmarked(data: bytes, source: str) -> str:
    """Which UTF-16 a text with zero bytes is in: they are one half of its spaces. Raises TextError: it is none."""
    seen = data[:_SEEN_BYTES]
    ordinary = re.compile(f"[{_COMMON}{''.join(script.everyday or script.letters for script in all_scripts())}]+")
    zeros = [seen[side::2].count(0) / len(seen) for side in (1, 0)]
    for encoding, share, other in zip(_UNMARKED, zeros, reversed(zeros), strict=True):
        text = seen.decode(encoding, "replace")
        whole = len(data) % 2 == 0 and share > max(_FEWEST_ZEROS, 1 / len(seen)) and not other
        if whole and sum(map(len, ordinary.findall(text))) > _SURE * len(text):
            return encoding
    raise TextError(f"{source} is no text: it holds zero bytes", hint="give a plain text file in UTF-8")


def _score(data: bytes, row: Charset) -> tuple[float, float]:
    """The shares of everyday and of the commonest characters among those beyond ASCII; 0 where the bytes do not fit."""
    try:
        text = data.decode(row.name)
    except UnicodeDecodeError:
        return 0.0, 0.0
    strange = [character for character in text[:_SEEN_BYTES] if character > "\x7f"]
    everyday = sum(row.is_everyday(character, character.encode(row.name)[0]) for character in strange)
    commonest = sum(character in row.commonest for character in strange)
    return (everyday / len(strange), commonest / len(strange)) if strange else (0.0, 0.0)
