"""Step: the recording itself. Its length and its digest; too short and too long ones are left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sovits_cli.audio import files
from sovits_cli.errors import AudioError
from sovits_cli.prep import digests
from sovits_cli.prep.step import Clip, Step

ROUNDING_S = 0.01
"""A slice of exactly `max_sec` may be a sample longer at another rate."""


@dataclass(frozen=True)
class Found:
    """Digest of the bytes, and seconds of audio."""

    digest: str
    seconds: float


class SourceStep(Step[Found]):
    """Keyed by size and time of change, so that files that did not change are not read again."""

    name = "recordings"

    def __init__(self, min_sec: float, max_sec: float) -> None:
        self._min_sec = min_sec
        self._max_sec = max_sec

    def key(self, clip: Clip) -> str:
        """Size and time of change."""
        path = clip.utterance.path
        try:
            state = path.stat()
        except OSError as error:
            raise AudioError(f"cannot read {path}: {error.strerror}") from error
        return digests.of_values(str(path), state.st_size, state.st_mtime_ns)

    def recall(self, clip: Clip, row: Any) -> bool:
        """Take digest and length from the journal."""
        self._take(clip, Found(str(row["digest"]), float(row["seconds"])))
        return True

    def prepare(self, clip: Clip) -> Found:
        """Read the header, then all bytes."""
        path = clip.utterance.path
        seconds = files.probe(path).duration_s
        try:
            return Found(digests.of_file(path), seconds)
        except OSError as error:
            raise AudioError(f"cannot read {path}: {error.strerror}") from error

    def finish(self, clip: Clip, prepared: Found) -> Any:
        """Check the length."""
        self._take(clip, prepared)
        return {"digest": prepared.digest, "seconds": prepared.seconds}

    def _take(self, clip: Clip, found: Found) -> None:
        clip.digest, clip.seconds = found.digest, found.seconds
        if found.seconds < self._min_sec:
            raise AudioError(f"{found.seconds:.2f} s, expected at least {self._min_sec:g} s")
        if found.seconds > self._max_sec + ROUNDING_S:
            raise AudioError(f"{found.seconds:.1f} s, over --max-sec {self._max_sec:g}: cut it with sovits slice")
