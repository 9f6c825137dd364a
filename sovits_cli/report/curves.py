"""The curves of a training as a PNG: a panel for each number, training and held-out clips in one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

HELD_OUT = "held_out/"
COLUMNS = 3
FIRST = ("loss", "top3", "lr")
"""Panels that come first; the others by name."""


def draw(rows: Sequence[Mapping[str, float]], title: str, place: Path) -> None:
    """Draw readings (step and numbers by name) into a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = {name.removeprefix(HELD_OUT) for row in rows for name in row if name != "step"}
    ordered = sorted(names, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))
    lines = math.ceil(len(ordered) / COLUMNS)
    figure = Figure(figsize=(4 * COLUMNS, 2.5 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    for number, name in enumerate(ordered, start=1):
        panel = figure.add_subplot(lines, COLUMNS, number)
        panel.set_title(name, fontsize=9)
        for key, style in ((name, "-"), (HELD_OUT + name, "o-")):
            points = [(row["step"], row[key]) for row in rows if key in row and math.isfinite(row[key])]
            if points:
                panel.plot(*zip(*points, strict=True), style, markersize=3, label=key)
        if any(HELD_OUT + name in row for row in rows):
            panel.legend(fontsize=7)
    figure.savefig(place, format="png", dpi=80)
