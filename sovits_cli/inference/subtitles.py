"""SubRip subtitles, written cue by cue; the file appears whole or not at all."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from sovits_cli.files import atomic, write_error


class SrtWriter:
    """A .srt file being written; use as a context manager.

    Raises:
        ResourceError: the disk is full or not writable.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0
        self._stack = ExitStack()

    def __enter__(self) -> SrtWriter:
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic(self._path))
            self._file = stack.enter_context(temporary.open("w", encoding="utf-8", newline="\n"))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def cue(self, start_s: float, end_s: float, text: str) -> None:
        """Show `text` from `start_s` to `end_s`."""
        self._count += 1
        line = " ".join(text.split())
        try:
            self._file.write(f"{self._count}\n{clock(start_s)} --> {clock(end_s)}\n{line}\n\n")
        except OSError as error:
            raise write_error(self._path, error) from error


def clock(seconds: float) -> str:
    """Write a time as SubRip does: 01:02:03,456."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02},{milliseconds:03}"
