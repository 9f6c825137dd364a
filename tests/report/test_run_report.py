"""What a training leaves in its run folder for people: the table of clips, and the curves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sovits_cli.events import ClipGroup, Note, Saved, Surveyed, Warned
from sovits_cli.report.run_report import RunReport, draw_curves
from sovits_cli.training.metrics import metrics_file
from tests.conftest import Heard

PNG = b"\x89PNG\r\n"
ROWS = [
    {"step": 10, "loss": 3.0, "lr": 0.001, "top3": 0.2},
    {"step": 20, "loss": float("nan"), "lr": 0.002, "held_out/loss": 2.5},
    {"step": 30, "loss": 2.0, "lr": 0.002, "held_out/loss": float("inf")},
]


def write_metrics(folder: Path) -> None:
    path = metrics_file(folder, "gpt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS[::2]), encoding="utf-8")


def test_every_event_is_passed_on(heard: Heard) -> None:
    RunReport(heard).emit(Note("hello"))
    assert heard.events == [Note("hello")]


def test_the_table_of_clips_is_written_with_its_hints(heard: Heard, tmp_path: Path) -> None:
    event = Surveyed("gpt", tmp_path, ClipGroup("kept", 1, 4.0), [ClipGroup("long", 1, 60.0, code="x.y")], [4.0], 10.0)
    RunReport(heard, lambda group: "cut it" if group.code else None).emit(event)
    assert "long  1 clips  60 s  cut it" in (tmp_path / "clips-gpt.txt").read_text(encoding="utf-8")


def test_curves_are_drawn_at_each_save(heard: Heard, tmp_path: Path) -> None:
    reporter = RunReport(heard)
    reporter.emit(Saved("gpt", tmp_path, 10, best=False))
    assert not list(tmp_path.glob("*.png")), "there is nothing to draw yet"
    write_metrics(tmp_path)
    reporter.emit(Saved("gpt", tmp_path, 30, best=True))
    assert (tmp_path / "curves-gpt.png").read_bytes().startswith(PNG)


def test_a_picture_that_cannot_be_written_never_costs_the_run(heard: Heard, tmp_path: Path) -> None:
    write_metrics(tmp_path)
    (tmp_path / "curves-gpt.png").mkdir()
    reporter = RunReport(heard)
    for step in (10, 20):
        reporter.emit(Saved("gpt", tmp_path, step, best=False))
    warnings = heard.of(Warned)
    assert len(warnings) == 1, "once is enough"
    assert "run folder is not up to date" in str(warnings[0])


def test_readings_that_are_missing_or_not_finite_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.axes import Axes

    drawn: dict[str, list[tuple[float, float]]] = {}
    monkeypatch.setattr(
        Axes, "plot", lambda _, x, y, *__, label, **___: drawn.update({label: list(zip(x, y, strict=True))})
    )
    monkeypatch.setattr(Axes, "legend", lambda *_, **__: None)
    draw_curves(ROWS, "gpt", tmp_path / "a.png")
    assert drawn["loss"] == [(10, 3.0), (30, 2.0)]
    assert drawn["held_out/loss"] == [(20, 2.5)]
    assert next(iter(drawn)) == "loss"
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)
