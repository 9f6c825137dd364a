"""What a training leaves in its run folder for people to look at: the table of clips, and its curves as a picture.

    runs/<name>/clips-<stage>.txt    what trains and what does not, and how long the clips are
    runs/<name>/curves-<stage>.png   the readings so far, drawn again at each save

A picture that cannot be drawn or written never costs the run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sovits_cli.errors import Advised, SovitsError
from sovits_cli.events import Event, Reporter, Saved, Surveyed, Warned
from sovits_cli.files import atomic
from sovits_cli.report.console import plain_hint
from sovits_cli.report.plots import survey


@dataclass
class RunBook:
    """A reporter that passes every event on and keeps the book of the run; `hint_for` is as in `Console`."""

    reporter: Reporter
    hint_for: Callable[[Advised], str | None] = plain_hint
    _broken: set[str] = field(default_factory=set)

    def emit(self, event: Event) -> None:
        """Take one event."""
        self.reporter.emit(event)
        try:
            if isinstance(event, Surveyed):
                with atomic(event.folder / f"clips-{event.stage}.txt", follow_links=False) as place:
                    place.write_text(survey(event, self.hint_for) + "\n", encoding="utf-8")
            elif isinstance(event, Saved):
                self._draw(event.folder, event.stage)
        except (OSError, SovitsError) as error:
            self._say_once(f"the book of the run is not up to date: {error}")

    def _draw(self, folder: Path, stage: str) -> None:
        from sovits_cli.report import curves
        from sovits_cli.training.metrics import metrics_file, read_metrics

        rows = read_metrics(metrics_file(folder, stage))
        if rows:
            with atomic(folder / f"curves-{stage}.png", follow_links=False) as place:
                curves.draw(rows, stage, place)

    def _say_once(self, text: str) -> None:
        if text not in self._broken:
            self._broken.add(text)
            self.reporter.emit(Warned(text))
