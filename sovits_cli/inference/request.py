"""What is to be spoken, how and where to, checked before any network is loaded. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sovits_cli.audio.writer import check_audio_suffix
from sovits_cli.errors import TextError, UsageError
from sovits_cli.events import Skipped
from sovits_cli.files import check_place, partial, real_path
from sovits_cli.inference import examples, reference, texts
from sovits_cli.inference.language_support import ALL, LanguageSupport, supported_text
from sovits_cli.inference.reference import Reference
from sovits_cli.text import characters, encoding, lexicon, segment
from sovits_cli.text.encoding import DecodedText
from sovits_cli.text.lexicon import Lexicon
from sovits_cli.text.split import Sentence
from sovits_cli.text.utterances import OUR_CUT, split_text, strip_pauses

TRANSCRIPT_SUFFIX = ".txt"


@dataclass(frozen=True)
class SynthesisRequest:
    """One call of `sovits infer`.

    Args:
        sentences: the text, cut.
        lang: its language, or another mode of `text.segment`.
        reference: the voice.
        transcript: what is said in the reference; None: it is only heard for its timbre.
        transcript_typed: it was given on the command line, not found beside the reference.
        no_transcript: why there is none.
        out: the audio file to write.
        srt: subtitles to write, or None.
        notes: what the user should know about the text before it is spoken.
        left_out: what of it the model does not speak.
        words: how some words are read.
        prompt_lang: language or mode of the transcript.
    """

    sentences: list[Sentence]
    lang: str
    reference: Reference
    transcript: str | None
    transcript_typed: bool
    no_transcript: str
    out: Path
    srt: Path | None
    notes: tuple[str, ...] = ()
    left_out: tuple[Skipped, ...] = ()
    words: Lexicon = lexicon.EMPTY_LEXICON
    prompt_lang: str = segment.AUTO


@dataclass(frozen=True)
class InferInputs:
    """What was typed.

    Args:
        ref: a recording, or `builtin:NAME`.
        text: a file, `-` or `builtin:NAME`.
        say: the words themselves.
        prompt_text: what is said in the recording.
        out: the audio file to write.
        srt: subtitles to write.
        prompt_lang: mode in which to read what is said in the recording.
        others: what each of the other files is that are read, and its path.
    """

    ref: str | None
    text: str | None
    say: str | None
    prompt_text: str | None
    out: Path
    srt: Path | None
    prompt_lang: str = segment.AUTO
    others: tuple[tuple[str, Path], ...] = ()


def check(
    inputs: InferInputs,
    lang: str,
    *,
    cut: str = OUR_CUT,
    words: Lexicon = lexicon.EMPTY_LEXICON,
    support: LanguageSupport = ALL,
    joins: bool = True,
) -> SynthesisRequest:
    """Read and check everything but the model.

    Args:
        inputs: what was typed.
        lang: mode of `text.segment`.
        cut: `OUR_CUT`, or an official method of `text.cuts`.
        words: how some words are read.
        support: what the model speaks.
        joins: short sentences may share a line, see `ModelVersion.joins_sentences`.

    Raises:
        UsageError: something is missing, said twice, or would overwrite an input.
        AudioError: the reference cannot be used.
        ResourceError: a file cannot be written where it is to be.
        TextError: the text or its language cannot be used.
    """
    if inputs.ref is None:
        raise UsageError("no voice: --ref was not given", hint=f"--ref RECORDING, or {_example_voices()}")
    ref = examples.resolve(inputs.ref, examples.VOICE_SUFFIX)
    check_audio_suffix(inputs.out)
    _refuse_collisions(inputs, ref)
    for place in (inputs.out, inputs.srt):
        if place is not None:
            check_place(place)
    _check_prompt_lang(inputs.prompt_lang)
    script = check_text(inputs, lang, cut=cut, support=support, joins=joins)
    found = reference.find(ref)
    transcript, why_none = _transcript(inputs, found)
    return SynthesisRequest(
        sentences=script.sentences,
        lang=script.lang,
        reference=found,
        transcript=transcript,
        transcript_typed=inputs.prompt_text is not None,
        no_transcript=why_none,
        out=inputs.out,
        srt=inputs.srt,
        notes=script.notes,
        left_out=script.left_out,
        words=words,
        prompt_lang=_prompt_lang(inputs.prompt_lang, transcript or "", script.lang),
    )


@dataclass(frozen=True)
class Script:
    """A text to speak: its sentences, the mode it is read in, what the user should know of it, and what is left out."""

    sentences: list[Sentence]
    lang: str
    notes: tuple[str, ...]
    left_out: tuple[Skipped, ...] = ()


def check_text(
    inputs: InferInputs, lang: str, *, cut: str = OUR_CUT, support: LanguageSupport = ALL, joins: bool = True
) -> Script:
    """Read and check the text alone. Raises TextError or UsageError, as `check` does."""
    segment.find_mode(lang)
    source = _text(inputs, lang)
    resolved = segment.resolve_mode(lang, source.text)
    words = strip_pauses(lexicon.strip_inline(source.text))
    found = supported_text(words, resolved, support)
    doubt = segment.latin_doubt(found.lang, words)
    pieces = split_text(source.text, found.lang, cut=cut, joins=joins)
    notes = (*_notes(source, resolved), *found.notes, *([doubt] if doubt else []))
    return Script(pieces, found.lang, notes, found.left_out)


def _notes(source: DecodedText, how: str) -> Iterator[str]:
    """What was guessed about the encoding, and which characters will not be heard."""
    if source.is_guess:
        yield encoding.encoding_note("the text", source.encoding)
    if lost := characters.unread_note(characters.unread_characters(source.text, how)):
        yield lost


def _text(inputs: InferInputs, lang: str) -> DecodedText:
    if (inputs.text is None) == (inputs.say is None):
        both = "both -t and --say were given" if inputs.say is not None else "neither -t nor --say was given"
        raise UsageError(f"nothing clear to speak: {both}", hint='-t text.txt, or --say "Hello there."')
    text = _typed(inputs.say, "--say", lang) if inputs.say is not None else texts.read(str(inputs.text), lang)
    if not text.text.strip():
        source = "--say" if inputs.say is not None else inputs.text
        raise TextError(f"there is nothing to speak: {source} is empty", hint='-t text.txt, or --say "Hello there."')
    return text


def _typed(words: str, flag: str, lang: str = "") -> DecodedText:
    """What was typed after a flag. Bytes that are not UTF-8 arrive as halves of characters, and are told as a file's.

    Raises:
        TextError: the encoding cannot be told, or half a character stands there that was never a byte.
    """
    try:
        data = words.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise TextError(
            f"{flag} holds half a character, U+{ord(words[error.start]):04X}, at {error.start + 1}",
            hint="type it again, or write the text into a file in UTF-8: -t text.txt",
        ) from error
    return encoding.decode_text(data, flag, lang)


def _transcript(inputs: InferInputs, found: Reference) -> tuple[str | None, str]:
    """The reference's words, or why there are none: they are of use only for a window that is the whole of it."""
    text = None if inputs.prompt_text is None else _typed(inputs.prompt_text, "--prompt-text").text
    if text is None:
        beside = found.path.with_suffix(TRANSCRIPT_SUFFIX)
        is_the_text = inputs.text is not None and real_path(Path(inputs.text)) == real_path(beside)
        text = texts.read(str(beside)).text if beside.is_file() and not is_the_text else ""
    if not text.strip():
        return None, "a transcript would make it a prompt too"
    if not found.is_whole:
        return None, f"its transcript is of all {found.seconds:.0f} s, a prompt holds {reference.MAX_S:.0f} s"
    return text.strip(), ""


def _check_prompt_lang(given: str) -> None:
    try:
        segment.find_mode(given)
    except TextError as error:
        raise TextError(error.message, code="text.unknown_prompt_language", fields=error.fields) from None


def _prompt_lang(given: str, transcript: str, lang: str) -> str:
    """The mode in which to read a transcript, which need not be that of the text.

    Told by its characters; what they leave open (numbers alone, or which of two languages of the same script) is as
    in the text, whose mode is `lang`.
    """
    if given != segment.AUTO:
        return given
    if not any(map(str.isalpha, transcript)):
        return lang
    found = segment.resolve_mode(segment.AUTO, transcript)
    return segment.auto_mode_like(lang) if found == segment.AUTO else found


def _refuse_collisions(inputs: InferInputs, ref: Path) -> None:
    """No output, nor the place where it grows, may be an input, or the other output."""
    taken = [("--ref", ref), *inputs.others]
    if ref.name and (beside := ref.with_suffix(TRANSCRIPT_SUFFIX)).is_file():
        taken.append(("the transcript", beside))
    if inputs.text is not None and inputs.text != texts.STDIN:
        taken.append(("-t", examples.resolve(inputs.text, examples.TEXT_SUFFIX)))
    for flag, path in (("-o", inputs.out), ("--srt", inputs.srt)):
        if path is None:
            continue
        places = (path, partial(path))
        for place in places:
            for what, other in taken:
                if _is_same(place, other):
                    growing = "" if place == path else f", which grows as {place},"
                    raise UsageError(
                        f"{flag} {path}{growing} is the file of {what} too", hint=f"name another file after {flag}"
                    )
        taken += [(flag, place) for place in places]


def _is_same(first: Path, second: Path) -> bool:
    """Whether two names are of one file, by links of either kind too."""
    if real_path(first) == real_path(second):
        return True
    with suppress(OSError):  # one of them is not there
        return first.samefile(second)
    return False


def _example_voices() -> str:
    """The flags that take a voice of the package."""
    return " or ".join(f"--ref {examples.PREFIX}{name}" for name in examples.names(examples.VOICE_SUFFIX))
