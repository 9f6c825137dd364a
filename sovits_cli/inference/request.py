"""What is to be spoken and how, checked before any network is loaded, and how it will be read (`infer --dry-run`).

Knows no files and no recordings; no torch.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.config.schema import InferenceSettings
from sovits_cli.events import Reporter, Skipped
from sovits_cli.inference.language_support import LanguageSupport, language_support, supported_text
from sovits_cli.text import characters, lexicon, segment
from sovits_cli.text.lexicon import Lexicon
from sovits_cli.text.reading import Piece, ReadingOptions, guessed_words
from sovits_cli.text.split import PAUSES_S, Boundary, Sentence
from sovits_cli.text.utterances import Utterance, read_sentences, split_text, strip_pauses
from sovits_cli.versions import ModelVersion, SymbolTable

SEEDS = 2**32


@dataclass(frozen=True)
class SynthesisOptions:
    """How utterances are spoken: the settings, with what the version says where they say nothing.

    Args:
        seed: decides every draw.
        top_k: tokens are drawn among the k likeliest; None: among all.
        top_p: among those that make up this probability.
        temperature: randomness of the drawing; 0: the likeliest.
        repetition_penalty: how much tokens that were there are held back; 1: not at all.
        speed: above 1 is faster.
        pause_factor: on the pauses of the text, but for those that it asks for.
        batch_size: utterances decoded side by side.
        flow_steps: steps along the flow; None: as the version is used with. This and the next two are of flows only.
        guidance: see `FlowSampling`.
        parallel_chunks: make the chunks of an utterance side by side.
    """

    seed: int
    top_k: int | None = None
    top_p: float = 1.0
    temperature: float = 1.0
    repetition_penalty: float = 1.0
    speed: float = 1.0
    pause_factor: float = 1.0
    batch_size: int = 8
    flow_steps: int | None = None
    guidance: float = 0.0
    parallel_chunks: bool = False


@dataclass(frozen=True)
class SynthesisRequest:
    """A text to speak, checked, and how to speak it. Made by `synthesis_request` or `Voice.request`.

    Args:
        sentences: the text, cut.
        lang: the mode of `text.segment` that it is read in.
        reading: how the text is read.
        options: how to speak.
        notes: what the user should know about the text before it is spoken.
        left_out: what of it the model does not speak.
    """

    sentences: list[Sentence]
    lang: str
    reading: ReadingOptions
    options: SynthesisOptions
    notes: tuple[str, ...] = ()
    left_out: tuple[Skipped, ...] = ()

    def utterances(self, reporter: Reporter) -> Iterator[Utterance]:
        """Read the text, an utterance at a time, as they are asked for; what cannot be read is reported as Skipped.

        Raises:
            SovitsError: none of it can be read.
        """
        return read_sentences(self.sentences, self.lang, self.reading, reporter)


#     text ─▶ language told by its characters ─▶ what the model does not speak ─▶ sentences and the pauses after them
#             (`segment.resolve_mode`)           is refused, or named and left out     │
#                                                                                      ▼   later, as they are asked for
#     all of this at once, before a network is loaded                             utterances: phones, words, spans
def synthesis_request(
    text: str,
    bundle: Bundle,
    settings: InferenceSettings,
    *,
    words: Lexicon = lexicon.EMPTY_LEXICON,
    support: LanguageSupport | None = None,
) -> SynthesisRequest:
    """Check a text and how it is to be spoken.

    Args:
        text: of any length; [word|phones] and [pause 1.5s] in it are obeyed.
        bundle: the model that is to speak.
        settings: how.
        words: how some words are read.
        support: what the model speaks, where that is not what is known of it.

    Raises:
        TextError: the language is unknown, or the model does not speak it; there is nothing to read in the text.
    """
    support = language_support(bundle) if support is None else support
    segment.find_mode(settings.lang)
    resolved = segment.resolve_mode(settings.lang, text)
    plain = strip_pauses(lexicon.strip_inline(text))
    found = supported_text(plain, resolved, support)
    unsure = segment.latin_ambiguity(found.lang, plain)
    lost = characters.unread_note(characters.unread_characters(text, resolved))
    joins = bundle.version.joins_sentences
    return SynthesisRequest(
        sentences=split_text(text, found.lang, cut=settings.text_split_method, joins=joins),
        lang=found.lang,
        reading=ReadingOptions(bundle.version.symbols, settings.text_compat, words),
        options=synthesis_options(settings, bundle.version),
        notes=(*filter(None, [lost]), *found.notes, *filter(None, [unsure])),
        left_out=found.left_out,
    )


def synthesis_options(settings: InferenceSettings, version: ModelVersion) -> SynthesisOptions:
    """How to speak, by the settings, and by the version of the model where they say nothing; a seed may be drawn."""
    usual = version.sampling
    penalty = settings.repetition_penalty
    return SynthesisOptions(
        seed=secrets.randbelow(SEEDS) if settings.seed is None else settings.seed,
        top_k=(usual.top_k if settings.top_k is None else settings.top_k) or None,
        top_p=settings.top_p,
        temperature=usual.temperature if settings.temperature is None else settings.temperature,
        repetition_penalty=usual.repetition_penalty if penalty is None else penalty,
        speed=settings.speed,
        pause_factor=settings.pause / PAUSES_S[Boundary.SENTENCE],
        batch_size=settings.batch_size,
        flow_steps=settings.steps,
        guidance=settings.guidance,
        parallel_chunks=settings.parallel,
    )


def transcript_lang(given: str, transcript: str, text_lang: str) -> str:
    """The mode in which to read a transcript, which need not be that of the text.

    Told by its characters; what they leave open (numbers alone, or which of two languages of the same script) is as
    in the text.

    Args:
        given: the mode asked for; auto: told.
        transcript: what is said in the recording.
        text_lang: mode of the text.
    """
    if given != segment.AUTO:
        return given
    if not any(map(str.isalpha, transcript)):
        return text_lang
    found = segment.resolve_mode(segment.AUTO, transcript)
    return segment.auto_mode_like(text_lang) if found == segment.AUTO else found


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
