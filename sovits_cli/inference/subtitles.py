"""SubRip subtitles, written cue by cue: what is there after each cue is a file that can be shown."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

from sovits_cli.errors import ResourceError
from sovits_cli.files import growing, write_error


class SrtWriter:
    """A .srt file being written, as `audio.AudioWriter` with `grows`; use as a context manager.

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
            self._stack = stack.pop_all()
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
