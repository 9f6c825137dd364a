"""English text to words and marks, as a careful reader would say it. The order of the steps is the whole of this file.

Differs from the official normaliser on purpose; `tests/text/en_exceptions.py` lists where and why.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from sovits_cli.text import en_abbreviations, en_numbers, en_quantities
from sovits_cli.text.resources import parse_pairs

# First and last step: one alphabet in, one set of pause marks out.

_PLAIN_LETTERS = parse_pairs("æ=ae œ=oe ø=o ł=l ß=ss đ=d ð=d þ=th ı=i Æ=Ae Œ=Oe Ø=O Ł=L Đ=D Ð=D Þ=Th ẞ=SS")
_SIGN_WORDS = parse_pairs(
    "±=plus_or_minus ≈=about ≤=at_most ≥=at_least ≠=is_not ∞=infinity √=square_root_of →=to §=section ©=copyright "
    "№=number"
)
_PLAIN_SIGNS = {
    **dict.fromkeys("’‘‛ʼ`´′", "'"),
    **dict.fromkeys("“”„‟«»″「」『』《》〈〉‹›", '"'),
    **dict.fromkeys("—―⸺⸻", " — "),
    **dict.fromkeys("−‐‑‒", "-"),
    **dict.fromkeys("®™℠¿¡", ""),
    **{sign: f" {words} " for sign, words in _SIGN_WORDS.items()},
    "。": ". ",
    "、": ", ",
    "•": "; ",
    "‽": "?",
    "❗": "!",
    "❓": "?",
    "⁄": "/",
    "²": "^2",
    "³": "^3",
    "µ": "μ",
}
_KEPT = frozenset("\n–—°£¥€₹₩₽¢×÷μΩ")

# "- first", "* second" at the beginning of a line
_BULLET = re.compile(r"(?m)^[^\S\n]*(?:[-*+>–—]+[^\S\n]+|;[^\S\n]*)")
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,200}>")  # <b>, </p>
_FOOTNOTE = re.compile(r"\[\d{1,3}\]")  # [12]
_BLANKS = re.compile(r"\s+")
# what becomes a pause: ; : ( ) -- and a dash between spaces
_BREAK = re.compile(r"[;:()\[\]{}|—–]+|--+|(?<!\S)-(?!\S)")
_NOT_SPOKEN = re.compile(r"[^A-Za-z'.,?!;\s\-]+")
_LONE_JOINT = re.compile(r"(?<![A-Za-z])['\-]+|['\-]+(?![A-Za-z])")  # an apostrophe or a hyphen that joins no letters
_MARK_RUN = re.compile(r"(?<!\s)\s*[.,?!;][.,?!;\s]*")  # "?!", ". . ."


def clean(text: str) -> str:
    """Text in ASCII and the signs of `_KEPT`; accents, emoji, control characters and other scripts are gone.

    Of white space a blank, a line break or a blank line is left.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_Table())
    text = _BLANKS.sub(lambda run: "\n\n"[: run[0].count("\n")] or " ", text)
    text = _TAG.sub(" ", _FOOTNOTE.sub("", text))
    return _BULLET.sub("; ", text).replace("(s)", "s")


def pause_marks(text: str) -> str:
    """Words and marks only: brackets, colons, semicolons and dashes become commas; one space between words.

    A blank line ends a sentence. Of several marks in a row the strongest stays.
    """
    text = _BREAK.sub(";", text.replace("\n\n", ". "))
    text = _NOT_SPOKEN.sub(" ", text)
    text = _LONE_JOINT.sub(" ", text)
    text = _MARK_RUN.sub(lambda run: f"{_strongest(run[0])} ", text)
    return " ".join(text.split()).lstrip(",. ")


def _strongest(run: str) -> str:
    """One mark for a run; ";" stands for a pause that was not written as a comma."""
    found = "".join(mark for mark in run if mark in ".,?!")
    for mark in "?!":
        if mark in found:
            return mark
    return "." if "." in found and not found.endswith(".,") else ","


class _Table(dict[int, str]):
    """A translation table that works a character out when it is first met."""

    def __missing__(self, code: int) -> str:
        return _cleaned(chr(code))


@lru_cache(maxsize=32768)
def _cleaned(character: str) -> str:
    if character in _KEPT or (" " <= character <= "~" and character != "`"):
        return character
    if character in _PLAIN_SIGNS or character in _PLAIN_LETTERS:
        return _PLAIN_SIGNS.get(character) or _PLAIN_LETTERS.get(character, "")
    kind = unicodedata.category(character)
    if kind == "Nd":
        return str(unicodedata.decimal(character))
    if kind in {"Mn", "Me", "Cf"}:
        return ""
    if kind in {"Zl", "Zp"}:
        return "\n"
    return _unfolded(character)


def _unfolded(character: str) -> str:
    """A character taken apart: full-width forms, accents, fractions, ligatures, Greek letters by their names."""
    name = unicodedata.name(character, "")
    if name.startswith("GREEK") and " LETTER " in name:
        return f" {name.split(' LETTER ')[1].split()[0].lower()} "
    parts = unicodedata.normalize("NFKD", character)
    if parts == character:
        return " "
    joined = "".join(_cleaned(part) for part in parts)
    return f" {joined}" if unicodedata.decomposition(character).startswith("<fraction>") else joined


# Web and mail addresses as one says them: "name at example dot com".

_ADDRESS_SIGNS = {
    ".": " dot ",
    "/": " slash ",
    "-": " dash ",
    "_": " underscore ",
    ":": " colon ",
    "?": " question mark ",
    "=": " equals ",
    "&": " and ",
    "#": " hash ",
    "%": " percent ",
    "~": " tilde ",
    "+": " plus ",
    "@": " at ",
}
_SPELLED = frozenset(("edu", "io", "ai", "uk", "de", "fr", "us", "eu", "tv", "ca", "jp", "cn", "ch", "nl", "au", "nz"))
_SUFFIXES = "com|org|net|edu|gov|io|ai|dev|app|info|co\\.uk|html?|txt|pdf|py|mp3|wav|exe|json|yaml|ckpt|pth"
_MAIL = re.compile(r"(?<![\w.+\-])[\w.+\-]{1,64}@[\w\-]+(?:\.[\w\-]+)+")  # first.last@example.org
# https://x.org/a?b=1, www.x.org, example.com/page
_WEB = re.compile(
    r"\b(?:(?:https?|ftp)://|www\.)[^\s\"<>]+"
    rf"|(?<![\w@.\-])(?:[A-Za-z0-9\-]+\.)+(?:{_SUFFIXES})\b(?:/[^\s\"<>]*)?"
)
_HEAD = re.compile(r"^(?:https?://|ftp://)?(?:www\.)?")  # https://www.


def write_out_addresses(text: str) -> str:
    """`text` with its addresses in words; the protocol and "www" are left out."""
    return _WEB.sub(_address, _MAIL.sub(_address, text))


def _address(found: re.Match[str]) -> str:
    body = found[0].rstrip(".,!?;:)'\"")
    tail = found[0][len(body) :]
    parts = re.split(r"([^A-Za-z0-9])", _HEAD.sub("", body).rstrip("/"))
    words = "".join(
        _ADDRESS_SIGNS.get(part) or (" ".join(part.upper()) if part in _SPELLED else part) for part in parts
    )
    return " ".join(words.split()) + tail


_INITIALS = re.compile(r"\b([A-Z]{1,3})&([A-Z]{1,3})\b")  # R&D, AT&T
_SHARP = re.compile(r"\b([A-Za-g])#(?=m?(?!\w))|\b([A-G])#(?=\d)")
"""C# the language, and C#m, F#4 of music."""

_HASH_OF_HASHTAG = re.compile(r"#(?=hashtags?\b)", re.IGNORECASE)  # #hashtag
_HASH_WORD = re.compile(r"#(?=[A-Za-z]|\d+[A-Za-z]{3})")  # #python, #100days
_HASH_NUMBER = re.compile(r"#\s?(?=\d)")  # #5, # 12
# dollars/hour, 5/day
_PER = re.compile(
    r"\b(dollars?|euros?|pounds?|cents?|yen|percent|times|\d)/(?=(?:second|minute|hour|day|night|week|month|year|person|mile|unit)\b)"
)
_ABOUT = re.compile(r"~\s?(?=[$£€]?\d)")  # ~$5, ~ 100
_COMPARED = re.compile(r"(?<=[\w)])\s*([<>])\s*(?=[\d(-])")  # x < 5, (a) > (b)
_NAMED_SIGNS = {
    "=": "equals",
    **parse_pairs(
        "&=and @=at +=plus %=percent °=degrees μ=mu Ω=omega ×=times ÷=divided_by $=dollar £=pound €=euro ¥=yen"
    ),
}
_NAMED_SIGN = re.compile("[" + re.escape("".join(_NAMED_SIGNS)) + "]")


def normalise_english(text: str) -> str:
    """Words and `. , ? ! - '` only, one space between words; empty when nothing can be read."""
    text = write_out_addresses(clean(text))
    text = en_abbreviations.write_out_roman_numbers(text)
    text = en_quantities.write_out_dates(en_abbreviations.write_out_abbreviations(text))
    text = en_quantities.write_out_measures(
        en_numbers.write_out_number_groups(en_quantities.write_out_unit_fractions(en_quantities.write_out_money(text)))
    )
    text = en_numbers.write_out_numbers(_write_out_signs(text))
    return pause_marks(en_abbreviations.write_out_capitals(text))


def _write_out_signs(text: str) -> str:
    text = _INITIALS.sub(lambda pair: f"{' '.join(pair[1])} and {' '.join(pair[2])}", text)
    text = _SHARP.sub(lambda letter: f"{letter[1] or letter[2]}-sharp ", text)
    text = _HASH_NUMBER.sub(" number ", _HASH_WORD.sub(" hashtag ", _HASH_OF_HASHTAG.sub(" ", text)))
    text = _PER.sub(r"\1 per ", text)
    text = _ABOUT.sub(" about ", text)
    text = _COMPARED.sub(lambda sign: " less than " if sign[1] == "<" else " greater than ", text)
    return _NAMED_SIGN.sub(lambda sign: f" {_NAMED_SIGNS[sign[0]]} ", text)
