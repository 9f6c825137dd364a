"""Sentences to lines: each with its phones, its place in the text and the pause after it.

A sentence whose phones are more than can be said in one go is cut further. Knows no audio.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from sovits_cli.errors import TextError
from sovits_cli.events import Reporter, Skipped
from sovits_cli.text import pronunciation
from sovits_cli.text.frontend import excerpt
from sovits_cli.text.split import Sentence, sentences

if TYPE_CHECKING:
    from sovits_cli.inference.voice import Spoken

Read = TypeVar("Read")

MOST_PHONES = 250
"""About 20 s of speech: official clips in training were seldom longer, and errors grow with length."""

FEWEST_CHARS = 20
"""A piece this short is said in one go, however many phones it has."""


@dataclass(frozen=True)
class Line:
    """One thing to say.

    Args:
        index: its place, from 0; with the seed it decides every draw.
        text: as it stands in the source, without white space around it.
        spoken: its phones.
        pause_s: silence after it, in seconds.
        is_exact: the text asks for just this pause.
    """

    index: int
    text: str
    spoken: Spoken
    pause_s: float
    is_exact: bool = False


def lines(
    found: Iterable[Sentence], lang: str, pronounce: Callable[[str, str], Spoken], reporter: Reporter
) -> Iterator[Line]:
    """Read sentences one by one, as they are asked for; what cannot be read is reported as Skipped.

    Raises:
        TextError: none of them can be read.
    """
    index = 0
    unreadable: TextError | None = None
    for sentence in found:
        try:
            for spoken, piece in fitting(sentence, lang, pronounce, lambda said: len(said.phones)):
                text = pronunciation.shown(piece.text).strip()
                yield Line(index, text, spoken, piece.pause_s, piece.is_exact)
                index += 1
        except TextError as error:
            unreadable = error
            reporter.emit(Skipped(excerpt(pronunciation.shown(sentence.text).strip()), error.message))
    if not index and unreadable is not None:
        raise unreadable


def fitting(
    sentence: Sentence, lang: str, pronounce: Callable[[str, str], Read], phones: Callable[[Read], int]
) -> Iterator[tuple[Read, Sentence]]:
    """A sentence as it is read, or the pieces of it that can be said in one go; `phones` counts those of a reading."""
    text = sentence.text.strip()
    spoken = pronounce(text, lang)
    if phones(spoken) <= MOST_PHONES or len(text) <= FEWEST_CHARS:
        yield spoken, sentence
        return
    pieces = sentences(text, lang, max_chars=max(FEWEST_CHARS, len(text) // 2))
    if len(pieces) == 1:
        yield spoken, sentence
        return
    for piece in pieces[:-1]:
        yield from fitting(piece, lang, pronounce, phones)
    last = replace(pieces[-1], pause_s=sentence.pause_s, is_exact=sentence.is_exact)
    yield from fitting(last, lang, pronounce, phones)
