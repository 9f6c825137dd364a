"""`sovits infer`: a recording, a text and a file name in, speech out."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sovits_cli.cli.context import CommandContext
from sovits_cli.cli.options import command, option
from sovits_cli.events import Chose, Warned
from sovits_cli.memory import MemoryUse, memory_use
from sovits_cli.report import json_output
from sovits_cli.report.tables import format_bytes, format_duration

if TYPE_CHECKING:
    from sovits_cli.checkpoints.bundle import Bundle
    from sovits_cli.inference.preview import PreviewedSentence
    from sovits_cli.inference.reference import Recording
    from sovits_cli.inference.request import SynthesisRequest
    from sovits_cli.inference.writer import DoubtfulSentence

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
def infer_command(
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
    from sovits_cli.cli import infer_inputs
    from sovits_cli.inference.language_support import language_support
    from sovits_cli.inference.request import synthesis_request, transcript_lang
    from sovits_cli.text import encoding, lexicon

    began_s = time.perf_counter()
    _bound_heap()
    settings = context.settings.inference
    context.warn_of_unusable_languages()
    words = (
        lexicon.EMPTY_LEXICON if context.settings.lexicon is None else lexicon.load_lexicon(context.settings.lexicon)
    )
    bundle = _bundle(context, gpt, sovits)
    inputs = infer_inputs.InferInputs(ref, text, say, prompt_text, out, srt)
    support = language_support(bundle)
    if dry_run:
        support = replace(support, is_sure=False)
    else:
        infer_inputs.check_outputs(inputs, tuple(_read_files(context, bundle)))
        infer_inputs.check_prompt_lang(settings.prompt_lang)
    source = infer_inputs.read_text(inputs, settings.lang)
    request = synthesis_request(source.text, bundle, settings, words=words, support=support)
    notes = [encoding.encoding_note("the text", source.encoding)] if source.is_guess else []
    if dry_run:
        _preview(context, request, notes, bundle)
        return

    from sovits_cli.inference.reference import read_recording

    recording = read_recording(inputs.recording)
    transcript = infer_inputs.read_transcript(inputs)
    for event in (*map(Warned, (*notes, *request.notes)), *request.left_out):
        context.reporter.emit(event)
    context.reporter.emit(Chose("model", bundle.name, bundle.why))
    device = context.device
    drawn = "drawn; --seed gives the same again" if settings.seed is None else "given"
    context.reporter.emit(Chose("seed", str(request.options.seed), drawn))

    from sovits_cli.inference.voice import Voice
    from sovits_cli.inference.writer import write_speech

    prompt_lang = transcript_lang(settings.prompt_lang, transcript, request.lang)
    lacks_encoder = _lacks_encoder(bundle, recording, transcript, is_typed=prompt_text is not None)
    voice = Voice(bundle, device)
    reference = voice.reference(
        recording,
        transcript=None if lacks_encoder else transcript,
        lang=prompt_lang,
        lexicon=words,
        text_compat=settings.text_compat,
    )
    use = f"{recording.description}: {_NO_ENCODER}" if lacks_encoder else reference.description
    context.reporter.emit(Chose("reference", str(inputs.recording), use))
    if bundle.version.decoder.sampler_steps is None and (
        settings.steps is not None or settings.guidance or settings.parallel
    ):
        context.reporter.emit(Warned(f"{bundle.name} has no flow: steps, guidance and parallel change nothing"))
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
    memory = memory_use(device)
    document = {**_plain(report), "memory": memory.kind, "peak_memory_bytes": memory.peak_bytes}
    context.result(document, text=_told(report, memory))


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


_NO_ENCODER = "timbre; no prompt, for no content encoder is installed"


def _lacks_encoder(bundle: Bundle, recording: Recording, transcript: str, *, is_typed: bool) -> bool:
    """Whether a transcript that only lay beside the recording is of no use, because nothing can hear a prompt.

    That is no reason to fail. A transcript that was typed is: there `Voice.reference` raises.
    """
    could_prompt = bundle.version.uses_prompt and bool(transcript) and recording.is_whole
    return could_prompt and bundle.content is None and not is_typed


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


def _preview(context: CommandContext, request: SynthesisRequest, notes: Sequence[str], bundle: Bundle) -> None:
    """Show how a text will be read."""
    from sovits_cli.inference.preview import preview

    for note in (*notes, *request.notes):
        context.reporter.emit(Warned(note))
    context.reporter.emit(Chose("model", bundle.name, f"symbol table {bundle.version.symbols.value}; {bundle.why}"))
    found = preview(request, context.reporter)
    context.result(found, text="\n".join(_read_aloud(sentence) for sentence in found.sentences))


def _read_aloud(sentence: PreviewedSentence) -> str:
    """A sentence as people check it: its text, then each stretch with language, reading, phones and guesses."""
    from sovits_cli.text.characters import visible_form

    told = [visible_form(sentence.text) + (f"  (pause {sentence.pause_s:g} s)" if sentence.pause_s else "")]
    for part in sentence.segments:
        told += [f"  {part.lang:<3} {part.norm}", f"      {' '.join(part.phones)}"]
        told += [f"      guessed: {', '.join(part.guessed)}"] if part.guessed else []
    return "\n".join(told)


def _bundle(context: CommandContext, gpt: Path | None, sovits: Path | None) -> Bundle:
    from sovits_cli.checkpoints.catalogue import find_model
    from sovits_cli.checkpoints.pairing import bundle_from_files

    name, runs = context.settings.inference.model, context.settings.train.out
    if gpt is None and sovits is None:
        return find_model(name, runs=runs, trained=True)
    return bundle_from_files(gpt, sovits, name=name, runs=runs)


def _plain(report: InferReport) -> dict[str, object]:
    document = json_output.plain(report)
    assert isinstance(document, dict)
    return document


def _told(report: InferReport, memory: MemoryUse) -> str:
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
