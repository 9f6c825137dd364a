"""Ctrl-C and SIGTERM as a wish: the update in progress is finished and the state saved. A second one stops at once."""

from __future__ import annotations

import signal
import threading
from types import TracebackType
from typing import Any

from sovits_cli.events import Note, Reporter

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """A context manager that turns the signals into the flag `wanted`, and puts the old handlers back at its end."""

    def __init__(self, reporter: Reporter) -> None:
        self.wanted = False
        self._reporter = reporter
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._heard) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _heard(self, *_: object) -> None:
        if self.wanted:
            raise KeyboardInterrupt
        self.wanted = True
        self._reporter.emit(Note("stopping after this step; the state is saved, `sovits train` goes on from there"))
