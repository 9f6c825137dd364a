"""Words that are written alike and spoken in two ways: which reading a sentence asks for.

The words are in `tables/en_homographs.txt`; neighbours that settle a reading by themselves are here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sovits_cli.text import en_letters
from sovits_cli.text.en_tags import is_command, tag
from sovits_cli.text.once import once
from sovits_cli.text.wordlists import lines, words


class Choice(StrEnum):
    """Take one reading of every homograph, whatever the sentence."""

    FIRST = "first"
    SECOND = "second"


@dataclass(frozen=True)
class Homograph:
    """One row: the first reading is for words tagged `tag`. `official`: the official program has both."""

    tag: str
    first: list[str]
    second: list[str]
    official: bool


def _row(kind: str, first: str, second: str, *, official: bool = True) -> Homograph:
    return Homograph(kind, first.split(), second.split(), official)


@dataclass(frozen=True)
class Cue:
    """`words` found directly before, directly after, or within four words settle the reading."""

    where: str
    words: frozenset[str]
    first: bool


def _cue(where: str, near: str, *, first: bool) -> Cue:
    return Cue(where, words(near), first)


_METALS = "pipe pipes paint poisoning pencil bullet bullets battery batteries acid weights toxic contaminated molten"
_WINDING = "up around down through back clock watch thread rope string tightly"
_STAYING = "in with on there here at near by alone together under without for up forever longer happily among"

CUES: dict[str, tuple[Cue, ...]] = {
    "bow": (_cue("near", "ship ship's deck stern took deep polite", first=True),),
    "close": (
        _cue("after", "of", first=True),
        _cue("after", "to", first=False),
        _cue("before", "very so too quite stay come came get got", first=False),
    ),
    "dove": (_cue("after", "into in under off down headfirst straight", first=True),),
    "lead": (
        _cue("near", _METALS, first=False),
        _cue("before", "of", first=False),
        _cue("near", "", first=True),
    ),
    "live": (
        _cue("before", "go goes going went broadcast streamed watch is are was a", first=False),
        _cue("after", _STAYING, first=True),
    ),
    "lives": (_cue("after", _STAYING, first=True),),
    "minute": (
        _cue("after", "detail details amount amounts difference differences particles quantities traces", first=True),
        _cue("before", "very are were", first=True),
        _cue("near", "", first=False),
    ),
    "sow": (_cue("near", "pig pigs piglets boar", first=False), _cue("near", "", first=True)),
    "tear": (
        _cue("after", "in apart up off down out open", first=True),
        _cue("before", "and", first=True),
        _cue("near", "eye eyes cheek shed cried weeping", first=False),
    ),
    "winds": (_cue("after", "through around along up down back past", first=True),),
    "wind": (_cue("after", "up down", first=True),),
    "wound": (_cue("near", _WINDING, first=True), _cue("near", "", first=False)),
}
"""SliceJoiner that decide before the tag does, in order; an empty set of words always decides."""

SWAPPED = frozenset({"articulate", "exploit", "imprint", "mouth", "object", "predicate", "rebel", "segment", "torment"})
"""Words whose readings the official list has the wrong way round."""

_POLISH = ("P", "OW1", "L", "IH0", "SH")

OFFICIAL = {
    "collect": _row("V", "K AH0 L EH1 K T", "K AA1 L EH0 K T"),
    "refuse": _row("V", "R IH0 F Y UW1 Z", "R EH1 F Y UW2 Z"),
}
"""Rows that only the official program has."""


def choose(
    tokens: Sequence[str], place: int, *, official: bool = False, choice: Choice | None = None
) -> list[str] | None:
    """Phones of a homograph in its sentence; None when the word has one reading only.

    Args:
        tokens: words and punctuation marks of the sentence.
        place: position of the word among them.
        official: choose as the official program does from the same tag.
        choice: take this reading instead of choosing.
    """
    token = tokens[place]
    if token == "Polish" and not official:
        return list(_POLISH)
    word = token.lower()
    row = (OFFICIAL.get(word) if official else None) or homographs().get(word)
    if row is None or (official and not row.official):
        return None
    if choice is not None:
        first = choice is Choice.FIRST
    else:
        settled = None if official else _settled(word, tokens, place)
        kind = "VB" if not official and is_command(tokens, place) else tag(tokens, place)
        first = _tagged(row, kind) if settled is None else settled
    if official and word in SWAPPED:
        first = not first
    return list(row.first if first else row.second)


@once
def homographs() -> dict[str, Homograph]:
    """Word -> its two readings, forms in -s included."""
    rows: dict[str, Homograph] = {}
    for line in lines("en_homographs.txt"):
        marks, word, kind, first, second = _parse(line)
        row = _row(kind, first, second, official="+" not in marks)
        rows[word] = row
        if "!" not in marks:
            rows[_third_person(word)] = Homograph(
                kind, en_letters.with_s(row.first), en_letters.with_s(row.second), official=row.official
            )
    return rows


def _parse(line: str) -> tuple[str, str, str, str, str]:
    readings, _, second = line.partition("/")
    plain = readings.lstrip("+! ")
    word, kind, first = plain.split(maxsplit=2)
    return readings[: len(readings) - len(plain)], word, kind, first, second


def _third_person(word: str) -> str:
    if word.endswith("y") and word[-2] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "ch", "sh")) else f"{word}s"


def _tagged(row: Homograph, found: str) -> bool:
    if row.tag == "VB":
        return found not in {"VBD", "VBN"}
    return found.startswith(row.tag)


def _settled(word: str, tokens: Sequence[str], place: int) -> bool | None:
    before = tokens[place - 1].lower() if place else ""
    after = tokens[place + 1].lower() if place + 1 < len(tokens) else ""
    near = {token.lower() for token in tokens[max(0, place - 4) : place + 5]}
    for cue in CUES.get(word, ()):
        found = {"before": {before}, "after": {after}, "near": near}[cue.where]
        if not cue.words or found & cue.words:
            return cue.first
    return None
