"""Step: timed phones. A sidecar `<stem>.phones` is copied to `8-phones/`; recordings without one are none the worse."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

from sovits_cli.data.layout import Experiment
from sovits_cli.errors import DatasetError
from sovits_cli.files import atomic
from sovits_cli.prep import digests
from sovits_cli.prep.step import Clip, Step

SIDECAR_SUFFIX = ".phones"


class AlignmentStep(Step[bytes | None]):
    """Copies, and removes a copy whose sidecar is gone. `source`: the experiment folder that is read, if any."""

    name = "alignments"

    def __init__(self, experiment: Experiment, source: Experiment | None) -> None:
        self._experiment = experiment
        self._source = source

    def key(self, clip: Clip) -> str:
        """The bytes of the sidecar."""
        place = self._sidecar(clip)
        try:
            return digests.of_file(place) if place.is_file() else ""
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:  # the recording's own name just fits
                return ""
            raise DatasetError(f"cannot read {place}: {error.strerror}") from error

    def recall(self, clip: Clip, row: Any) -> bool:  # noqa: ARG002 - the result is a file
        """Tell whether the copy is there, or rightly not."""
        return self._experiment.phones_path(clip.name).is_file() == bool(clip.keys[self.name])

    def prepare(self, clip: Clip) -> bytes | None:
        """Read the sidecar."""
        return self._sidecar(clip).read_bytes() if clip.keys[self.name] else None

    def finish(self, clip: Clip, prepared: bytes | None) -> Any:
        """Write the copy."""
        target = self._experiment.phones_path(clip.name)
        if prepared is None:
            target.unlink(missing_ok=True)
            return
        with atomic(target, follow_links=False) as place:
            place.write_bytes(prepared)

    def _sidecar(self, clip: Clip) -> Path:
        if self._source is not None:
            return self._source.phones_path(clip.name)
        return clip.utterance.path.with_suffix(SIDECAR_SUFFIX)
