"""`sovits infer`: a recording, a text and a file name in, speech out."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sovits_cli.cli.command import CommandContext, command, option
from sovits_cli.events import Chose, Warned
from sovits_cli.memory import MemoryUse, memory_use
from sovits_cli.report import json_output
from sovits_cli.report.tables import format_bytes, format_duration

if TYPE_CHECKING:
    from sovits_cli.checkpoints.bundle import Bundle
    from sovits_cli.cli.infer_inputs import InferInputs
    from sovits_cli.inference.reference import Recording, Reference
    from sovits_cli.inference.request import PreviewedSentence, SynthesisRequest
    from sovits_cli.inference.voice import Voice
    from sovits_cli.inference.writer import DoubtfulSentence
    from sovits_cli.text.lexicon import Lexicon

DEFAULT_OUT = Path("out.wav")

KERNELS_KEPT = "16"
"""Kernels that oneDNN keeps compiled. Nearly every sentence has another length, and so needs its own: of 1024 kept by
default none is used again, and each costs memory."""

LARGE_BYTES = 1 << 18
"""Buffers from this size on go back to the system when they are free, rather than leave holes in the heap."""


@command(
    option("inference.lang"),
    option("inference.prompt_lang"),
    option("inference.text_split_method"),
    option("inference.text_compat"),
    option("lexicon"),
    option("inference.model"),
    option("inference.seed"),
    option("inference.speed"),
    option("inference.pause"),
    option("inference.top_k"),
    option("inference.top_p"),
    option("inference.temperature"),
    option("inference.repetition_penalty"),
    option("inference.batch_size"),
    option("inference.steps"),
    option("inference.guidance"),
    option("inference.parallel"),
)
def infer_command(  # noqa: PLR0913 - a parameter a flag
    context: CommandContext,
    ref: Annotated[
        str | None, typer.Option("--ref", metavar="FILE", help="recording of the voice, 3 s or longer; or builtin:NAME")
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", "-t", metavar="FILE", help="text file, - for standard input, builtin:NAME")
    ] = None,
    say: Annotated[str | None, typer.Option("--say", metavar="TEXT", help="speak these words")] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="audio file: .wav .flac .mp3 .ogg .opus")
    ] = DEFAULT_OUT,
    prompt_text: Annotated[
        str | None,
        typer.Option(
            "--prompt-text", metavar="TEXT", help="what is said in the recording; without it: FILE.txt beside it"
        ),
    ] = None,
    srt: Annotated[Path | None, typer.Option("--srt", metavar="FILE", help="write subtitles with times")] = None,
    gpt: Annotated[Path | None, typer.Option("--gpt", metavar="FILE", help="GPT weights, official .ckpt")] = None,
    sovits: Annotated[
        Path | None, typer.Option("--sovits", metavar="FILE", help="SoVITS weights, official .pth")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="show how the text will be read, and speak nothing; needs no --ref")
    ] = False,
) -> None:
    """Speak a text in the voice of a recording.

    Texts may be of any length: they are spoken sentence by sentence and written as they are finished. A recording of
    3 to 10 s with a transcript is also continued in its manner; a longer one is heard all over for its timbre.
    In the text, [word|phones] or [word|respelling] says how a word is read, and [pause 1.5s] makes a silence.

        sovits infer --ref r.wav -t text.txt -o out.wav
    """
    from sovits_cli.cli.infer_inputs import InferInputs, check_outputs, check_prompt_lang, read_transcript

    began_s = time.perf_counter()
    _bound_heap()
    context.warn_of_unusable_languages()
    bundle = _bundle(context, gpt, sovits)
    inputs = InferInputs(ref, text, say, prompt_text, out, srt)
    if dry_run:
        _preview(context, inputs, bundle)
        return
    # whatever can be wrong with what was typed shows before a network is loaded
    check_outputs(inputs, tuple(_read_files(context, bundle)))
    check_prompt_lang(context.settings.inference.prompt_lang)
    request = _request(context, inputs, bundle)

    from sovits_cli.inference.reference import read_recording

    recording, transcript = read_recording(inputs.recording), read_transcript(inputs)
    _announce(context, request, bundle)

    from sovits_cli.inference.voice import Voice  # brings torch
    from sovits_cli.inference.writer import write_speech

    voice = Voice(bundle, context.device)
    reference = _reference(context, voice, inputs, request, (recording, transcript))
    parts = voice.stream(replace(request, notes=(), left_out=()), reference, reporter=context.reporter)
    total = len(request.sentences)
    written = write_speech(parts, out, rate=voice.rate, srt=srt, total=total, reporter=context.reporter)
    elapsed_s = time.perf_counter() - began_s
    report = InferReport(
        out=out,
        srt=srt,
        model=bundle.name,
        rate=voice.rate,
        seconds=written.seconds,
        elapsed_s=elapsed_s,
        real_time_factor=elapsed_s / max(written.seconds, 1e-3),
        sentences=written.sentences,
        retries=written.retries,
        doubtful=written.doubtful,
        seed=request.options.seed,
    )
    memory = memory_use(context.device)
    document = {**_plain(report), "memory": memory.kind, "peak_memory_bytes": memory.peak_bytes}
    context.result(document, text=_summary(report, memory))


@dataclass(frozen=True)
class InferReport:
    """What was spoken.

    Args:
        out: the audio file.
        srt: the subtitles, if asked for.
        model: that spoke.
        rate: sample rate of the speech.
        seconds: of audio.
        elapsed_s: time it took, loading the model included.
        real_time_factor: elapsed seconds per second of audio.
        sentences: how many were spoken.
        retries: how often one was spoken again because a check failed.
        doubtful: what may be wrong; empty if nothing is.
        seed: gives the same audio again.
    """

    out: Path
    srt: Path | None
    model: str
    rate: int
    seconds: float
    elapsed_s: float
    real_time_factor: float
    sentences: int
    retries: int
    doubtful: tuple[DoubtfulSentence, ...]
    seed: int


def _request(
    context: CommandContext, inputs: InferInputs, bundle: Bundle, *, any_language: bool = False
) -> SynthesisRequest:
    """The text to speak, read and checked; `any_language`: also what the model is known not to speak."""
    from sovits_cli.cli.infer_inputs import read_input_text
    from sovits_cli.inference.language_support import language_support
    from sovits_cli.inference.request import synthesis_request
    from sovits_cli.text.characters import encoding_note

    settings, support = context.settings.inference, language_support(bundle)
    source = read_input_text(inputs, settings.lang)
    support = replace(support, is_sure=support.is_sure and not any_language)
    request = synthesis_request(source.text, bundle, settings, words=_lexicon(context), support=support)
    notes = (encoding_note("the text", source.encoding),) if source.is_guess else ()
    return replace(request, notes=(*notes, *request.notes))


def _lexicon(context: CommandContext) -> Lexicon:
    from sovits_cli.text.lexicon import EMPTY_LEXICON, load_lexicon

    path = context.settings.lexicon
    return EMPTY_LEXICON if path is None else load_lexicon(path)


def _announce(context: CommandContext, request: SynthesisRequest, bundle: Bundle) -> None:
    """Tell what to know of the text, and what was chosen."""
    settings = context.settings.inference
    for event in (*map(Warned, request.notes), *request.left_out):
        context.reporter.emit(event)
    context.reporter.emit(Chose("model", bundle.name, bundle.why))
    _ = context.device  # tells itself
    drawn = "drawn; --seed gives the same again" if settings.seed is None else "given"
    context.reporter.emit(Chose("seed", str(request.options.seed), drawn))
    of_flows = settings.steps is not None or settings.guidance > 0 or settings.parallel
    if of_flows and bundle.version.decoder.sampler_steps is None:
        context.reporter.emit(Warned(f"{bundle.name} has no flow: steps, guidance and parallel change nothing"))


def _reference(
    context: CommandContext,
    voice: Voice,
    inputs: InferInputs,
    request: SynthesisRequest,
    material: tuple[Recording, str],
) -> Reference:
    """Let the voice hear the recording and its transcript, and tell what it makes of them.

    A transcript that only lay beside the recording is no reason to fail where the model lacks the encoder that would
    hear a prompt; one that was typed is: there `Voice.reference` raises.
    """
    from sovits_cli.inference.request import transcript_lang

    settings, (recording, transcript) = context.settings.inference, material
    could_prompt = voice.continues_prompts and bool(transcript) and recording.is_whole
    is_deaf = could_prompt and not voice.hears_prompts and inputs.prompt_text is None
    reference = voice.reference(
        recording,
        transcript=None if is_deaf else transcript,
        lang=transcript_lang(settings.prompt_lang, transcript, request.lang),
        lexicon=request.reading.lexicon,
        text_compat=request.reading.compat,
    )
    use = f"{recording.description}: timbre; no prompt, for no content encoder is installed"
    context.reporter.emit(Chose("reference", str(inputs.recording), use if is_deaf else reference.description))
    return reference


def _bound_heap() -> None:
    """Let this process need no more memory for an hour of speech than for a minute: what is in it is not kept by us."""
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", KERNELS_KEPT)
    with suppress(OSError, AttributeError, TypeError):  # not glibc
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)


_M_MMAP_THRESHOLD = -3
"""As in malloc.h of glibc."""


def _read_files(context: CommandContext, bundle: Bundle) -> Iterator[tuple[str, Path]]:
    """Files that are read besides the recording and the text, and what each is."""
    yield from (("the settings", path) for path in context.resolved.files)
    if context.settings.lexicon is not None:
        yield "the lexicon", context.settings.lexicon
    yield from ((f"the model {bundle.name}", path) for path in bundle.parts)


def _preview(context: CommandContext, inputs: InferInputs, bundle: Bundle) -> None:
    """Show how a text will be read."""
    from sovits_cli.inference.request import preview

    request = _request(context, inputs, bundle, any_language=True)
    for note in request.notes:
        context.reporter.emit(Warned(note))
    table = request.reading.table.value
    context.reporter.emit(Chose("model", bundle.name, f"symbol table {table}; {bundle.why}"))
    found = preview(request, context.reporter)
    context.result(found, text="\n".join(_read_aloud(sentence) for sentence in found.sentences))


def _read_aloud(sentence: PreviewedSentence) -> str:
    """A sentence as people check it: its text, then each stretch with language, reading, phones and guesses."""
    from sovits_cli.text.characters import visible_form

    lines = [visible_form(sentence.text) + (f"  (pause {sentence.pause_s:g} s)" if sentence.pause_s else "")]
    for part in sentence.segments:
        lines += [f"  {part.lang:<3} {part.norm}", f"      {' '.join(part.phones)}"]
        lines += [f"      guessed: {', '.join(part.guessed)}"] if part.guessed else []
    return "\n".join(lines)


def _bundle(context: CommandContext, gpt: Path | None, sovits: Path | None) -> Bundle:
    from sovits_cli.checkpoints.catalogue import bundle_from_files, find_model

    name, runs = context.settings.inference.model, context.settings.train.out
    if gpt is None and sovits is None:
        return find_model(name, runs=runs, trained=True)
    return bundle_from_files(gpt, sovits, name=name, runs=runs)


def _plain(report: InferReport) -> dict[str, object]:
    document = json_output.plain(report)
    assert isinstance(document, dict)
    return document


def _summary(report: InferReport, memory: MemoryUse) -> str:
    """What the user reads at the end."""
    notes = [
        f"real-time factor {report.real_time_factor:.2f}",
        f"{memory.kind} {format_bytes(memory.peak_bytes)} at most",
    ]
    notes += [f"{_counted(report.retries, 'try', 'tries')} repeated"] if report.retries else []
    notes += [f"{_counted(len(report.doubtful), 'sentence')} may be wrong"] if report.doubtful else []
    count = _counted(report.sentences, "sentence")
    return f"{report.out}: {format_duration(report.seconds)} of speech, {count} ({', '.join(notes)})"


def _counted(number: int, one: str, many: str = "") -> str:
    """A number and its noun: "1 try", "2 tries"."""
    return f"{number} {one if number == 1 else many or one + 's'}"
