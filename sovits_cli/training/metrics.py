"""The numbers of a run, averaged over a few steps: as events, in TensorBoard and as JSON lines.

runs/<name>/tb/<stage>/             TensorBoard
runs/<name>/metrics-<stage>.jsonl   one line a reading: step, and each number by name
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import torch
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter
from torch import Tensor

from sovits_cli.errors import ResourceError
from sovits_cli.events import Metrics, Reporter, Warned
from sovits_cli.files import atomic, parse_json
from sovits_cli.memory import memory_gib
from sovits_cli.terms import Stage


class WeightedMeans:
    """Weighted means since the last reading. Tensors stay on their device until read."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor | float] = defaultdict(float)
        self._weights: dict[str, float] = defaultdict(float)

    def add(self, values: Mapping[str, Tensor | float], weight: float = 1.0) -> None:
        """Count values, tensors without gradient or numbers, with this weight."""
        for name, value in values.items():
            self._sums[name] = self._sums[name] + value * weight
            self._weights[name] += weight

    def pop(self) -> dict[str, float]:
        """The means, and start again."""
        means = {name: float(total) / self._weights[name] for name, total in self._sums.items()}
        self._sums.clear()
        self._weights.clear()
        return means


class TensorBoardWriter:
    """A TensorBoard file, written at once and without a thread. A disk that refuses it costs the curves, not the run.

    Args:
        folder: one per stage.
        first_step: a resumed run begins here; what earlier files hold beyond is hidden.
        reporter: hears that nothing more is written.
    """

    def __init__(self, folder: Path, first_step: int, reporter: Reporter) -> None:
        self._path = folder / f"events.out.tfevents.{time.time_ns() // 10**9}.{time.time_ns() % 10**9}.{os.getpid()}"
        self._reporter = reporter
        self._file: BinaryIO | None = None
        begun = [Event(file_version="brain.Event:2")]
        if first_step:
            begun.append(Event(step=first_step, session_log=SessionLog(status=SessionLog.START)))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab", buffering=0)
        except OSError as error:
            self._give_up(error)
        self._write(begun)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Write numbers of one step."""
        summary = Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()])
        self._write([Event(step=step, summary=summary)])

    def close(self) -> None:
        """Write no more."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _write(self, events: Sequence[Event]) -> None:
        if self._file is None:
            return
        try:
            for event in events:
                event.wall_time = time.time()
                RecordWriter(self._file).write(event.SerializeToString())
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        with suppress(OSError):
            self.close()
        self._reporter.emit(Warned(f"no more curves: cannot write {self._path}: {error.strerror}"))


class MetricsLogger:
    """Writes the numbers of one stage.

    Args:
        folder: of the run; None writes no files.
        stage: whose numbers.
        device: whose memory is watched.
        first_step: a resumed run begins here, and what TensorBoard holds beyond is dropped.
        reporter: hears every reading.
    """

    def __init__(
        self, folder: Path | None, stage: Stage, device: torch.device, first_step: int, reporter: Reporter
    ) -> None:
        self.means = WeightedMeans()
        self._stage = stage
        self._device = device
        self._reporter = reporter
        self._tensorboard = (
            None if folder is None else TensorBoardWriter(folder / "tb" / stage.value, first_step, reporter)
        )
        self._file = None if folder is None else MetricsFile(metrics_file(folder, stage.value), first_step, reporter)
        self._items = 0
        self._since = time.perf_counter()

    def count_clips(self, items: int) -> None:
        """So many clips have been trained on."""
        self._items += items

    def log_means(self, step: int, rates: Mapping[str, float]) -> dict[str, float]:
        """Publish the means of the steps since the last reading, with speed, memory and learning rates."""
        now = time.perf_counter()
        values = self.means.pop()
        # Means first: their tensors are read here, which waits for the device, once a reading.
        values |= rates
        values["samples_per_s"] = self._items / max(now - self._since, 1e-9)
        values["memory_gib"] = memory_gib(self._device)
        self._items, self._since = 0, now
        self.log(step, values)
        return values

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Write these numbers as they are."""
        if self._tensorboard is not None and self._file is not None:
            self._tensorboard.add(step, values)
            self._file.add(step, values)
        self._reporter.emit(Metrics(self._stage.value, step, dict(values)))

    def pause_timer(self) -> None:
        """The time until `resume_timer` is not training: saving, validation."""
        self._paused_at = time.perf_counter()

    def resume_timer(self) -> None:
        """Training goes on."""
        self._since += time.perf_counter() - self._paused_at

    def close(self) -> None:
        """No more numbers."""
        if self._tensorboard is not None:
            self._tensorboard.close()


class MetricsFile:
    """Readings as JSON lines. A resumed run drops what lies beyond its first step.

    A disk that refuses them costs the curves, not the run.
    """

    def __init__(self, path: Path, first_step: int, reporter: Reporter) -> None:
        self._path = path
        self._reporter: Reporter | None = reporter
        try:
            before = [row for row in read_metrics(path) if row["step"] <= first_step] if first_step else []
            with atomic(path, follow_links=False) as temporary:
                temporary.write_text("".join(_line(row) for row in before), encoding="utf-8")
        except ResourceError as error:
            self._give_up(error.message)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Append one reading."""
        if self._reporter is None:
            return
        try:
            with self._path.open("a", encoding="utf-8") as out:
                out.write(_line({"step": step, **values}))
        except OSError as error:
            self._give_up(f"cannot write {self._path}: {error.strerror}")

    def _give_up(self, why: str) -> None:
        if self._reporter is not None:
            self._reporter.emit(Warned(f"no more readings in {self._path.name}: {why}"))
        self._reporter = None


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The readings of a run so far; a torn last line, or any other that is no reading, is left out."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with suppress(ValueError):
            row = parse_json(line)
            if isinstance(row, dict) and isinstance(row.get("step"), int):
                rows.append(row)
    return rows


def metrics_file(folder: Path, stage: str) -> Path:
    """Where the readings of a stage are."""
    return folder / f"metrics-{stage}.jsonl"


def _line(values: Mapping[str, float]) -> str:
    return (
        json.dumps({name: round(value, 6) if isinstance(value, float) else value for name, value in values.items()})
        + "\n"
    )
