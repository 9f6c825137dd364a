"""What `sovits infer` was told on the command line: files found, texts read, and no output over an input.

Knows flags; imports no torch.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sovits_cli import paths
from sovits_cli.audio.writer import check_audio_suffix
from sovits_cli.errors import TextError, UsageError
from sovits_cli.files import check_place, partial, real_path
from sovits_cli.text import characters, segment
from sovits_cli.text.characters import DecodedText

TRANSCRIPT_SUFFIX = ".txt"
STDIN = "-"


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
    """

    ref: str | None
    text: str | None
    say: str | None
    prompt_text: str | None
    out: Path
    srt: Path | None

    @property
    def recording(self) -> Path:
        """The recording. Raises UsageError: there is none."""
        if self.ref is None:
            voices = [f"--ref {paths.EXAMPLE_PREFIX}{name}" for name in paths.example_names(paths.VOICE_SUFFIX)]
            raise UsageError("no voice: --ref was not given", hint=f"--ref RECORDING, or {' or '.join(voices)}")
        return paths.resolve_example(self.ref, paths.VOICE_SUFFIX)


def read_input_text(inputs: InferInputs, lang: str) -> DecodedText:
    """Read the text to speak, which is likely in the language or mode `lang`.

    Raises:
        UsageError: there is none, or two.
        TextError: it cannot be read, is in an encoding that cannot be told, or is empty.
    """
    if (inputs.text is None) == (inputs.say is None):
        both = "both -t and --say were given" if inputs.say is not None else "neither -t nor --say was given"
        raise UsageError(f"nothing clear to speak: {both}", hint='-t text.txt, or --say "Hello there."')
    text = _typed(inputs.say, "--say", lang) if inputs.say is not None else read_text_file(str(inputs.text), lang)
    if not text.text.strip():
        source = "--say" if inputs.say is not None else inputs.text
        raise TextError(f"there is nothing to speak: {source} is empty", hint='-t text.txt, or --say "Hello there."')
    return text


def read_transcript(inputs: InferInputs) -> str:
    """Read what is said in the recording: as typed, or from the text file beside it; empty if nobody says.

    Raises:
        TextError: it cannot be read.
    """
    if inputs.prompt_text is not None:
        return _typed(inputs.prompt_text, "--prompt-text").text.strip()
    beside = inputs.recording.with_suffix(TRANSCRIPT_SUFFIX)
    is_the_text = inputs.text is not None and real_path(Path(inputs.text)) == real_path(beside)
    return read_text_file(str(beside)).text.strip() if beside.is_file() and not is_the_text else ""


def read_text_file(given: str, lang: str = "") -> DecodedText:
    """Read a file, a `builtin:` text, or `-` for standard input; `lang` is the language or mode it is likely in.

    Raises:
        TextError: it cannot be read, is no text, or is in an encoding that cannot be told.
        UsageError: no such built-in text.
    """
    if given == STDIN:
        return characters.decode_text(sys.stdin.buffer.read(), "standard input", lang)
    path = paths.resolve_example(given, paths.TEXT_SUFFIX)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise TextError(
            f"{path} does not exist: a text file was expected", hint='-t FILE, or --say "..." to speak words as typed'
        ) from error
    except OSError as error:
        raise TextError(f"cannot read {path}: {error.strerror or error}") from error
    return characters.decode_text(data, str(path), lang)


def check_outputs(inputs: InferInputs, others: Sequence[tuple[str, Path]]) -> None:
    """Check that what is to be written can be, and lies over nothing that is read.

    Args:
        inputs: what was typed.
        others: what each file is that is read besides recording and text, and its path.

    Raises:
        UsageError: an unknown suffix, or an output that is an input or the other output.
        ResourceError: a file cannot be written where it is to be.
    """
    check_audio_suffix(inputs.out)
    _check_collisions(inputs, others)
    for output in (inputs.out, inputs.srt):
        if output is not None:
            check_place(output)


def check_prompt_lang(given: str) -> None:
    """Check the mode of the transcript. Raises TextError: it is unknown."""
    try:
        segment.find_mode(given)
    except TextError as error:
        raise TextError(error.message, hint=f"--prompt-lang {error.fields['nearest']}") from None


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
    return characters.decode_text(data, flag, lang)


def _check_collisions(inputs: InferInputs, others: Sequence[tuple[str, Path]]) -> None:
    """No output, nor the file as which it grows, may be an input, or the other output."""
    ref = inputs.recording
    taken = [("--ref", ref), *others]
    if ref.name and (beside := ref.with_suffix(TRANSCRIPT_SUFFIX)).is_file():
        taken.append(("the transcript", beside))
    if inputs.text is not None and inputs.text != STDIN:
        taken.append(("-t", paths.resolve_example(inputs.text, paths.TEXT_SUFFIX)))
    for flag, path in (("-o", inputs.out), ("--srt", inputs.srt)):
        if path is None:
            continue
        for written in (path, partial(path)):
            for what, other in taken:
                if _is_same(written, other):
                    growing = "" if written == path else f", which grows as {written},"
                    raise UsageError(
                        f"{flag} {path}{growing} is the file of {what} too", hint=f"name another file after {flag}"
                    )
        taken += [(flag, path), (flag, partial(path))]


def _is_same(first: Path, second: Path) -> bool:
    """Whether two names are of one file, by links of either kind too."""
    if real_path(first) == real_path(second):
        return True
    with suppress(OSError):  # one of them is not there
        return first.samefile(second)
    return False
