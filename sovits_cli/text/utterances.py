"""The one way in: a text becomes utterances, each cut to fit, segmented and read once, as it is asked for.

    source text        "Hi [Ann|AE1 N]! [pause 1s] It rained; the ship, which …"
      | encode_inline    words carry the phones that are given for them          (`lexicon`)
      | split_text       sentences, and the pauses after them                    (`split`, or `cuts`)
      | read_sentences   runs of one language, their phones                      (`segment`, `reading`)
      v                  more phones than can be said in one go: cut further
    Utterance(0, "Hi Ann!", span=(0, 15), pause_s=1.0, …), Utterance(1, "It rained; …", …), …

Every character is segmented and read once, except: a sentence in which the lexicon replaces words is segmented again;
one of fewer than `reading.MIN_PHONES` phones is read again with a full stop before it (official); one of more than
`MAX_PHONES`, and one that is split for a repair, is read again in parts. Knows no audio and no models.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

from sovits_cli.errors import SovitsError, TextError, contained
from sovits_cli.events import Reporter, Silent, Skipped
from sovits_cli.text import cuts, lexicon, segment, symbols
from sovits_cli.text.frontend import excerpt
from sovits_cli.text.reading import Piece, ReadingOptions, WordSpan, read_for_speech, words_of
from sovits_cli.text.split import MIN_CHARS, PAUSES_S, Boundary, Sentence, split_in_two, split_sentences

OUR_CUT = "auto"
"""Cut at sentences, and further where they are too long to say in one go."""

MAX_PHONES = 250
"""About 20 s of speech: official clips in training were seldom longer, and errors grow with length."""

MIN_CHARS_TO_SPLIT = 20
"""A text this short is said in one go, however many phones it has."""

MAX_HALVINGS = 2
"""An utterance that fails is cut into at most 2 ** this many parts."""

MAX_PAUSE_S = 60.0

_PAUSE = re.compile(r"\[pause\b([^\]\n]*)\]", re.IGNORECASE)  # [pause 1.5s]
_PAUSE_LENGTH = re.compile(r"\s*(\d+(?:\.\d+)?|\.\d+)\s*(ms|s)?\s*")  # 1.5s, 300 ms, 2


@dataclass(frozen=True)
class Utterance:
    """One thing to say in one go.

    Args:
        index: its number, from 0; with the seed it decides every draw.
        text: as people read it, without white space around it.
        span: where it stands in the source text: first character, and the one after the last.
        lang: the mode in which it was read, see `segment`.
        pieces: its runs of one language, as read.
        pause_s: silence after it, in seconds.
        is_exact: the text asks for just this pause.
        part: which part of the utterance at `index` it is, after splitting that: 0 and 1, (0, 1) the second part of the
            first; empty is the whole.
    """

    index: int
    text: str
    span: tuple[int, int]
    lang: str
    pieces: tuple[Piece, ...]
    pause_s: float
    is_exact: bool = False
    part: tuple[int, ...] = ()
    _split: Callable[[], list[Utterance]] = field(default=list, compare=False, repr=False)

    @property
    def phones(self) -> tuple[str, ...]:
        """Phones of all pieces."""
        return tuple(phone for piece in self.pieces for phone in piece.phones)

    @property
    def spoken_phones(self) -> int:
        """How many of the phones are heard, not marks."""
        return sum(phone not in symbols.PUNCTUATION for piece in self.pieces for phone in piece.phones)

    @property
    def words(self) -> tuple[WordSpan, ...]:
        """Its words as they are read, and which of `phones` each has; marks belong to none."""
        starts = accumulate((len(piece.phones) for piece in self.pieces), initial=0)
        return tuple(
            WordSpan(word.text, start + word.start, start + word.end)
            for start, piece in zip(starts, self.pieces, strict=False)
            for word in words_of(piece)
        )

    @property
    def position(self) -> tuple[int, ...]:
        """What tells it from all other utterances and parts, in the order of the text."""
        return (self.index, *self.part)

    def split(self) -> list[Utterance]:
        """Its halves, to be said where the whole fails; none if it cannot be cut, or was cut often enough."""
        return self._split()


def utterances(
    text: str,
    lang: str,
    options: ReadingOptions,
    *,
    cut: str = OUR_CUT,
    joins: bool = True,
    reporter: Reporter | None = None,
) -> Iterator[Utterance]:
    """Read a text of any length. It is cut at once, and read while the utterances are asked for.

    Args:
        text: the source. `[word|phones]` or `[word|respelling]` says how a word is read, `[pause 1.5s]` is a silence.
        lang: mode of `segment`; `auto` is decided by the whole text.
        options: how to read.
        cut: `OUR_CUT`, or an official method of `cuts.METHODS`.
        joins: short sentences may share an utterance.
        reporter: hears, as Skipped, what is left out because it cannot be read.

    Raises:
        TextError: at once, if nothing of the text can be read in its language, or a pause or a phone is none; while
            reading, if none of its sentences could be read.
    """
    mode = segment.resolve_mode(lang, text)
    return read_sentences(split_text(text, mode, cut=cut, joins=joins), mode, options, reporter or Silent())


def read_whole(text: str, lang: str, options: ReadingOptions) -> Utterance:
    """Read a text in one go, however long, as a transcript is. Raises TextError, as `utterances` does."""
    return _Reader(lang, options).utterance((0,), Sentence(text, 0.0))


def strip_pauses(text: str) -> str:
    """A text without the pauses that it asks for."""
    return _PAUSE.sub(" ", text)


# From a source text to sentences.


def split_text(text: str, lang: str, *, cut: str = OUR_CUT, joins: bool = True) -> list[Sentence]:
    """Cut a source text; its sentences carry the phones that are given in it.

    Args:
        text: as for `utterances`.
        lang: mode of `segment`.
        cut: `OUR_CUT`, or an official method, whose pieces are all followed by the same pause.
        joins: short sentences may share an utterance.

    Raises:
        TextError: there is nothing to read, a pause or a phone is none, or a pause stands before the first word.
    """
    encoded, positions = lexicon.encode_inline(text, lang)
    pauses = list(_PAUSE.finditer(encoded))
    starts = [0, *(pause.end() for pause in pauses)]
    ends = [*(pause.start() for pause in pauses), len(encoded)]
    found: list[Sentence] = []
    for start, end, pause in zip(starts, ends, [*pauses, None], strict=True):
        stretch = encoded[start:end]
        if not pauses or any(map(str.isalnum, stretch)) or lexicon.has_given_phones(stretch):
            sentences = _split_stretch(stretch, lang, cut, joins=joins)
            found += (sentence.moved(positions[start : end + 1]) for sentence in sentences)
        if pause is None:
            break
        if not found:
            raise TextError(f"[pause{pause[1]}] stands before the first word", hint="put it after the words it follows")
        last = found[-1]
        found[-1] = replace(last, pause_s=_pause_s(pause[1]) + last.pause_s * last.is_exact, is_exact=True)
    return found


def _pause_s(asked: str) -> float:
    length = _PAUSE_LENGTH.fullmatch(asked)
    seconds = float(length[1]) / (1000 if length[2] == "ms" else 1) if length else 0.0
    if not 0 < seconds <= MAX_PAUSE_S:
        raise TextError(
            f"[pause{asked}] is no pause: expected seconds, above 0 and up to {MAX_PAUSE_S:.0f}",
            hint="[pause 1.5s] or [pause 300ms]",
        )
    return seconds


def _split_stretch(text: str, lang: str, method: str, *, joins: bool) -> list[Sentence]:
    if method == OUR_CUT:
        return split_sentences(text, lang, min_chars=MIN_CHARS if joins else 0)
    is_english = segment.find_mode(lang).is_whole
    plain = cuts.collapse_marks(text)
    pieces = [piece for piece in cuts.official_pieces(plain, method, is_english=is_english) if piece]
    return [
        Sentence(piece, PAUSES_S[Boundary.SENTENCE], positions=at)
        for piece, at in zip(pieces, _aligned(pieces, text), strict=True)
    ]


def _aligned(pieces: Sequence[str], text: str) -> Iterator[Sequence[int]]:
    """Where the characters of official pieces stand in a text: they keep its letters in order, but not its marks.

    text     "A. . B!? C"          piece "A."   -> 0 1, end 2
              0123456789           piece "B!C." -> 5 6 9 10, end 10       (marks: behind the letter before them)
    """
    letters = [position for position, character in enumerate(text) if _is_letter(character)]
    taken = end = 0
    for piece in pieces:
        at: list[int] = []
        for character in piece:
            if _is_letter(character) and taken < len(letters):
                end = letters[taken]
                taken += 1
                at.append(end)
                end += 1
            else:
                at.append(end)
        following = letters[taken] if taken < len(letters) else len(text)
        end += len(text[end:following]) - len(text[end:following].lstrip(_MARKS))
        yield (*at, end)


def _is_letter(character: str) -> bool:
    return character.isalnum() or character == "_"


_MARKS = "，。？！,.?!~:：；;、…"


# From sentences to utterances.


def read_sentences(
    sentences: Iterable[Sentence], lang: str, options: ReadingOptions, reporter: Reporter
) -> Iterator[Utterance]:
    """Read sentences one by one, as they are asked for; what cannot be read is reported as Skipped.

    Args:
        sentences: of `split_text`.
        lang: mode of `segment`, decided for the whole text.
        options: how to read.
        reporter: hears what is left out.

    Raises:
        SovitsError: none of them can be read.
    """
    reader = _Reader(lang, options)
    index = 0
    unreadable: SovitsError | None = None
    for sentence in sentences:
        failed: list[SovitsError] = []
        read: list[tuple[Sentence, tuple[Piece, ...]]] = []
        with contained(failed.append):
            read.extend(reader.fitting(sentence))  # pieces before the one that fails are kept
        for error in failed:
            unreadable = error
            reporter.emit(
                Skipped(excerpt(lexicon.strip_phones(sentence.text).strip()), error.message, error.unforeseen)
            )
        for part, pieces in read:
            yield reader.utterance((index,), part, pieces)
            index += 1
    if unreadable is not None and not index:
        raise unreadable


class _Reader:
    """Reads sentences in a mode, and cuts those that do not fit."""

    def __init__(self, lang: str, options: ReadingOptions) -> None:
        self._lang = lang
        self._options = options

    def utterance(
        self, position: tuple[int, ...], sentence: Sentence, pieces: tuple[Piece, ...] | None = None
    ) -> Utterance:
        """The utterance of a sentence, whose pieces are read now if they were not before."""
        index, *part = position
        return Utterance(
            index=index,
            text=lexicon.strip_phones(sentence.text).strip(),
            span=sentence.span,
            lang=self._lang,
            pieces=self._read(sentence.text.strip()) if pieces is None else pieces,
            pause_s=sentence.pause_s,
            is_exact=sentence.is_exact,
            part=tuple(part),
            _split=lambda: self._halves(position, sentence),
        )

    def fitting(self, sentence: Sentence) -> Iterator[tuple[Sentence, tuple[Piece, ...]]]:
        """A sentence as it is read, or the parts of it that can be said in one go."""
        text = sentence.text.strip()
        pieces = self._read(text)
        if sum(len(piece.phones) for piece in pieces) <= MAX_PHONES or len(text) <= MIN_CHARS_TO_SPLIT:
            yield sentence, pieces
            return
        parts = sentence.parts(split_sentences(text, self._lang, max_chars=max(MIN_CHARS_TO_SPLIT, len(text) // 2)))
        if len(parts) == 1:
            yield sentence, pieces
            return
        for part in parts:
            yield from self.fitting(part)

    def _halves(self, position: tuple[int, ...], sentence: Sentence) -> list[Utterance]:
        parts = sentence.parts(split_in_two(sentence.text, self._lang)) if len(position) <= MAX_HALVINGS else [sentence]
        if len(parts) == 1:
            return []
        halves: list[Utterance] = []
        with contained(lambda _: halves.clear()):  # then the whole is all there is, and stays as doubtful as it was
            halves += [self.utterance((*position, number), part) for number, part in enumerate(parts)]
        return halves

    def _read(self, text: str) -> tuple[Piece, ...]:
        return read_for_speech(text, self._lang, self._options)
