"""What the user sees while work runs. One object owns colour, verbosity and stderr; results alone go to stdout.

                  terminal             log file or pipe                 quiet         json
Progress          a bar a task         a line every LINE_EVERY_S        nothing       as it is
Chose, Note       a line               a line                           nothing       as it is
Warned, Skipped   a coloured line      a line                           a line        as it is; Skipped in the result
error             a coloured line      a line                           a line        and an object on stdout
result            stdout               stdout                           stdout        one JSON document on stdout
"""

from __future__ import annotations

import os
import re
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TextIO

from sovits_cli.errors import Advised, SovitsError
from sovits_cli.events import Chose, Doubtful, Event, Metrics, Note, Progress, Saved, Skipped, Surveyed, Warned
from sovits_cli.memory import memory_use
from sovits_cli.report import json_output
from sovits_cli.report.tables import format_bytes, format_duration, training_data_table

if TYPE_CHECKING:
    from sovits_cli.report.bars import Bars

LINE_EVERY_S = 5.0
"""Shortest time between two plain lines of one task."""

_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # all but tab and line feed: colours, cursor, window title, other terminals' codes
    "\u2028\u2029"  # line separators
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # the direction of writing: a name could look like another
    "\ud800-\udfff]"  # bytes of a file name that are no UTF-8, which cannot be written as text
)
"""What a terminal would obey instead of showing it."""

_COLOURS = {"error": "31;1", "warning": "33;1", "hint": "36", "dim": "2"}


def plain_hint(what: Advised) -> str | None:
    """The hint that an error or an event brings along; what its code asks for is for a command line to say."""
    return what.hint


def note_text(note: Note, hint_for: Callable[[Advised], str | None]) -> str:
    """A note and what its code asks for, in one line: "pretrained_s1 has no effect: sovits train --model ..."."""
    hint = hint_for(note)
    return f"{note.text}: {hint}" if hint else note.text


@dataclass
class _Task:
    """A task seen so far: when it began, how much was done then, when its last plain line was written."""

    began_s: float
    began_done: float = 0.0
    line_s: float | None = None
    finished: bool = False


@dataclass
class Console:
    """The Reporter of the command line.

    Args:
        quiet: show warnings and errors only.
        json: results and errors go to stdout as JSON.
        debug: show the traceback of an item that failed unexpectedly.
        device: where the work runs; says which memory is shown.
        hint_for: what to tell the user to type for an error or an event.
        clock: seconds, replaceable in tests.
    """

    quiet: bool = False
    json: bool = False
    debug: bool = False
    device: str = "cpu"
    hint_for: Callable[[Advised], str | None] = plain_hint
    clock: Callable[[], float] = time.monotonic
    skipped: list[Skipped] = field(default_factory=list)
    doubtful: int = 0
    _tasks: dict[str, _Task] = field(default_factory=dict)
    _bars: Bars | None = None

    def emit(self, event: Event) -> None:
        """Draw one event."""
        match event:
            case Chose(what, value, why):
                self.say(f"{what}: {value}" + (f" ({why})" if why else ""))
            case Note():
                self.say(note_text(event, self.hint_for))
            case Warned(text):
                self._line("warning", text, self.hint_for(event))
            case Skipped(item, reason):
                self.skipped.append(event)
                self._traceback(event.cause)
                self._line("warning", f"left out: {item}: {reason}")
            case Doubtful(item, reason):
                self.doubtful += 1
                self._traceback(event.cause)
                self._line("warning", f"{item} may be wrong: {reason}", self.hint_for(event))
            case Surveyed():
                self.say(training_data_table(event, self.hint_for))
            case Saved(stage, _, step, best) if best:
                self.say(f"{stage}: step {step} is the best so far on the held-out clips")
            case Progress():
                self._progress(event)
            case Metrics(stage, step, values):
                numbers = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
                self._progress(Progress(task=stage, done=step, unit="steps", detail=numbers), keep_total=True)

    def say(self, text: str) -> None:
        """Write one line to stderr, unless quiet."""
        if not self.quiet:
            self._write(escape_controls(text))

    def error(self, error: SovitsError) -> None:
        """Tell a failure: one line and the hint on stderr, and a JSON object on stdout for machines."""
        self.close()
        hint = self.hint_for(error)
        self._line("error", error.message, hint)
        if self.json:
            self.out(json_output.dumps(json_output.error_object(error, hint)))

    def trace(self, error: BaseException) -> None:
        """Write the traceback of an error to stderr, for `--debug`."""
        self._write(escape_controls("".join(traceback.format_exception(error)).rstrip()))

    def result(self, value: object, text: str) -> None:
        """Write the result of a command to stdout: `text` for people, `value` as JSON for machines."""
        self.close()
        if self.json:
            self.out(json_output.dumps(value))
        elif text:
            self.out(text)

    def out(self, text: str) -> None:
        """Write one line, or several, to stdout."""
        sys.stdout.write(escape_controls(text) + "\n")
        sys.stdout.flush()

    def close(self) -> None:
        """Take the bars away; what was written stays."""
        if self._bars is not None:
            self._bars.close()
            self._bars = None

    def memory_text(self) -> str:
        """Memory in use, for bars and lines: "RSS 512 MB"."""
        use = memory_use(self.device)
        return f"{use.kind} {format_bytes(use.used_bytes)}"

    def _progress(self, event: Progress, *, keep_total: bool = False) -> None:
        if self.quiet:
            return
        event = replace(event, task=escape_controls(event.task), detail=escape_controls(event.detail))
        if _is_terminal(sys.stderr):
            if self._bars is None:
                from sovits_cli.report.bars import Bars

                self._bars = Bars(self.memory_text)
            self._bars.show(event, keep_total=keep_total)
        else:
            self._progress_line(event)

    def _progress_line(self, event: Progress) -> None:
        now_s = self.clock()
        task = self._tasks.setdefault(event.task, _Task(began_s=now_s, began_done=event.done))
        finished = event.total is not None and event.done >= event.total
        if task.finished and finished:  # a task may report its end several times
            return
        due = now_s - (task.began_s if task.line_s is None else task.line_s) >= LINE_EVERY_S
        if due or finished:
            task.line_s, task.finished = now_s, finished
            self._write(progress_text(event, now_s - task.began_s, self.memory_text(), began_done=task.began_done))

    def _traceback(self, cause: BaseException | None) -> None:
        if self.debug and cause is not None:
            self.trace(cause)

    def _line(self, kind: str, text: str, hint: str | None = None) -> None:
        self._write(f"{_paint(kind + ':', kind)} {_one_line(text)}")
        if hint:
            self._write(f"{_paint('hint:', 'hint')} {_one_line(hint)}")

    def _write(self, text: str) -> None:
        # while bars are drawn rich owns the last lines of the screen, and has to put ours above them
        if self._bars is not None:
            self._bars.print(text)
        else:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


def progress_text(event: Progress, elapsed_s: float, memory: str, *, began_done: float = 0.0) -> str:
    """One plain line: "slice: 120/300 s (40%), 2:10 left, RSS 512 MB".

    Args:
        event: how far the task is.
        elapsed_s: since it began.
        memory: in use, as text.
        began_done: how much was done when it began: a resumed task takes its time for the rest alone.
    """
    unit = f" {event.unit}" if event.unit else ""
    if event.total:
        share = min(event.done / event.total, 1.0)
        parts = [f"{event.done:.6g}/{event.total:.6g}{unit} ({share:.0%})"]
        if share < 1 and event.done > began_done:
            parts.append(f"{format_duration(elapsed_s * (event.total - event.done) / (event.done - began_done))} left")
    else:
        parts = [f"{event.done:.6g}{unit}"]
    parts += [event.detail] if event.detail else []
    return f"{event.task}: " + ", ".join([*parts, memory])


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM") != "dumb"  # Emacs and the like: a terminal without a cursor


def _paint(text: str, kind: str) -> str:
    if _is_terminal(sys.stderr) and "NO_COLOR" not in os.environ:  # https://no-color.org
        return f"\x1b[{_COLOURS[kind]}m{text}\x1b[0m"
    return text


def _one_line(text: str) -> str:
    return escape_controls(" ".join(text.split("\n")).strip())


def escape_controls(text: str) -> str:
    """Write the control characters of a text out, as JSON does: file and tensor names may hold any."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
