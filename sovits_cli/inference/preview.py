"""`sovits infer --dry-run`: how a text will be read, sentence by sentence, and what is a guess. Loads no network."""

from __future__ import annotations

from dataclasses import dataclass

from sovits_cli.events import Reporter
from sovits_cli.inference.request import SynthesisRequest
from sovits_cli.text.reading import Piece, guessed_words
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


def preview(request: SynthesisRequest, reporter: Reporter) -> Preview:
    """Read a text as it would be spoken; what cannot be read is reported as Skipped.

    Raises:
        SovitsError: none of it can be read.
    """
    sentences = tuple(
        PreviewedSentence(one.text, one.pause_s, tuple(map(_segment, one.pieces)))
        for one in request.utterances(reporter)
    )
    return Preview(request.reading.table, request.lang, sentences)


def _segment(piece: Piece) -> Segment:
    return Segment(piece.lang, piece.text, piece.norm, piece.phones, guessed_words(piece))
