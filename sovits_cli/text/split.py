"""Long text to sentences that a model can say in one go.

What is too long for a sentence is cut at clauses, then at words, and in the last resort anywhere. Joined, the pieces
give the text back. Takes time in proportion to the text. Each language tells which of its dots end a sentence; the
marks of Chinese, Japanese and Korean need no space after them. The official ways of cutting are in `cuts`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import accumulate

from sovits_cli.errors import TextError
from sovits_cli.text import lexicon, segment
from sovits_cli.text.cuts import CLOSERS, CutPoints, Cuts, cut_points, sentence_rules, spoken_lengths
from sovits_cli.text.frontend import SentenceRules, excerpt

# A text on its way to sentences; ¶ is a blank line:
#
#   text              Hi. Dr. Smith came in; he saw ... the ship, and left.¶* * *¶The end
#   _cut              |Hi. |Dr. Smith came in; he saw ... and left.¶|* * *¶|The end|     ends of sentences, lines
#   _fitting               |Dr. Smith came in; |he saw ... and left.¶|                    `max_chars`, at clauses
#   _with_neighbours  |Hi. Dr. Smith came in; |he saw ... and left.¶* * *¶|The end|      short or silent ones

MAX_CHARS = 200
"""Default limit of one sentence, in characters as they are spoken: a digit or a sign counts as several."""

MIN_CHARS = 15
"""Shorter sentences join a neighbour of the same paragraph."""


class Boundary(IntEnum):
    """What follows a piece, from the closest cut to the widest."""

    WORD = 0
    CLAUSE = 1
    SENTENCE = 2
    LINE = 3
    PARAGRAPH = 4


PAUSES_S = {
    Boundary.WORD: 0.05,
    Boundary.CLAUSE: 0.15,
    Boundary.SENTENCE: 0.35,
    Boundary.LINE: 0.5,
    Boundary.PARAGRAPH: 0.7,
}
"""Silence after a piece, in seconds."""


@dataclass(frozen=True)
class Sentence:
    """A stretch of the text, white space included, and the pause to make after it.

    Args:
        text: the stretch exactly as it stands in the source.
        pause_s: silence after it, in seconds; 0 after the last.
        is_exact: the text asks for just this pause.
        positions: where each of its characters stands in the source, and where it ends; None: it is the source.
    """

    text: str
    pause_s: float
    is_exact: bool = False
    positions: Sequence[int] | None = field(default=None, compare=False, repr=False)

    @property
    def span(self) -> tuple[int, int]:
        """Where it stands in the source, without the white space around it."""
        at = range(len(self.text) + 1) if self.positions is None else self.positions
        end = len(self.text.rstrip())
        return at[min(len(self.text) - len(self.text.lstrip()), end)], at[end]

    def moved(self, positions: Sequence[int]) -> Sentence:
        """The same, where its positions are those of a text that stands at `positions` of the source."""
        own = range(len(self.text) + 1) if self.positions is None else self.positions
        if isinstance(own, range):  # nothing is left out in between
            return replace(self, positions=positions[own.start : own.stop])
        return replace(self, positions=tuple(positions[position] for position in own))

    def parts(self, found: Sequence[Sentence]) -> list[Sentence]:
        """The parts it is cut into, at their positions in the source; the pause after it is that after the last.

        Args:
            found: parts of its text, or of that without the white space around it.
        """
        at = range(len(self.text) + 1) if self.positions is None else self.positions
        is_whole = sum(len(part.text) for part in found) == len(self.text)
        parts = [part.moved(at[0 if is_whole else len(self.text) - len(self.text.lstrip()) :]) for part in found]
        return [*parts[:-1], replace(parts[-1], pause_s=self.pause_s, is_exact=self.is_exact)]


@dataclass(frozen=True)
class _Piece:
    start: int
    end: int
    after: Boundary


_QUOTES = {"“": 1, "「": 1, "『": 1, "”": -1, "」": -1, "』": -1}
_QUOTE = re.compile(f"[{''.join(_QUOTES)}]")
_SHORT_LINE = 60
_CONTEXT = 32
_LONG_PIECE = 1000
_LONG_QUOTE = 400
"""A quotation that is not closed within so many characters is taken for a stray mark."""


def split_sentences(text: str, lang: str, *, max_chars: int = MAX_CHARS, min_chars: int = MIN_CHARS) -> list[Sentence]:
    """Cut `text` into sentences.

    Args:
        text: any text; line breaks inside a paragraph are white space, blank lines end a paragraph.
        lang: its language, or another mode of `segment`.
        max_chars: the most that one sentence may hold, in Latin letters; digits, signs and the characters of other
            scripts count for as many as they take to say.
        min_chars: a sentence of fewer joins a neighbour; 0: none does.

    Returns:
        Pieces in order, each with something to read; their texts joined are `text`.

    Raises:
        TextError: unknown language, or nothing in the text that can be read in it.
    """
    if max_chars < 1:
        raise ValueError(f"max_chars is {max_chars}: expected at least 1")
    rules, points = sentence_rules(lang), cut_points(segment.find_mode(lang))
    pieces = [part for piece in _cut(text, rules, points) for part in _fitting(text, piece, max_chars, points)]
    joined = _with_neighbours(text, pieces, rules, min_chars, max_chars)
    if not joined:
        raise TextError(
            f"nothing to read in {excerpt(lexicon.strip_phones(text))}: "
            f"expected words, letters or numbers in {segment.find_mode(lang).name}",
            code="text.nothing_to_read",
        )
    pauses = [PAUSES_S[piece.after] for piece in joined[:-1]]
    return [
        Sentence(text[piece.start : piece.end], pause, positions=range(piece.start, piece.end + 1))
        for piece, pause in zip(joined, [*pauses, 0.0], strict=True)
    ]


def split_in_two(text: str, lang: str) -> list[Sentence]:
    """Cut a sentence in two, for a model that does not say it whole.

    Of its strongest cut points (the end of a sentence within, a question or a call, a semicolon, a comma; where it has
    no mark, a conjunction or just a word) the one nearest to the middle is taken. Joined, the halves are `text`.

    Returns:
        Two pieces, each with something to read; or the whole, where it is one word.
    """
    rules, points = sentence_rules(lang), cut_points(segment.find_mode(lang))
    middle = len(text.strip()) / 2
    inner: Cuts = lambda stretch: _sentence_ends(stretch, rules, points)  # noqa: E731 - typed
    for ends, after in ((inner, Boundary.SENTENCE), (points.call, Boundary.CLAUSE), *_kinds(points)[1:]):
        for position in sorted(ends(text), key=lambda position: abs(position - middle)):
            if _readable(text[:position], rules) and _readable(text[position:], rules):
                return [
                    Sentence(text[:position], PAUSES_S[after], positions=range(position + 1)),
                    Sentence(text[position:], 0.0, positions=range(position, len(text) + 1)),
                ]
    return [Sentence(text, 0.0)]


def _sentence_ends(text: str, rules: SentenceRules, points: CutPoints) -> Iterator[int]:
    """Where sentences end within a text, also within its quotations."""
    gaps = points.gap.finditer(text)
    return (gap.end() for gap in gaps if _end_at(text, 0, 0, gap, rules, points) is not None)


def _cut(text: str, rules: SentenceRules, points: CutPoints) -> Iterator[_Piece]:
    """Pieces of any length that end with a sentence, a line or a paragraph."""
    start = line_start = seen = 0
    inside = _Quotation()
    for gap in points.gap.finditer(text):
        inside.take(text[seen : gap.start()])
        seen = gap.start()
        after = _end_at(text, start, line_start, gap, rules, points)
        if "\n" in gap[0]:
            line_start = gap.end()
            inside.end()
        if after is not None and gap.start() > start and not (after is Boundary.SENTENCE and inside.is_open):
            yield _Piece(start, gap.end(), after)
            start = gap.end()
    if start < len(text):
        yield _Piece(start, len(text), Boundary.PARAGRAPH)


class _Quotation:
    """Whether a position is within marks that open and close; the end of a line closes all."""

    def __init__(self) -> None:
        self._depth = self._length = 0

    @property
    def is_open(self) -> bool:
        """Whether a quotation is open, and not so long that its end must have been forgotten."""
        return self._depth > 0 and self._length <= _LONG_QUOTE

    def take(self, stretch: str) -> None:
        """Take a stretch of the text in."""
        for mark in _QUOTE.findall(stretch):
            self._depth = max(0, self._depth + _QUOTES[mark])
        self._length = self._length + len(stretch) if self._depth else 0

    def end(self) -> None:
        """Forget what is open."""
        self._depth = self._length = 0


def _end_at(
    text: str, start: int, line_start: int, gap: re.Match[str], rules: SentenceRules, points: CutPoints
) -> Boundary | None:
    breaks = gap[0].count("\n") + gap[0].count("\u2029")
    if breaks > 1:
        return Boundary.PARAGRAPH
    whole = text[max(start, gap.start() - _CONTEXT) : gap.start()]
    before = whole.rstrip(CLOSERS)
    following = text[gap.end() : gap.end() + _CONTEXT]
    closes = before != "" and points.is_mark(before[-1]) and rules.ends_sentence(before, following)
    if closes and before != whole and gap[0] == "" and points.continues_sentence(following):
        return None
    if breaks and (closes or (gap.start() - line_start < _SHORT_LINE and not following[:1].islower())):
        return Boundary.LINE
    return Boundary.SENTENCE if closes else None


def _fitting(text: str, piece: _Piece, max_chars: int, points: CutPoints) -> Iterator[_Piece]:
    """`piece`, cut until each part holds at most `max_chars`; white space at its end costs nothing."""
    stretch = text[piece.start : piece.end]
    length = len(stretch.rstrip())
    ends = [0, *accumulate(spoken_lengths(stretch[:length]))]
    start = 0
    while ends[length] - ends[start] > max_chars:
        limit = _reach(ends, start, max_chars)
        cut, after = _best_cut(stretch, start, limit, points)
        yield _Piece(piece.start + start, piece.start + cut, after)
        start = cut
    yield _Piece(piece.start + start, piece.end, piece.after)


def _reach(ends: list[int], start: int, max_chars: int) -> int:
    """The furthest position whose stretch from `start` weighs at most `max_chars`; at least one character on."""
    position = start + 1
    while position + 1 < len(ends) and ends[position + 1] - ends[start] <= max_chars:
        position += 1
    return position


def _best_cut(stretch: str, start: int, limit: int, points: CutPoints) -> tuple[int, Boundary]:
    """Where to cut before `limit`: the last cut point of the strongest kind in the second two thirds, else any.

    start            earliest                                limit
    |----- 1/3 ------|------------- 2/3 ---------------------|
    no cut here      a comma here wins over a word that is nearer to the limit; nothing at all: look in front too
    """
    window = stretch[start : limit + 1]
    for earliest in ((limit - start) // 3, 1):
        for ends, after in _kinds(points):
            cuts = [position for position in ends(window) if earliest <= position <= limit - start]
            if cuts:
                return start + cuts[-1], after
    return limit, Boundary.WORD


def _kinds(points: CutPoints) -> tuple[tuple[Cuts, Boundary], ...]:
    """All cut points within a sentence, the strongest first, and what follows a piece that ends there."""
    return (
        (points.sentence, Boundary.SENTENCE),
        (points.clause, Boundary.CLAUSE),
        (points.comma, Boundary.CLAUSE),
        (points.conjunction, Boundary.WORD),
        (points.space, Boundary.WORD),
        (points.word, Boundary.WORD),
    )


def _with_neighbours(
    text: str, pieces: list[_Piece], rules: SentenceRules, min_chars: int, max_chars: int
) -> list[_Piece]:
    """Short sentences joined to the next, and pieces without anything to read to the one before."""
    joined: list[_Piece] = []
    silent: _Piece | None = None
    for piece in pieces:
        whole = piece if silent is None else _Piece(silent.start, piece.end, piece.after)
        if _readable(text[piece.start : piece.end], rules):
            silent = None
            if joined and _join(text, joined[-1], whole, min_chars, max_chars):
                whole = _Piece(joined.pop().start, whole.end, whole.after)
            joined.append(whole)
        else:
            silent = _absorbed(text, joined, whole, rules)
    return joined


def _readable(stretch: str, rules: SentenceRules) -> bool:
    """Whether there is anything to say: something its language reads, or a word that carries its phones."""
    return rules.readable(stretch) or lexicon.has_given_phones(stretch)


def _absorbed(text: str, joined: list[_Piece], silent: _Piece, rules: SentenceRules) -> _Piece | None:
    """Add a piece without anything to read to the last of `joined`; what is left when there is none."""
    while joined:
        last = joined.pop()
        silent = _Piece(last.start, silent.end, max(last.after, silent.after))
        long = last.end - last.start > _LONG_PIECE  # so long that its words cannot be part of one tag or footnote
        if long or _readable(text[silent.start : silent.end], rules):
            joined.append(silent)
            return None
    return silent


def _join(text: str, first: _Piece, second: _Piece, min_chars: int, max_chars: int) -> bool:
    if first.after is not Boundary.SENTENCE:
        return False
    lengths = [sum(spoken_lengths(text[piece.start : piece.end].strip())) for piece in (first, second)]
    return min(lengths) < min_chars and sum(lengths) < max_chars
