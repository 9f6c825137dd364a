"""What a training leaves in its run folder for people to look at: the table of clips, and its curves as a picture.

    runs/<name>/clips-<stage>.txt    what trains and what does not, and how long the clips are
    runs/<name>/curves-<stage>.png   the readings so far, drawn again at each save

A picture that cannot be drawn or written never costs the run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sovits_cli.errors import Advised, SovitsError
from sovits_cli.events import Event, Reporter, Saved, Surveyed, Warned
from sovits_cli.files import atomic
from sovits_cli.report.console import plain_hint
from sovits_cli.report.tables import training_data_table

HELD_OUT = "held_out/"
"""How the names of readings on the validation clips begin."""

PANELS_A_ROW = 3
FIRST_PANELS = ("loss", "top3", "lr")
"""The others come by name."""


@dataclass
class RunReport:
    """A reporter that passes every event on and keeps these files; `hint_for` is as in `Console`."""

    reporter: Reporter
    hint_for: Callable[[Advised], str | None] = plain_hint
    _warned: set[str] = field(default_factory=set)

    def emit(self, event: Event) -> None:
        """Take one event."""
        self.reporter.emit(event)
        try:
            if isinstance(event, Surveyed):
                with atomic(event.folder / f"clips-{event.stage}.txt", follow_links=False) as temporary:
                    temporary.write_text(training_data_table(event, self.hint_for) + "\n", encoding="utf-8")
            elif isinstance(event, Saved):
                self._draw(event.folder, event.stage)
        except (OSError, SovitsError) as error:
            self._warn_once(f"a table or picture in the run folder is not up to date: {error}")

    def _draw(self, folder: Path, stage: str) -> None:
        from sovits_cli.training.metrics import metrics_file, read_metrics

        rows = read_metrics(metrics_file(folder, stage))
        if rows:
            with atomic(folder / f"curves-{stage}.png", follow_links=False) as temporary:
                draw_curves(rows, stage, temporary)

    def _warn_once(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self.reporter.emit(Warned(text))


def _panel_rank(name: str) -> tuple[int, str]:
    return (FIRST_PANELS.index(name) if name in FIRST_PANELS else len(FIRST_PANELS), name)


def draw_curves(rows: Sequence[Mapping[str, float]], title: str, path: Path) -> None:
    """Draw readings as a PNG: a panel for each number, training clips as a line, validation clips as dots in it.

    Args:
        rows: `step` and numbers by name; any may be missing, or not finite.
        title: of the picture.
        path: the file.
    """
    # the canvas itself instead of pyplot, which would choose a display and keep the figure for the whole process
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = {name.removeprefix(HELD_OUT) for row in rows for name in row if name != "step"}
    ordered = sorted(names, key=_panel_rank)
    lines = math.ceil(len(ordered) / PANELS_A_ROW)
    figure = Figure(figsize=(4 * PANELS_A_ROW, 2.5 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    for number, name in enumerate(ordered, start=1):
        panel = figure.add_subplot(lines, PANELS_A_ROW, number)
        panel.set_title(name, fontsize=9)
        for key, style in ((name, "-"), (HELD_OUT + name, "o-")):
            points = [(row["step"], row[key]) for row in rows if key in row and math.isfinite(row[key])]
            if points:
                panel.plot(*zip(*points, strict=True), style, markersize=3, label=key)
        if any(HELD_OUT + name in row for row in rows):
            panel.legend(fontsize=7)
    figure.savefig(path, format="png", dpi=80)
