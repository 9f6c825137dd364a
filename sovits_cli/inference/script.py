"""Sentences to lines: each with its phones, its position in the text and the pause after it.

A sentence whose phones are more than can be said in one go is cut further. Knows no audio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from sovits_cli.errors import SovitsError, contained
from sovits_cli.events import Reporter, Skipped
from sovits_cli.text import lexicon
from sovits_cli.text.frontend import excerpt
from sovits_cli.text.split import Sentence, split_in_two, split_sentences

if TYPE_CHECKING:
    from sovits_cli.inference.voice import EncodedText

Read = TypeVar("Read")
Pronounce = Callable[[str, str], "EncodedText"]
"""Reads a text in a language."""

MAX_PHONES = 250
"""About 20 s of speech: official clips in training were seldom longer, and errors grow with length."""

MIN_CHARS_TO_SPLIT = 20
"""A piece this short is said in one go, however many phones it has."""

MAX_HALVINGS = 2
"""A line that fails is cut into at most 2 ** this many parts."""


@dataclass(frozen=True)
class Utterance:
    """One thing to say.

    Args:
        index: its position, from 0; with the seed it decides every draw.
        text: as it stands in the source, without white space around it.
        spoken: its phones.
        pause_s: silence after it, in seconds.
        is_exact: the text asks for just this pause.
        part: which part of the line at `index` it is, after cutting that: 0 and 1, (0, 1) the second part of the first;
            empty is the whole.
        cut: gives the parts to say where the whole fails; none if it cannot be cut.
    """

    index: int
    text: str
    encoded: EncodedText
    pause_s: float
    is_exact: bool = False
    part: tuple[int, ...] = ()
    cut: Callable[[], Sequence[Utterance]] = field(default=tuple, compare=False, repr=False)

    @property
    def position(self) -> tuple[int, ...]:
        """What tells it from all other lines and parts, in the order of the text."""
        return (self.index, *self.part)


def utterances(found: Iterable[Sentence], lang: str, pronounce: Pronounce, reporter: Reporter) -> Iterator[Utterance]:
    """Read sentences one by one, as they are asked for. See `readings`."""
    read = readings(found, lang, pronounce, lambda spoken: len(spoken.phones), reporter)
    for index, (spoken, piece) in enumerate(read):
        yield _utterance((index,), spoken, piece, lang, pronounce)


def readings(
    found: Iterable[Sentence],
    lang: str,
    pronounce: Callable[[str, str], Read],
    phones: Callable[[Read], int],
    reporter: Reporter,
) -> Iterator[tuple[Read, Sentence]]:
    """Read sentences one by one, as they are asked for; what cannot be read is reported as Skipped.

    Args:
        found: the text, cut.
        lang: mode of `text.segment`.
        pronounce: reads a text.
        phones: counts those of a reading: sentences with too many to say in one go are given in pieces.
        reporter: hears what is left out.

    Raises:
        SovitsError: none of them can be read.
    """
    any_read = False
    unreadable: SovitsError | None = None
    for sentence in found:
        failed: list[SovitsError] = []
        read: list[tuple[Read, Sentence]] = []
        with contained(failed.append):
            read.extend(split_to_fit(sentence, lang, pronounce, phones))  # pieces before the one that fails are kept
        for error in failed:
            unreadable = error
            reporter.emit(Skipped(excerpt(lexicon.strip_phones(sentence.text).strip()), error.message, error.__cause__))
        any_read = any_read or bool(read)
        yield from read
    if unreadable is not None and not any_read:
        raise unreadable


def _utterance(
    position: tuple[int, ...], encoded: EncodedText, piece: Sentence, lang: str, pronounce: Pronounce
) -> Utterance:
    index, *part = position
    return Utterance(
        index=index,
        text=lexicon.strip_phones(piece.text).strip(),
        encoded=encoded,
        pause_s=piece.pause_s,
        is_exact=piece.is_exact,
        part=tuple(part),
        cut=partial(_parts, position, piece, lang, pronounce),
    )


def _parts(position: tuple[int, ...], piece: Sentence, lang: str, pronounce: Pronounce) -> list[Utterance]:
    """The halves of a line, each a line; none where it cannot be cut, or was cut often enough."""
    pieces = split_in_two(piece.text, lang) if len(position) <= MAX_HALVINGS else [piece]
    if len(pieces) == 1:
        return []
    pieces[-1] = replace(pieces[-1], pause_s=piece.pause_s, is_exact=piece.is_exact)
    read: list[EncodedText] = []
    with contained(lambda _: read.clear()):  # then the whole is all there is, and stays as doubtful as it was
        read += [pronounce(half.text.strip(), lang) for half in pieces]
    return [
        _utterance((*position, number), spoken, half, lang, pronounce)
        for number, (spoken, half) in enumerate(zip(read, pieces, strict=False))
    ]


def split_to_fit(
    sentence: Sentence, lang: str, pronounce: Callable[[str, str], Read], phones: Callable[[Read], int]
) -> Iterator[tuple[Read, Sentence]]:
    """A sentence as it is read, or the pieces of it that can be said in one go; `phones` counts those of a reading."""
    text = sentence.text.strip()
    spoken = pronounce(text, lang)
    if phones(spoken) <= MAX_PHONES or len(text) <= MIN_CHARS_TO_SPLIT:
        yield spoken, sentence
        return
    pieces = split_sentences(text, lang, max_chars=max(MIN_CHARS_TO_SPLIT, len(text) // 2))
    if len(pieces) == 1:
        yield spoken, sentence
        return
    for piece in pieces[:-1]:
        yield from split_to_fit(piece, lang, pronounce, phones)
    last = replace(pieces[-1], pause_s=sentence.pause_s, is_exact=sentence.is_exact)
    yield from split_to_fit(last, lang, pronounce, phones)
