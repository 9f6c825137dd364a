"""The reference: a recording of any length becomes the window of a prompt and stretches that show how the voice sounds.

The models learned prompts of 3 to 10 s and fail outside. A longer recording is searched for the best window: speech,
not clipped, with pauses at its ends. The speaker's style is averaged over all of it.

Reads in blocks, a file once; knows no model. Legend: T samples, P phones, S semantic tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sovits_cli.audio.reader import AudioReader, as_mono, read_spans
from sovits_cli.errors import AudioError
from sovits_cli.terms import Span

if TYPE_CHECKING:
    from torch import Tensor

    from sovits_cli.inference.acoustic import SpeakerStyle

MIN_S, MAX_S = 3.0, 10.0
"""What the official program accepts, in seconds, both included (TTS_infer_pack/TTS.py, `_set_prompt_semantic`)."""

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
"""Stretches of at most `MAX_S` that the style of a long recording is averaged over."""

WINDOW_LENGTHS_S = (8.0, 6.0, 9.5, 4.5)
"""Of equally good windows, the first of these lengths wins."""

KEPT_S = 60.0
"""A recording up to this long stays in memory while it is measured. Of a longer one only the levels stay, and its
stretches (90 s at most) are read in a second pass: two hours take no more memory than two minutes."""


@dataclass(frozen=True)
class Recording:
    """Where to listen in a recording, and what is there.

    Args:
        name: what messages call it.
        rate: its sample rate.
        seconds: its length.
        window: the best 3 to 10 s, in samples of the recording.
        style_spans: stretches over all of it, the window among them, in samples of the recording and in order.
        waves: the mono samples (T,) float32 of each of them.
    """

    name: str
    rate: int
    seconds: float
    window: Span
    style_spans: tuple[Span, ...]
    waves: Mapping[Span, np.ndarray] = field(compare=False, repr=False)

    @property
    def is_whole(self) -> bool:
        """Whether the window is all of the recording, so that a transcript of the one is one of the other."""
        return self.window.samples >= round(self.seconds * self.rate)

    @property
    def description(self) -> str:
        """For the user: which parts are heard."""
        if self.is_whole:
            return f"{self.seconds:.1f} s"
        start, end = self.window.start / self.rate, self.window.end / self.rate
        rest = len(self.style_spans) - 1
        return f"{start:.1f} to {end:.1f} s and {rest} other stretches of {self.seconds:.0f} s"


@dataclass(frozen=True)
class Prompt:
    """What the GPT continues: the words of the reference's window and its tokens.

    Args:
        phones: (P,) ids of the transcript.
        bert: (bert_dim, P) text feature, or None for zeros.
        tokens: (S,) semantic tokens of the recording.
    """

    phones: Tensor
    bert: Tensor | None
    tokens: Tensor


@dataclass(frozen=True)
class Reference:
    """A recording as a voice heard it: how the speaker sounds, and what the voice goes on from.

    Made by `Voice.reference`, of use to that voice only, as often as wanted; it can be pickled.

    Args:
        voice: name of the voice that heard it.
        description: which parts of the recording are used, and for what.
        style: how the speaker sounds.
        prompt: what the GPT continues; None: it begins anew.
    """

    voice: str
    description: str
    style: SpeakerStyle
    prompt: Prompt | None = None


def read_recording(path: Path) -> Recording:
    """Read a recording and search it.

    Raises:
        AudioError: unreadable, of an absurd rate, too short, silent, or nothing in it that is speech and not clipped.
    """
    name = str(path)
    with AudioReader(path) as reader:
        rate, claimed = reader.info.rate, reader.info.frames
        meter = _Meter(name, rate)
        for block in reader.blocks():
            meter.feed(as_mono(block))
    window, spans = _search(name, meter, claimed)
    # One opening for nearly all references. Where the best stretches lie is known only at the end of the recording: a
    # long one, whose samples were let go, is opened a second time and read from stretch to stretch.
    waves = meter.waves(spans) if meter.is_kept else read_spans(path, spans)
    return Recording(name, rate, meter.samples(claimed) / rate, window, spans, dict(zip(spans, waves, strict=True)))


def recording_of(samples: np.ndarray, rate: int, name: str = "the recording") -> Recording:
    """Search a recording that is in memory: (T,) or (T, channels), floats of full scale 1.0 or int16 or int32.

    Raises:
        AudioError: as `read_recording`; or samples that are NaN, infinite or of another kind.
    """
    wave = np.asarray(samples)
    if wave.ndim not in {1, 2} or wave.dtype.kind not in "fi":
        raise AudioError(f"{name} is an array {wave.shape} of {wave.dtype}: expected (T,) or (T, channels) of numbers")
    mono = as_mono(wave.reshape(len(wave), -1)).copy()
    if not np.isfinite(mono).all():
        raise AudioError(f"{name} holds samples that are NaN or infinite")
    meter = _Meter(name, rate, kept_s=np.inf)
    meter.feed(mono)
    window, spans = _search(name, meter, len(mono))
    return Recording(name, rate, len(mono) / rate, window, spans, dict(zip(spans, meter.waves(spans), strict=True)))


class _Meter:
    """Takes a recording block by block; knows the levels of its frames, and its samples while they are few.

    A frame is `FRAME_S` of audio; a rest shorter than one is left out.
    """

    def __init__(self, name: str, rate: int, *, kept_s: float = KEPT_S) -> None:
        if not MIN_HZ <= rate <= MAX_HZ:
            raise AudioError(
                f"{name} has a sample rate of {rate} Hz: a reference needs {MIN_HZ} to {MAX_HZ} Hz",
                hint="its header may be wrong; write it again at its true rate, 16000 Hz or more",
            )
        self.rate = rate
        self.frame = max(1, round(FRAME_S * rate))
        self.is_kept = True
        self._limit = kept_s * rate
        self._kept: list[np.ndarray] = []
        self._count = 0
        self._rest = np.zeros(0, np.float32)
        self._levels: list[np.ndarray] = []
        self._clipped: list[np.ndarray] = []

    def feed(self, mono: np.ndarray) -> None:
        """Take the next samples (T,)."""
        self._count += len(mono)
        self.is_kept = self._count <= self._limit
        self._kept = [*self._kept, mono] if self.is_kept else []
        mono = np.concatenate([self._rest, mono])
        whole = len(mono) // self.frame * self.frame
        self._rest = mono[whole:]
        rows = mono[:whole].reshape(-1, self.frame)
        self._levels.append(np.sqrt(np.mean(np.square(rows, dtype=np.float64), axis=1)))
        self._clipped.append(np.mean(np.abs(rows) >= CLIP_LEVEL, axis=1))

    @property
    def level(self) -> np.ndarray:
        """Loudness (RMS) of each frame."""
        return np.concatenate([np.zeros(0), *self._levels])

    @property
    def clipped(self) -> np.ndarray:
        """Share of clipped samples in each frame."""
        return np.concatenate([np.zeros(0), *self._clipped])

    def samples(self, claimed: int) -> int:
        """Samples there really are: headers of some formats only claim a length."""
        there = sum(map(len, self._levels)) * self.frame
        return claimed if there <= claimed < there + self.frame else there

    def waves(self, spans: Iterable[Span]) -> list[np.ndarray]:
        """The samples (T,) of some spans."""
        whole = np.concatenate(self._kept)
        return [whole[span.start : span.end] for span in spans]


#     recording  |~~~~~~~~ ~~~~~~~    ~~~~~~~~ ~~~  ~~~~~~~~~~  ~~~~ ~~~~~~|      ~ speech
#     stretches  [-------]    [-------]    [-------]    [-------]    [-------]    up to 8 of 10 s, evenly spread; one
#                                                                                 that is mostly pause is left out
#     window                                [======]                              4.5 to 9.5 s, the prompt; heard for
#                                                                                 the style too
def _search(name: str, meter: _Meter, claimed: int) -> tuple[Span, tuple[Span, ...]]:
    """The window of a recording and the stretches for its style, once it is sure that it can be used."""
    rate, frame, total = meter.rate, meter.frame, meter.samples(claimed)
    level, clipped = meter.level, meter.clipped
    seconds = total / rate
    if seconds < MIN_S:
        raise AudioError(
            f"{name} is {seconds:.1f} s long: a reference needs {MIN_S:.0f} to {MAX_S:.0f} s of one voice",
            hint="record or cut a longer one; several short recordings of the voice can be joined into one file",
        )
    if float(level.max(initial=0.0)) < MIN_LEVEL:
        raise AudioError(f"{name} is silent: a reference needs a voice", hint="use a recording with speech in it")
    speech = _is_speech(level)
    window = _best_window(speech, clipped, frame, total) if seconds > MAX_S else Span(0, total)
    if clipped[window.start // frame : window.end // frame].mean() > MAX_CLIPPED_SHARE:
        raise AudioError(
            f"{name} is clipped throughout: a reference needs an undistorted voice",
            hint="record it again with less gain",
        )
    if seconds <= MAX_S:
        return window, (window,)
    return window, tuple(sorted({window, *_stretches(speech, frame, total, rate)}))


def _is_speech(level: np.ndarray) -> np.ndarray:
    """Which frames are no pause, by their loudness: (F,) bool."""
    loud = float(np.quantile(level, 0.95))
    return level > loud * 10 ** (SILENCE_DB / 20)


def _best_window(speech: np.ndarray, clipped: np.ndarray, frame: int, total: int) -> Span:
    """The window with the most speech, the least clipping, and pauses at both ends.

    Args:
        speech: (F,) which frames are speech.
        clipped: (F,) share of their samples that are clipped.
        frame: samples of one.
        total: samples of the recording.
    """
    # With sums from the start, H[i] = speech[0] + ... + speech[i - 1], the share of speech in frames a to b is
    # (H[b] - H[a]) / (b - a): every place of every length is looked at, in time proportional to the recording.
    voiced = np.concatenate([[0.0], np.cumsum(speech)])
    broken = np.concatenate([[0.0], np.cumsum(clipped)])
    best, best_score = Span(0, 0), -np.inf
    for length_s in WINDOW_LENGTHS_S:
        length = round(length_s / FRAME_S)
        if length > len(speech):
            continue
        # score of a window = min(share of speech, 0.85) + 0.15 for a pause at either end - 20 * share clipped
        starts = np.arange(0, len(speech) - length + 1)
        share = (voiced[starts + length] - voiced[starts]) / length
        clipping = (broken[starts + length] - broken[starts]) / length
        edges = 0.5 * (~speech[starts]) + 0.5 * (~speech[starts + length - 1])
        # a little silence is natural: more speech than 85 % counts no more
        score = np.minimum(share, 0.85) + 0.3 * edges - 20 * clipping
        index = int(score.argmax())
        if score[index] > best_score + 1e-9:
            best_score = float(score[index])
            best = Span(index * frame, min((index + length) * frame, total))
    return best


def _stretches(speech: np.ndarray, frame: int, total: int, rate: int) -> tuple[Span, ...]:
    """Evenly spread stretches that hold enough speech; all of them if none does."""
    count = min(MAX_STYLE_STRETCHES, -(-total // round(MAX_S * rate)))
    length = min(round(MAX_S * rate), total // count)
    starts = [round(index * (total - length) / max(count - 1, 1)) for index in range(count)]
    spans = [Span(start, start + length) for start in starts]
    spoken = [span for span in spans if speech[span.start // frame : span.end // frame].mean() > 0.25]
    return tuple(spoken or spans)
