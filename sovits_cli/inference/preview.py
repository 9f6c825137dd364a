"""`sovits infer --dry-run`: how a text will be read, sentence by sentence, and what is a guess. Loads no network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sovits_cli.events import Reporter
from sovits_cli.inference.request import Script
from sovits_cli.text.lexicon import Lexicon
from sovits_cli.text.reading import ReadingOptions, guessed_words
from sovits_cli.text.utterances import Utterance, read_sentences
from sovits_cli.versions import SymbolTable


@dataclass(frozen=True)
class Segment:
    """A stretch of one language.

    Args:
        lang: its code.
        text: as it is written.
        norm: as it is read.
        phones: what the model is given.
        guessed: words whose reading is a guess, or that have none.
    """

    lang: str
    text: str
    norm: str
    phones: tuple[str, ...]
    guessed: tuple[str, ...]


@dataclass(frozen=True)
class PreviewedSentence:
    """What is said in one go, and the pause after it, in seconds."""

    text: str
    pause_s: float
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Preview:
    """How a text will be read: the symbol table, the mode, and its sentences in order."""

    symbols: SymbolTable
    lang: str
    sentences: tuple[PreviewedSentence, ...]


def preview(script: Script, table: SymbolTable, words: Lexicon, reporter: Reporter, *, compat: bool) -> Preview:
    """Read a text as it would be spoken; what cannot be read is reported as Skipped.

    Raises:
        SovitsError: none of it can be read.
    """
    options = ReadingOptions(table, compat, words)
    found = [
        PreviewedSentence(each.text, each.pause_s, tuple(_segments(each)))
        for each in read_sentences(script.sentences, script.lang, options, reporter)
    ]
    return Preview(table, script.lang, tuple(found))


def _segments(utterance: Utterance) -> Iterator[Segment]:
    for piece in utterance.pieces:
        yield Segment(piece.lang, piece.text, piece.norm, piece.phones, guessed_words(piece))
