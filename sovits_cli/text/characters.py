"""From bytes to characters: how a text was encoded, which of its characters are seen, and which will not be heard."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from sovits_cli.errors import TextError
from sovits_cli.text import lexicon, segment
from sovits_cli.text.frontend import Frontend, load_frontend
from sovits_cli.text.language import Charset
from sovits_cli.text.languages import BUILT_IN, LANGUAGES, all_scripts

# Bytes to text: UTF-8, UTF-16 and UTF-32, or the likeliest of the older encodings, told by everyday characters. Knows
# nothing of files.

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


# A text in the form in which it is read or shown.

_HIDDEN = re.compile(
    "\x1b\\[[0-9;]*[A-Za-z]"
    "|[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character
_WIDE_LETTERS = re.compile("[Ａ-Ｚａ-ｚ]+")
_DIGIT = re.compile(r"[^\D0-9]")
"""A decimal digit of another script, full-width ones too: numbers of the front ends are made of 0 to 9."""

_FOREIGN_DIGIT = re.compile(r"[^\D0-9０-９]")


def readable_form(text: str) -> str:
    """Visible text with full-width letters as plain ones, and the digits of every script as 0 to 9."""
    plain = _WIDE_LETTERS.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
    return visible_form(_DIGIT.sub(_plain_digit, plain))


def visible_form(text: str) -> str:
    """Text without lone surrogates, invisible marks and controls; those of terminals go with what they say."""
    return _HIDDEN.sub("", text)


def official_form(text: str) -> str:
    """Text without what makes the official program fail: halves of characters, and digits of which it knows none."""
    return _FOREIGN_DIGIT.sub(_plain_digit, _LONE_SURROGATE.sub("", text))


def _plain_digit(found: re.Match[str]) -> str:
    return str(unicodedata.decimal(found[0]))


# What of a text will not be heard: characters that no language of its mode reads.


@dataclass(frozen=True)
class UnreadCharacter:
    """A character that no front end of the mode knows, and where it first stands: position from 1."""

    character: str
    position: int
    count: int

    @property
    def name(self) -> str:
        """As shown in a message."""
        shown = self.character if self.character.isprintable() else ascii(self.character).strip("'")
        return f"{shown} ({unicodedata.name(self.character, f'U+{ord(self.character):04X}').lower()})"


def unread_characters(text: str, lang: str) -> list[UnreadCharacter]:
    """Characters of a text that will not be heard, each once: of scripts no front end knows, controls, pictures."""
    codes = segment.find_mode(lang).languages
    first: dict[str, int] = {}
    counts: dict[str, int] = {}
    for position, character in enumerate(lexicon.strip_phones(text), start=1):
        if character > "~" or character < " ":
            first.setdefault(character, position)
            counts[character] = counts.get(character, 0) + 1
    return [
        UnreadCharacter(character, position, counts[character])
        for character, position in first.items()
        if is_lost(character, codes)
    ]


def unread_note(found: Iterable[UnreadCharacter], limit: int = 5) -> str:
    """One line that names characters left out; empty where there are none."""
    items = list(found)
    if not items:
        return ""
    named = ", ".join(f"{item.name} at {item.position}" for item in items[:limit])
    more = f" and {len(items) - limit} others" if len(items) > limit else ""
    count = sum(item.count for item in items)
    lost = "1 character cannot be read and is" if count == 1 else f"{count} characters cannot be read and are"
    return f"{lost} left out: {named}{more}"


_SIGNS = frozenset({"Sc", "Sm", "So"})
_PROBES = ("{}5", "5{}", "5{}3", "a {} b")
"""Where a sign may stand that is read: €5, 20°, 5−3, a ≈ b."""

_SILENT = "☃"
"""A sign for which no language has a word."""


@lru_cache(maxsize=32768)
def is_lost(character: str, codes: tuple[str, ...]) -> bool:
    """Whether a character has a sound or a meaning that none of the languages gives it."""
    kind = unicodedata.category(character)
    if character in "\t\n\r\v\f\x85" or kind[0] in "ZPM" or kind in {"Cf", "Sk"}:
        return False
    if kind[0] == "C":
        return True
    plain = readable_form(character)
    if kind == "So" and any(map(str.isalnum, unicodedata.normalize("NFKC", character))):
        return False
    return not any(_reads(code, plain) or (kind in _SIGNS and _says(code, plain)) for code in codes)


@lru_cache(maxsize=32768)
def _reads(code: str, character: str) -> bool:
    """Whether a language reads a character; one that cannot be loaded is taken to read the letters of its scripts."""
    try:
        return load_frontend(code).readable(character)
    except TextError:
        return any(script.pattern.fullmatch(character) for script in LANGUAGES[code].scripts)


@lru_cache(maxsize=32768)
def _says(code: str, sign: str) -> bool:
    """Whether a language has a word for a sign in one of the contexts where signs stand."""
    try:
        front_end = load_frontend(code)
        answers = [
            (_letters(front_end, probe.format(sign)), _letters(front_end, probe.format(_SILENT))) for probe in _PROBES
        ]
    except TextError:
        return False
    return any(with_sign != without for with_sign, without in answers)


def _letters(front_end: Frontend, text: str) -> str:
    return "".join(filter(str.isalnum, front_end.normalise(text, compat=False)))
