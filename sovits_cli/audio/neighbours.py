"""Joins short slices that follow each other, up to a target length: spans in, fewer and longer spans out.

A joined slice holds the pause between its parts, so it is still one stretch of the recording. Knows no audio.
"""

from __future__ import annotations

from collections.abc import Iterable

from sovits_cli.terms import Span

LONGEST_PAUSE_S = 1.0
"""Over a longer silence speech does not go on."""


class Neighbours:
    """Feed spans in order, get those that are certain; `flush` at the end.

    Args:
        target_s: no joined span is longer.
        rate: samples per second of the spans.
    """

    def __init__(self, target_s: float, rate: int) -> None:
        self._longest = int(target_s * rate)
        self._pause = int(LONGEST_PAUSE_S * rate)
        self._open: Span | None = None

    def feed(self, spans: Iterable[Span]) -> list[Span]:
        """Take spans; give those that nothing more is joined to."""
        done = []
        for span in spans:
            if self._open is None:
                self._open = span
            elif span.start - self._open.end <= self._pause and span.end - self._open.start <= self._longest:
                self._open = Span(self._open.start, span.end)
            else:
                done.append(self._open)
                self._open = span
        return done

    def flush(self) -> list[Span]:
        """End of the recording: the last span."""
        last, self._open = self._open, None
        return [] if last is None else [last]
