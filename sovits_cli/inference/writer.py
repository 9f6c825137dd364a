"""Spoken utterances to one sound: joined with pauses, and written to a file as they come, subtitles beside it.

What is written so far can be played at any time, as `out.partial.wav`, which becomes `out.wav` at the end; memory does
not grow with the text. Knows no models.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from sovits_cli.audio.crossfade import ClipJoiner
from sovits_cli.audio.writer import AudioWriter
from sovits_cli.errors import ResourceError, UnforeseenError
from sovits_cli.events import Doubtful, Progress, Reporter, Warned
from sovits_cli.files import growing, partial, write_error
from sovits_cli.inference.synthesizer import SpokenUtterance
from sovits_cli.locks import held_output
from sovits_cli.text.frontend import excerpt


@dataclass(frozen=True)
class Audio:
    """Speech of a whole text.

    Args:
        samples: (T,) float32, pauses included.
        rate: their sample rate.
        parts: the utterances in it, in order.
    """

    samples: np.ndarray
    rate: int
    parts: tuple[SpokenUtterance, ...]


@dataclass(frozen=True)
class DoubtfulSentence:
    """A sentence, or a part of one, that still failed a check the last time.

    Args:
        sentence: its number, from 1.
        text: as it stands in the source.
        start_s, end_s: where it is in the audio.
        reason: what is wrong with it.
    """

    sentence: int
    text: str
    start_s: float
    end_s: float
    reason: str


@dataclass(frozen=True)
class WrittenSpeech:
    """What was written.

    Args:
        seconds: of audio.
        sentences: how many were spoken.
        retries: how often one was spoken again because a check failed.
        doubtful: what may be wrong; empty if nothing is.
    """

    seconds: float
    sentences: int
    retries: int
    doubtful: tuple[DoubtfulSentence, ...]


def joined(parts: Sequence[SpokenUtterance], rate: int) -> Audio:
    """Join utterances in memory, as they would be written.

    Raises:
        UnforeseenError: nothing is heard, because of an exception that nobody expected.
    """
    _check_audible(parts)
    joiner = ClipJoiner(rate)
    blocks = [block for part in parts for block in (*joiner.clip(part.samples), *_pause_after(part, joiner))]
    return Audio(np.concatenate([np.zeros(0, np.float32), *blocks]), rate, tuple(parts))


def write_speech(
    parts: Iterable[SpokenUtterance], out: Path, *, rate: int, srt: Path | None, total: int, reporter: Reporter
) -> WrittenSpeech:
    """Write utterances as they come.

    Args:
        parts: the utterances, in order.
        out: the audio file.
        rate: sample rate of the speech.
        srt: subtitles to write, or None.
        total: how many sentences there will be, about.
        reporter: hears progress, and what may be wrong.

    Raises:
        SovitsError: a file cannot be written, or `parts` raises. What was spoken until then is kept, as it is after
            Ctrl-C, and named as a warning. Where only the subtitles fail, the speech is whole.
    """
    subtitles = None if srt is None else SrtWriter(srt)
    writer = AudioWriter(out, rate=rate, channels=1, grows=True)
    track = _Track(writer, subtitles, rate, total, reporter)
    with held_output(out), _kept(track, out, srt, reporter), subtitles or nullcontext(), writer:
        for part in parts:
            track.add(part)
        track.check_audible()
    if subtitles is not None and subtitles.failure is not None:
        failure = subtitles.failure
        raise ResourceError(f"{failure.message}; the speech is whole: {out}", **failure.advice)
    return WrittenSpeech(track.seconds, track.count, track.retries, tuple(track.doubtful))


#     out.wav   |fade  utterance 0  fade|  pause  |fade  utterance 1  fade|  pause  | ...     ends in no pause
#     out.srt   |        cue 1          |         |        cue 2          |
#
# After each utterance the header and the subtitles say what is there: whoever pulls the plug can play it.
class _Track:
    """The file being written: utterances and pauses in order, subtitles, and what is counted."""

    def __init__(
        self, writer: AudioWriter, subtitles: SrtWriter | None, rate: int, total: int, reporter: Reporter
    ) -> None:
        self._writer = writer
        self._subtitles = subtitles
        self._joiner = ClipJoiner(rate)
        self._total = total
        self._reporter = reporter
        self._silent: list[SpokenUtterance] = []
        self.count = self.retries = 0
        self.doubtful: list[DoubtfulSentence] = []
        self.is_audible = False

    @property
    def seconds(self) -> float:
        """Audio so far."""
        return self._joiner.position_s

    def add(self, part: SpokenUtterance) -> None:
        """Write one utterance, or a part of one, and the pause after it."""
        start_s = self.seconds
        self._write(self._joiner.clip(part.samples))
        if not part.verdict.passed:
            self._warn(part, start_s)
        if len(part.samples):
            self.is_audible = True
            if self._subtitles is not None:
                self._subtitles.cue(start_s, self.seconds, part.text)
            self._write(_pause_after(part, self._joiner))
        elif not self.is_audible:
            self._silent.append(part)
        self._writer.update_header()
        self.count = part.index + 1
        self.retries += part.tries - 1
        detail = f"{self.seconds:.0f} s of audio"
        self._reporter.emit(Progress("speaking", self.count, max(self._total, self.count), "sentences", detail=detail))

    def check_audible(self) -> None:
        """Raise what is to blame where nothing is heard."""
        if not self.is_audible:
            _check_audible(self._silent)

    def _write(self, blocks: Iterable[np.ndarray]) -> None:
        for block in blocks:
            self._writer.write(block)

    def _warn(self, part: SpokenUtterance, start_s: float) -> None:
        """Name an utterance that may be wrong; what to do about it is said once."""
        code = "" if self.doubtful else "inference.doubtful"
        number, reason = part.index + 1, part.verdict.reason
        self.doubtful.append(DoubtfulSentence(number, part.text, start_s, self.seconds, reason))
        item = f"sentence {number} at {start_s:.1f} s, {excerpt(part.text)},"
        self._reporter.emit(Doubtful(item, f"{reason} (after {part.tries} tries)", cause=part.cause, code=code))


def _pause_after(part: SpokenUtterance, joiner: ClipJoiner) -> Iterator[np.ndarray]:
    """The silence after an utterance; none after one that is not heard."""
    return joiner.pause(part.pause_s if len(part.samples) else 0.0)


def _check_audible(parts: Iterable[SpokenUtterance]) -> None:
    """Raise the first exception that nobody expected, unless something is heard."""
    causes = []
    for part in parts:
        if len(part.samples):
            return
        causes += [part.cause] if part.cause is not None else []
    if causes:
        raise UnforeseenError(causes[0])


@contextmanager
def _kept(track: _Track, out: Path, srt: Path | None, reporter: Reporter) -> Iterator[None]:
    """Where the speech ends early, say where it is as far as it came."""
    try:
        yield
    except BaseException:
        if track.is_audible:
            kept = f"{track.seconds:.0f} s of speech are kept in {partial(out)}"
            kept += "" if srt is None else f", their subtitles in {partial(srt)}"
            reporter.emit(
                Warned(kept, hint="the next run into the same file begins anew: rename what you want to keep")
            )
        raise


class SrtWriter:
    """SubRip subtitles being written, as `AudioWriter` with `grows`; use as a context manager.

    A failure to write it is kept in `failure` and ends it: speech is not lost for the sake of its subtitles.

    Raises:
        ResourceError: it cannot be begun: the disk is full or not writable.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0
        self._stack = ExitStack()
        self.failure: ResourceError | None = None

    def __enter__(self) -> SrtWriter:
        with ExitStack() as stack:
            self._temporary = stack.enter_context(growing(self._path))
            try:
                self._file = stack.enter_context(
                    self._temporary.open("w", encoding="utf-8", errors="replace", newline="\n")
                )
            except OSError as error:
                raise write_error(self._path, error) from error
            self._stack = stack.pop_all()  # now it stays open until __exit__
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is not None:
                self._stack.__exit__(kind, error, trace)
            else:
                self._stack.__exit__(type(self.failure) if self.failure else None, self.failure, None)
        except (OSError, ResourceError) as late:
            if error is not None:
                raise
            self._fail(late)
        finally:
            if not self._count:
                with suppress(OSError):
                    self._temporary.unlink(missing_ok=True)

    def cue(self, start_s: float, end_s: float, text: str) -> None:
        """Show `text` from `start_s` to `end_s`."""
        if self.failure is not None:
            return
        line = " ".join(text.split())
        try:
            self._file.write(f"{self._count + 1}\n{clock(start_s)} --> {clock(end_s)}\n{line}\n\n")
            self._file.flush()
        except OSError as error:
            self._fail(error)
        else:
            self._count += 1

    def _fail(self, error: OSError | ResourceError) -> None:
        known = error if isinstance(error, ResourceError) else write_error(self._path, error)
        self.failure = self.failure or known


def clock(seconds: float) -> str:
    """Write a time as SubRip does: 01:02:03,456."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02},{milliseconds:03}"
