"""First and last step of the English normaliser: one alphabet in, one set of pause marks out.

`clean` brings any Unicode text to ASCII and a few signs; `marks` leaves only words and `. , ? ! - '`. Knows no words.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from sovits_cli.text.wordlists import pairs

_LETTERS = pairs("æ=ae œ=oe ø=o ł=l ß=ss đ=d ð=d þ=th ı=i Æ=Ae Œ=Oe Ø=O Ł=L Đ=D Ð=D Þ=Th ẞ=SS")
_SAID = pairs(
    "±=plus_or_minus ≈=about ≤=at_most ≥=at_least ≠=is_not ∞=infinity √=square_root_of →=to §=section ©=copyright "
    "№=number"
)
_SIGNS = {
    **dict.fromkeys("’‘‛ʼ`´′", "'"),
    **dict.fromkeys("“”„‟«»″「」『』《》〈〉‹›", '"'),
    **dict.fromkeys("—―⸺⸻", " — "),
    **dict.fromkeys("−‐‑‒", "-"),
    **dict.fromkeys("®™℠¿¡", ""),
    **{sign: f" {said} " for sign, said in _SAID.items()},
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

_BULLET = re.compile(r"(?m)^[^\S\n]*(?:[-*+>–—]+[^\S\n]+|;[^\S\n]*)")
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,200}>")
_FOOTNOTE = re.compile(r"\[\d{1,3}\]")
_BLANKS = re.compile(r"\s+")
_BREAK = re.compile(r"[;:()\[\]{}|—–]+|--+|(?<!\S)-(?!\S)")
_NOT_SPOKEN = re.compile(r"[^A-Za-z'.,?!;\s\-]+")
_LONE_JOINT = re.compile(r"(?<![A-Za-z])['\-]+|['\-]+(?![A-Za-z])")
_MARK_RUN = re.compile(r"(?<!\s)\s*[.,?!;][.,?!;\s]*")


def clean(text: str) -> str:
    """Text in ASCII and the signs of `_KEPT`; accents, emoji, control characters and other scripts are gone.

    Of white space a blank, a line break or a blank line is left.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_Table())
    text = _BLANKS.sub(lambda run: "\n\n"[: run[0].count("\n")] or " ", text)
    text = _TAG.sub(" ", _FOOTNOTE.sub("", text))
    return _BULLET.sub("; ", text).replace("(s)", "s")


def marks(text: str) -> str:
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
    if character in _SIGNS or character in _LETTERS:
        return _SIGNS.get(character) or _LETTERS.get(character, "")
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
