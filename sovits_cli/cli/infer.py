"""`sovits infer`: a recording, a text and a file name in, speech out."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sovits_cli.cli.context import CommandContext
from sovits_cli.cli.options import command, option
from sovits_cli.events import Chose, Warned
from sovits_cli.report import jsonl, vram
from sovits_cli.report.console import duration

if TYPE_CHECKING:
    from sovits_cli.checkpoints.bundle import Bundle
    from sovits_cli.inference.preview import PreviewedSentence
    from sovits_cli.inference.request import Script
    from sovits_cli.inference.writer import InferReport
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
    from sovits_cli.inference import language_support
    from sovits_cli.inference.request import InferInputs, check, check_text
    from sovits_cli.text import lexicon

    began_s = time.perf_counter()
    _bound_heap()
    settings = context.settings.inference
    context.warn_of_unusable_languages()
    words = (
        lexicon.EMPTY_LEXICON if context.settings.lexicon is None else lexicon.load_lexicon(context.settings.lexicon)
    )
    bundle = _bundle(context, gpt, sovits)
    inputs = InferInputs(
        ref, text, say, prompt_text, out, srt, settings.prompt_lang, tuple(_read_files(context, bundle))
    )
    speaks, joins = language_support.of(bundle), bundle.version.joins_sentences
    if dry_run:
        any_language = replace(speaks, is_sure=False)
        script = check_text(inputs, settings.lang, cut=settings.text_split_method, support=any_language, joins=joins)
        _preview(context, script, words, bundle)
        return
    order = check(inputs, settings.lang, cut=settings.text_split_method, words=words, support=speaks, joins=joins)
    for event in (*map(Warned, order.notes), *order.left_out):
        context.reporter.emit(event)
    context.reporter.emit(Chose("model", bundle.name, bundle.why))
    device = context.device

    from sovits_cli.inference.writer import infer

    report = infer(order, settings, bundle, device=device, reporter=context.reporter, began_s=began_s)
    memory = vram.memory(device)
    document = {**_plain(report), "memory": memory.kind, "peak_memory_bytes": memory.peak_bytes}
    context.result(document, text=_told(report, memory))


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


def _preview(context: CommandContext, script: Script, words: Lexicon, bundle: Bundle) -> None:
    """Show how a text will be read."""
    from sovits_cli.inference.preview import preview

    for note in script.notes:
        context.reporter.emit(Warned(note))
    context.reporter.emit(Chose("model", bundle.name, f"symbol table {bundle.version.symbols.value}; {bundle.why}"))
    found = preview(
        script, bundle.version.symbols, words, context.reporter, compat=context.settings.inference.text_compat
    )
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
    document = jsonl.plain(report)
    assert isinstance(document, dict)
    return document


def _told(report: InferReport, memory: vram.MemoryUse) -> str:
    """What the user reads at the end."""
    notes = [f"real-time factor {report.real_time_factor:.2f}", f"{memory.kind} {vram.size(memory.peak_bytes)} at most"]
    notes += [f"{_counted(report.retries, 'try', 'tries')} repeated"] if report.retries else []
    notes += [f"{_counted(len(report.doubtful), 'sentence')} may be wrong"] if report.doubtful else []
    count = _counted(report.sentences, "sentence")
    return f"{report.out}: {duration(report.seconds)} of speech, {count} ({', '.join(notes)})"


def _counted(number: int, one: str, many: str = "") -> str:
    """A number and its noun: "1 try", "2 tries"."""
    return f"{number} {one if number == 1 else many or one + 's'}"
