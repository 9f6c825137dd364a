"""The reference: a recording of any length becomes the prompt's window and stretches for the timbre.

The models learned prompts of 3 to 10 s and fail outside. A longer recording is searched for the best window: speech,
not clipped, with pauses at its ends. The timbre is heard in all of it. Reads in blocks; knows no model.

Legend: T samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sovits_cli.audio.reader import probe_audio, read_blocks
from sovits_cli.errors import AudioError
from sovits_cli.terms import Span

MIN_S, MAX_S = 3.0, 10.0
"""What the official program accepts, in seconds, both included."""

MIN_HZ, MAX_HZ = 4_000, 768_000
"""Below there is no voice to hear; above no recorder goes."""

FRAME_S = 0.02
SILENCE_DB = -40.0
"""Below the loudest frames, a frame counts as a pause."""

CLIP_LEVEL = 0.999
MIN_LEVEL = 1e-4
MAX_CLIPPED_SHARE = 0.2
"""Share of clipped samples above which there is no voice left to hear."""

MAX_STYLE_STRETCHES = 8
"""Stretches of at most `MAX_S` that a long recording's timbre is averaged over, evenly spread."""


@dataclass(frozen=True)
class Reference:
    """Where to listen in a recording.

    Args:
        path: the recording.
        rate: its sample rate.
        seconds: its length.
        window: the best 3 to 10 s, in samples of the file.
        timbre: stretches over all of it, the window among them, in samples of the file and in order.
    """

    path: Path
    rate: int
    seconds: float
    window: Span
    timbre: tuple[Span, ...]

    @property
    def is_whole(self) -> bool:
        """Whether the window is all of the recording, so that a transcript of the one is one of the other."""
        return self.window.samples >= round(self.seconds * self.rate)

    @property
    def described(self) -> str:
        """For the user: which parts are heard."""
        if self.is_whole:
            return f"{self.seconds:.1f} s"
        start, end = self.window.start / self.rate, self.window.end / self.rate
        rest = len(self.timbre) - 1
        return f"{start:.1f} to {end:.1f} s and {rest} other stretches of {self.seconds:.0f} s"


@dataclass(frozen=True)
class _Frames:
    """Per frame of `FRAME_S`: loudness (RMS) and the share of clipped samples."""

    level: np.ndarray
    clipped: np.ndarray


def find(path: Path) -> Reference:
    """Search a recording.

    Raises:
        AudioError: unreadable, of an absurd rate, too short, silent, or nothing in it that is speech and not clipped.
    """
    info = probe_audio(path)
    if not MIN_HZ <= info.rate <= MAX_HZ:
        raise AudioError(
            f"{path} has a sample rate of {info.rate} Hz: a reference needs {MIN_HZ} to {MAX_HZ} Hz",
            hint="its header may be wrong; write it again at its true rate, 16000 Hz or more",
        )
    frame = max(1, round(FRAME_S * info.rate))
    frames = _measure(path, frame)
    total = _samples(frames, frame, info.frames)
    seconds = total / info.rate
    if seconds < MIN_S:
        raise AudioError(
            f"{path} is {seconds:.1f} s long: a reference needs {MIN_S:.0f} to {MAX_S:.0f} s of one voice",
            hint="record or cut a longer one; several short recordings of the voice can be joined into one file",
        )
    if float(frames.level.max(initial=0.0)) < MIN_LEVEL:
        raise AudioError(f"{path} is silent: a reference needs a voice", hint="use a recording with speech in it")
    window = _best_window(frames, frame, total) if seconds > MAX_S else Span(0, total)
    if frames.clipped[window.start // frame : window.end // frame].mean() > MAX_CLIPPED_SHARE:
        raise AudioError(
            f"{path} is clipped throughout: a reference needs an undistorted voice",
            hint="record it again with less gain",
        )
    if seconds <= MAX_S:
        return Reference(path, info.rate, seconds, window, (window,))
    timbre = sorted({window, *_stretches(frames, frame, total, info.rate)})
    return Reference(path, info.rate, seconds, window, tuple(timbre))


def _measure(path: Path, frame: int) -> _Frames:
    levels, clipped = [], []
    for block in _whole_frames(path, frame):
        levels.append(np.sqrt(np.mean(np.square(block, dtype=np.float64), axis=1)))
        clipped.append(np.mean(np.abs(block) >= CLIP_LEVEL, axis=1))
    if not levels:
        return _Frames(np.zeros(0), np.zeros(0))
    return _Frames(np.concatenate(levels), np.concatenate(clipped))


def _whole_frames(path: Path, frame: int) -> Iterator[np.ndarray]:
    """The mono signal in rows of one frame, (rows, frame); a rest shorter than a frame is left out."""
    rest = np.zeros(0, np.float32)
    for block in read_blocks(path):
        mono = np.concatenate([rest, block.mean(axis=1)])
        rows = len(mono) // frame
        rest = mono[rows * frame :]
        if rows:
            yield mono[: rows * frame].reshape(rows, frame)


def _samples(frames: _Frames, frame: int, claimed: int) -> int:
    """Samples there really are: headers of some formats only claim a length."""
    heard = len(frames.level) * frame
    return claimed if heard <= claimed < heard + frame else heard


def _is_speech(frames: _Frames) -> np.ndarray:
    loud = float(np.quantile(frames.level, 0.95))
    return frames.level > loud * 10 ** (SILENCE_DB / 20)


def _best_window(frames: _Frames, frame: int, total: int) -> Span:
    """The window with the most speech, the least clipping, and pauses at both ends."""
    speech = _is_speech(frames)
    heard = np.concatenate([[0.0], np.cumsum(speech)])
    broken = np.concatenate([[0.0], np.cumsum(frames.clipped)])
    best, best_score = Span(0, 0), -np.inf
    for length_s in (8.0, 6.0, 9.5, 4.5):
        length = round(length_s / FRAME_S)
        if length > len(speech):
            continue
        starts = np.arange(0, len(speech) - length + 1)
        share = (heard[starts + length] - heard[starts]) / length
        clipping = (broken[starts + length] - broken[starts]) / length
        edges = 0.5 * (~speech[starts]) + 0.5 * (~speech[starts + length - 1])
        # a little silence is natural: more speech than 85 % counts no more
        score = np.minimum(share, 0.85) + 0.3 * edges - 20 * clipping
        index = int(score.argmax())
        if score[index] > best_score + 1e-9:
            best_score = float(score[index])
            best = Span(index * frame, min((index + length) * frame, total))
    return best


def _stretches(frames: _Frames, frame: int, total: int, rate: int) -> tuple[Span, ...]:
    """Evenly spread stretches that hold enough speech; all of them if none does."""
    speech = _is_speech(frames)
    count = min(MAX_STYLE_STRETCHES, -(-total // round(MAX_S * rate)))
    length = min(round(MAX_S * rate), total // count)
    starts = [round(index * (total - length) / max(count - 1, 1)) for index in range(count)]
    spans = [Span(start, start + length) for start in starts]
    spoken = [span for span in spans if speech[span.start // frame : span.end // frame].mean() > 0.25]
    return tuple(spoken or spans)
