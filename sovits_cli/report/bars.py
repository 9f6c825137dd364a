"""Progress bars of rich: one a task, with time left and memory. Imported only when a bar is shown."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from sovits_cli import events


class Bars:
    """Bars on stderr. `memory_text` is asked twice a second at most."""

    def __init__(self, memory_text: Callable[[], str]) -> None:
        self._console = Console(stderr=True, highlight=False)
        # on a narrow terminal the bar gives way, then a long name: the numbers stay readable
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, max_width=24)),
            BarColumn(bar_width=None, table_column=Column(max_width=24)),
            TaskProgressColumn(table_column=_whole()),
            TextColumn("{task.fields[counts]}", markup=False, table_column=_whole()),
            TimeElapsedColumn(table_column=_whole()),
            TimeRemainingColumn(table_column=_whole()),
            _Memory(memory_text),
            TextColumn("{task.fields[detail]}", markup=False),
            console=self._console,
            refresh_per_second=4,
        )
        self._ids: dict[str, TaskID] = {}
        self._progress.start()

    def show(self, event: events.Progress, *, keep_total: bool) -> None:
        """Move one bar. `keep_total`: only its detail is news, unless the bar is new."""
        if event.task not in self._ids:
            self._ids[event.task] = self._progress.add_task(event.task, total=event.total, counts="", detail="")
        bar = self._ids[event.task]
        if keep_total and self._progress.tasks[bar].total is not None:
            self._progress.update(bar, detail=event.detail)
            return
        total = f"/{event.total:.6g}" if event.total is not None else ""
        counts = f"{event.done:.6g}{total} {event.unit}".rstrip()
        self._progress.update(bar, completed=event.done, total=event.total, counts=counts)
        if event.detail:
            self._progress.update(bar, detail=event.detail)

    def print(self, text: str) -> None:
        """Write a line above the bars."""
        self._console.print(Text.from_ansi(text), soft_wrap=True)

    def close(self) -> None:
        """Stop drawing; the last state stays on the screen."""
        self._progress.stop()


def _whole() -> Column:
    """A column that is not wrapped."""
    return Column(no_wrap=True)


class _Memory(ProgressColumn):
    """Memory in use; the same for every task."""

    max_refresh = 0.5

    def __init__(self, memory_text: Callable[[], str]) -> None:
        super().__init__(table_column=_whole())
        self._memory_text = memory_text

    def render(self, task: Task) -> Text:  # noqa: ARG002 - rich asks for each task
        """Ask for the memory of now."""
        return Text(self._memory_text(), style="cyan")
