"""Slicing at silence as a state machine: blocks of a mono signal in, spans out; and joining of short spans.

Boundaries are those of the official slicer (tools/slicer2.py, `Slicer.slice`); on top comes the hard limit it lacks: a
clip longer than `max_s` is cut again where it is quietest. Knows nothing of files. Memory does not grow with the
signal, and the spans do not depend on how it is cut into blocks.

Positions are frames (one RMS level every hop) inside, samples outside.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sovits_cli.audio.silence import RmsHistory, RmsMeter
from sovits_cli.errors import UsageError
from sovits_cli.terms import Span

_PAUSE_MS = 200
"""A forced cut goes into the quietest stretch of this length: a pause, rather than the closure of one consonant."""

_SEARCH_S = 5.0
"""A forced cut is searched over this long before the limit, or a quarter of the limit if that is more."""

MAX_JOINED_PAUSE_S = 1.0
"""Speech does not go on over a longer silence: slices on either side of it are not joined."""


@dataclass(frozen=True)
class SlicerParams:
    """What counts as silence, and how long a slice may be. Defaults are the official interface's.

    Args:
        threshold_db: RMS below this is silence, dB of full scale.
        min_length_ms: no cut at silence before a slice is this long.
        min_interval_ms: the shortest silence to cut at.
        hop_ms: distance of the RMS levels.
        max_sil_kept_ms: silence kept around a cut; longer silence is left out.
        max_s: hard limit of a slice, or None as in the official slicer.
        target_s: slices that follow each other are joined up to this length (`SliceJoiner`); None joins none.
    """

    threshold_db: float = -34.0
    min_length_ms: float = 4000
    min_interval_ms: float = 300
    hop_ms: float = 10
    max_sil_kept_ms: float = 500
    max_s: float | None = 54.0
    target_s: float | None = None

    def __post_init__(self) -> None:
        """Check the relations that the algorithm needs. Raises UsageError."""
        for low, high in (("min_interval", "min_length"), ("hop_size", "min_interval"), ("hop_size", "max_sil_kept")):
            if self._ms(high) < self._ms(low):
                raise UsageError(
                    f"{high} ({self._ms(high):g} ms) is less than {low} ({self._ms(low):g} ms): "
                    "expected min_length >= min_interval >= hop_size and max_sil_kept >= hop_size",
                    code="slice.contradiction",
                    fields={"higher": high, "lower": low},
                )
        if self.hop_ms <= 0:
            raise UsageError(f"hop_size is {self.hop_ms:g} ms: expected more than 0")
        if self.target_s is not None and self.max_s is not None and self.target_s > self.max_s:
            raise UsageError(
                f"target_sec ({self.target_s:g} s) is over max_sec ({self.max_s:g} s)",
                code="slice.contradiction",
                fields={"higher": "max_sec", "lower": "target_sec"},
            )
        if self.max_s is not None and self.max_s * 1000 < 4 * self.hop_ms:
            raise UsageError(f"max_sec ({self.max_s:g} s) is less than four times hop_size ({self.hop_ms:g} ms)")

    def _ms(self, key: str) -> float:
        return {
            "min_length": self.min_length_ms,
            "min_interval": self.min_interval_ms,
            "hop_size": self.hop_ms,
            "max_sil_kept": self.max_sil_kept_ms,
        }[key]


# The states, and what takes from one to the other. m is max_sil_kept, r the RMS levels, all in frames:
#
#                 level < threshold                        silence longer than 2 m (and min_interval),
#      +-------+ ------------------> +----------------+    clip before it at least min_length    +-----------------+
#      | SOUND |                     | SILENCE        | ---------------------------------------> | SILENCE, SEALED |
#      +-------+ <------------------ | `_silence` set |    its left cut is certain: the clip     | `_sealed` set   |
#          ^      level >= threshold +----------------+    before it is given out at once        +-----------------+
#          |        cut here, if it is long enough                                                        |
#          +----------------------------------------------------------------------------------------------+
#
# Where the cut is made in a silence of L frames, s to i, that ends (`_end_silence`): if it is at least min_interval
# long and the clip before it, with the silence, at least min_length; or if it begins the recording and is over m.
#
#     L <= m          | sound |...p...| sound |            p = argmin r[s..i]: both clips end there, nothing is left out
#
#     L > m           | sound |..pl......pr..| sound |     pl = argmin r[s..s+m], pr = argmin r[i-m..i]:
#                              --->|####|<---              pl to pr is left out
#
# (Up to L = 2 m the two stretches overlap, and there the official slicer also asks for p = argmin r[i-m..s+m] and takes
# min(pl, p) and max(pr, p). These are pl and pr: p lies in both stretches, so each of them is p or beyond it.)
#
# The silence at the end of the recording has a left cut only: argmin r[s..min(end, s+m)].
class SilenceSlicer:
    """Feed blocks of a mono signal at `rate`, get finished spans; `flush` at the end.

    Spans come in order and never overlap; what lies between them is silence left out.
    """

    def __init__(self, params: SlicerParams, rate: int) -> None:
        self._hop = round(rate * params.hop_ms / 1000)
        if self._hop < 1:
            raise UsageError(f"hop_size is {params.hop_ms:g} ms: less than one sample at {rate} Hz")
        window = min(round(rate * params.min_interval_ms / 1000), 4 * self._hop)
        self._meter = RmsMeter(self._hop, window)
        self._threshold = 10 ** (params.threshold_db / 20)
        # The official program rounds two of these before dividing and one after; so it has to be done here.
        self._min_length = round(round(rate * params.min_length_ms / 1000) / self._hop)
        self._min_interval = round(rate * params.min_interval_ms / 1000 / self._hop)
        self._kept = round(round(rate * params.max_sil_kept_ms / 1000) / self._hop)
        self._set_limit(params.max_s, rate)

        self._history = RmsHistory()
        self._samples = 0
        self._silence: int | None = None  # first frame of the silence that is going on
        self._sealed: int | None = None  # the cut at its beginning, once nothing can change it any more
        self._clip_start = 0  # where the official clip begins, which min_length is measured from
        self._open_start = 0  # where the next span begins: later than the clip after a forced cut
        self._has_sound = False

    def _set_limit(self, max_s: float | None, rate: int) -> None:
        self._max_samples = None if max_s is None else int(max_s * rate)
        self._max = (self._max_samples or 0) // self._hop
        self._pause = max(1, round(rate * _PAUSE_MS / 1000 / self._hop))
        self._search = max(1, self._max // 4, min(self._max // 2, round(rate * _SEARCH_S / self._hop)))
        self._min_remainder = max(1, min(self._min_length, self._search))

    @property
    def silent(self) -> bool:
        """Whether nothing so far was above the threshold."""
        return not self._has_sound

    def feed(self, block: np.ndarray) -> list[Span]:
        """Take float samples (T,); give the spans that are certain now."""
        self._samples += len(block)
        spans: list[Span] = []
        for levels in self._meter.feed(block):
            spans += self._advance(levels)
        return spans

    def flush(self) -> list[Span]:
        """End the signal; give the remaining spans, up to the last sample or the silence at the end."""
        spans: list[Span] = []
        for levels in self._meter.flush():
            spans += self._advance(levels)
        end = self._history.end
        if self._silence is None or end - self._silence < self._min_interval:
            return spans + self._close(end)
        return spans + self._close(self._left_cut(self._silence))

    def _advance(self, levels: np.ndarray) -> list[Span]:
        """Take levels (F,): walk over the frames where sound turns to silence or back; nothing happens at others."""
        first = self._history.end
        self._history.append(levels)
        quiet = levels < self._threshold
        self._has_sound = self._has_sound or not quiet.all()
        turns = np.flatnonzero(np.diff(quiet, prepend=self._silence is not None))
        spans: list[Span] = []
        for frame in (turns + first).tolist():
            if self._silence is None:
                self._silence = frame
            else:
                spans += self._end_silence(self._silence, frame)
                self._silence = self._sealed = None
        spans += self._cut_at_limit() if self._silence is None else self._seal(self._silence)
        self._forget()
        return spans

    def _end_silence(self, begin: int, end: int) -> list[Span]:
        """Cut at the silence of frames `begin` to `end`, if it is long enough and so is the clip before it."""
        leading = begin == 0 and end > self._kept
        middle = end - begin >= self._min_interval and end - self._clip_start >= self._min_length
        if not (leading or middle):
            return []
        left, right = self._cuts(begin, end)
        spans = self._close(0 if begin == 0 else left)
        self._clip_start = self._open_start = right
        return spans

    def _cuts(self, begin: int, end: int) -> tuple[int, int]:
        """Choose where the clip before a silence ends and the next one begins: the same frame, unless it is long."""
        quietest = self._history.quietest_frame
        if end - begin <= self._kept:
            cut = quietest(begin, end)
            return cut, cut
        return self._left_cut(begin), quietest(end - self._kept, end)

    def _left_cut(self, begin: int) -> int:
        """Choose the end of the clip before a long silence."""
        return self._history.quietest_frame(begin, begin + self._kept) if self._sealed is None else self._sealed

    def _seal(self, begin: int) -> list[Span]:
        """Finish the clip before the silence that is going on, once its end is certain."""
        length = self._history.end - begin
        certain = begin == 0 or self._history.end - self._clip_start >= self._min_length
        if self._sealed is not None or not certain or length <= max(2 * self._kept, self._min_interval):
            return []
        self._sealed = self._left_cut(begin)
        return self._close(self._sealed) if begin > 0 else []

    def _close(self, end: int) -> list[Span]:
        """Finish the open span at frame `end`; nothing if it is finished already."""
        spans = self._cut_at_limit(end)
        span = Span(self._open_start * self._hop, self._sample(end))
        self._open_start = max(self._open_start, end)
        return [*spans, span] if span.samples > 0 else spans

    # A forced cut goes to the quietest pause of the search window before the limit; but never so late that less than
    # `min_remainder` frames are left for the last span:
    #
    #     open_start                      limit - search   limit
    #     |------------------------------[..search..cut...]------|  end
    #                                                 |<--- min_remainder, or more
    def _cut_at_limit(self, end: int | None = None) -> list[Span]:
        """Cut the open span while it is too long: up to `end` if that is known, else as far as it is certain.

        The cuts depend on the span alone, not on when they are made.
        """
        spans: list[Span] = []
        while self._max_samples is not None:
            limit = self._open_start + self._max
            if end is None and self._history.end <= limit + self._min_remainder:
                break
            if end is not None and self._sample(end) - self._open_start * self._hop <= self._max_samples:
                break
            latest = limit if end is None else min(limit, end - self._min_remainder)
            cut = self._history.quietest_pause(limit - self._search, latest, self._pause)
            spans.append(Span(self._open_start * self._hop, cut * self._hop))
            self._open_start = cut
        return spans

    def _forget(self) -> None:
        """Drop the levels that no cut can look at any more."""
        end = self._history.end
        needed = [end]
        if self._sealed is not None:
            needed.append(end - self._kept)
        else:
            needed += [] if self._silence is None else [self._silence]
            needed += [] if self._max_samples is None else [self._open_start + self._max - self._search]
        self._history.forget(min(needed))

    def _sample(self, frame: int) -> int:
        return min(frame * self._hop, self._samples)


class SliceJoiner:
    """Joins short slices that follow each other: feed spans in order, get those that are certain; `flush` at the end.

    A joined slice holds the pause between its parts, so it is still one stretch of the recording. Knows no audio.

    Args:
        target_s: no joined span is longer.
        rate: samples per second of the spans.
    """

    def __init__(self, target_s: float, rate: int) -> None:
        self._max_samples = int(target_s * rate)
        self._max_pause = int(MAX_JOINED_PAUSE_S * rate)
        self._open: Span | None = None

    def feed(self, spans: Iterable[Span]) -> list[Span]:
        """Take spans; give those that nothing more is joined to."""
        done = []
        for span in spans:
            if self._open is None:
                self._open = span
            elif span.start - self._open.end <= self._max_pause and span.end - self._open.start <= self._max_samples:
                self._open = Span(self._open.start, span.end)
            else:
                done.append(self._open)
                self._open = span
        return done

    def flush(self) -> list[Span]:
        """End of the recording: the last span."""
        last, self._open = self._open, None
        return [] if last is None else [last]
