"""The numbers of a run: weighted means, and curves that TensorBoard reads."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event, SessionLog

from sovits_cli.events import Metrics, Warned
from sovits_cli.terms import Stage
from sovits_cli.training import metrics
from sovits_cli.training.metrics import MetricsLogger, WeightedMeans
from tests.training.toys import Events


def events_in(folder: Path) -> list[Event]:
    (path,) = folder.iterdir()
    return [Event.FromString(raw) for raw in RawEventFileLoader(str(path)).Load()]


def make(folder: Path, reporter: Events, first_step: int = 0) -> MetricsLogger:
    return MetricsLogger(folder, Stage.GPT, torch.device("cpu"), first_step, reporter)


def test_means_are_weighted_and_begin_again() -> None:
    means = WeightedMeans()
    means.add({"loss": torch.tensor(1.0), "only_once": 7.0}, 3.0)
    means.add({"loss": torch.tensor(5.0)}, 1.0)
    assert means.pop() == {"loss": 2.0, "only_once": 7.0}
    assert means.pop() == {}


def test_readings_are_events_and_curves(tmp_path: Path) -> None:
    heard = Events()
    board = make(tmp_path, heard)
    board.means.add({"loss": torch.tensor(2.5)})
    board.count_clips(8)
    board.log_means(10, {"lr": 0.001})
    board.close()
    (reading,) = [event for event in heard.heard if isinstance(event, Metrics)]
    assert (reading.stage, reading.step, reading.values["loss"]) == ("gpt", 10, 2.5)
    written = events_in(tmp_path / "tb" / "gpt")
    assert written[0].file_version == "brain.Event:2"
    assert written[1].step == 10
    tags = {value.tag: value.simple_value for value in written[1].summary.value}
    assert tags["loss"] == 2.5
    assert set(tags) == {"loss", "lr", "samples_per_s", "memory_gib"}


def test_a_resumed_run_hides_what_lies_beyond(tmp_path: Path) -> None:
    make(tmp_path, Events(), first_step=40).close()
    begun = events_in(tmp_path / "tb" / "gpt")[1]
    assert (begun.step, begun.session_log.status) == (40, SessionLog.START)


def test_pauses_do_not_count_as_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(metrics.time, "perf_counter", lambda: now[0])
    board = make(tmp_path, Events())
    board.count_clips(10)
    now[0] = 1.0
    board.pause_timer()
    now[0] = 100.0
    board.resume_timer()
    now[0] = 101.0
    assert board.log_means(1, {})["samples_per_s"] == pytest.approx(5.0)
    board.close()


def test_a_full_disk_costs_the_curves_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Events()
    board = make(tmp_path, heard)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(metrics.RecordWriter, "write", full)
    board.log(1, {"loss": 1.0})
    board.log(2, {"loss": 1.0})
    board.close()
    assert len([event for event in heard.heard if isinstance(event, Warned)]) == 1
    assert len([event for event in heard.heard if isinstance(event, Metrics)]) == 2


def test_lines_that_are_no_readings_are_left_out(tmp_path: Path) -> None:
    place = metrics.metrics_file(tmp_path, "gpt")
    place.write_bytes(b'{"step": 1, "loss": 2}\n7\n[]\n{"loss": 1}\n\xff\n' + b"[" * 100_000 + b'\n{"step": 2}\n{"st')
    assert [row["step"] for row in metrics.read_metrics(place)] == [1, 2]


def test_readings_are_not_written_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    run = tmp_path / "run"
    run.mkdir()
    metrics.metrics_file(run, "gpt").symlink_to(victim)
    book = MetricsLogger(run, Stage.GPT, torch.device("cpu"), 0, Events())
    book.log(1, {"loss": 1.0})
    book.close()
    assert victim.read_text() == "mine"
    assert metrics.read_metrics(metrics.metrics_file(run, "gpt")) == [{"step": 1, "loss": 1.0}]
