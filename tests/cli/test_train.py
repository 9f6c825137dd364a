"""`sovits train` as it is typed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from sovits_cli.data.experiment import load_feature, save_feature
from tests.training.worlds import make_dataset, make_family, record

Told = Callable[..., tuple[int, list[str]]]
QUICK = ("--max-steps", "2", "--set", "sovits.train.discriminator_width=none")


@pytest.fixture
def dataset(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOVITS_HOME", str(empty_folder / "home"))
    make_family(empty_folder / "home")
    return make_dataset(Path("dataset")).root


def test_the_line_of_the_user(told: Told, dataset: Path) -> None:
    code, lines = told("train", "--precision", "16-mixed", *QUICK)
    assert code == 0
    assert "device: cpu" in lines[0]
    assert lines[1] == "dataset: dataset (8 clips, made by prep)"
    assert lines[2] == "base model: small (mini; the dataset was made for it)"
    assert lines[3].startswith("run: runs/")
    assert sum("16-mixed runs as bf16-mixed" in line for line in lines) == 1
    assert next(Path("runs").glob("*/voice.json")).is_file()


def test_result_as_json(answer: Callable[..., Any], dataset: Path) -> None:
    found = answer("train", "--name", "me", "--stage", "gpt", *QUICK)
    assert (found["name"], found["finished"]) == ("me", True)
    assert found["stages"]["gpt"]["step"] == 2
    assert found["stages"]["gpt"]["exported"] == str(Path("runs/me/me-e2.ckpt"))


def test_again_says_that_it_is_done(told: Told, dataset: Path) -> None:
    told("train", "--stage", "gpt", *QUICK)
    code, lines = told("train", "--stage", "gpt", *QUICK)
    assert code == 0
    assert "gpt: finished already, after 2 steps" in lines


def test_dry_run_tells_the_cost_and_writes_nothing(told: Told, answer: Callable[..., Any], dataset: Path) -> None:
    assert told("train", "--dry-run", "--memory", "12GB", "--stage", "sovits", *QUICK)[0] == 0
    assert not Path("runs").exists()
    found = answer("train", "--dry-run", "--memory", "40MB", "--stage", "gpt", *QUICK)
    (plan,) = found["stages"]
    assert (plan["stage"], plan["device"], plan["free_bytes"]) == ("gpt", "cpu", 40_000_000)
    assert 0 < plan["peak_bytes"] < plan["fits"]["54"]["8"]


@pytest.mark.parametrize("size", ["12", "many GB", "0GB"])
def test_memory_that_is_none(told: Told, dataset: Path, size: str) -> None:
    code, lines = told("train", "--dry-run", "--memory", size)
    assert code == 2
    assert "--memory 12GB" in lines[-1]


def test_memory_is_for_planning(told: Told, dataset: Path) -> None:
    assert told("train", "--memory", "12GB")[0] == 2


def test_auto_batch_size_fits(told: Told, dataset: Path) -> None:
    code, lines = told("train", "--stage", "gpt", "--batch-size", "auto", *QUICK)
    assert code == 0
    assert any(line.startswith("batch size: 32 (clips of 2 s fit") for line in lines)


def test_strict_stops_before_anything_is_trained(told: Told, dataset: Path) -> None:
    code, lines = told("train", "--strict", "--max-sec", "1.3", *QUICK)
    assert code == 3
    assert any("over max_sec" in line and "--max-sec" in line for line in lines)
    assert not list(Path("runs").rglob("*.pt"))


def test_the_run_folder_can_be_looked_at(told: Told, dataset: Path) -> None:
    told("train", "--stage", "gpt", "--name", "me", "--set", "train.log_every_n_steps=1", *QUICK)
    run = Path("runs/me")
    assert "kept" in (run / "clips-gpt.txt").read_text()
    assert (run / "curves-gpt.png").read_bytes().startswith(b"\x89PNG")
    assert [json.loads(line)["step"] for line in (run / "metrics-gpt.jsonl").read_text().splitlines()] == [1, 2]


def test_no_dataset(told: Told, empty_folder: Path) -> None:
    code, lines = told("train")
    assert code == 3
    assert lines[-2].startswith("error: no dataset in dataset")
    assert lines[-1].startswith("hint: sovits prep")


def test_broken_clips_make_exit_code_seven(told: Told, dataset: Path) -> None:
    (dataset / "5-wav32k" / "clip001.wav").write_bytes(b"")
    code, lines = told("train", "--stage", "sovits", *QUICK)
    assert code == 7
    assert any(line.startswith("warning: left out: clip001.wav: ") for line in lines)


def test_features_that_are_no_numbers_are_named_and_left_out(told: Told, dataset: Path) -> None:
    path = dataset / "4-cnhubert" / "clip001.wav.pt"
    save_feature(path, load_feature(path) * float("nan"))
    code, lines = told("train", "--stage", "sovits", *QUICK)
    assert code == 7
    named = [line for line in lines if line.startswith("warning: left out: clip001.wav: ")]
    assert len(named) == 1
    assert "4-cnhubert/clip001.wav.pt holds NaN or infinite values" in named[0]
    assert not any("its gradients are NaN" in line for line in lines)


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["--precision", "17"], 2, "train.precision"),
        (["--max-steps", "0"], 2, "train.max_steps"),
        (["--set", "model.n_layer=9"], 2, "model.n_layer is 9"),
        (["--model", "nothing"], 4, "no model is called nothing"),
        (["--stage", "content"], 3, "expected at least 20"),
        (["--config", "nothing.yaml"], 2, "nothing.yaml"),
    ],
)
def test_bad_calls(told: Told, dataset: Path, flags: list[str], code: int, said: str) -> None:
    found, lines = told("train", *flags)
    assert found == code
    assert said in "\n".join(lines)
    assert not list(Path("runs").rglob("*.ckpt"))


def _until(lines: Iterable[str], word: str) -> bool:
    """Read lines up to the first with a word; False if they end before."""
    return any(word in line for line in lines)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_stopped_from_outside_saves_and_goes_on(told: Told, dataset: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "sovits_cli", "train", "--stage", "gpt", "--name", "me"]
    endless = [*command, "--max-steps", "1000000", "--save-every-min", "1000", "--set", "train.epochs=1"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent), "OMP_NUM_THREADS": "1"}
    said = ["--set", "train.save_every_n_epoch=1000000"]
    with subprocess.Popen([*endless, *said], stderr=subprocess.PIPE, env=environment, text=True) as running:
        assert running.stderr is not None
        try:
            told_first = _until(running.stderr, " steps")
            running.send_signal(number)
            rest = running.stderr.read()
        finally:
            running.kill()
    assert told_first, rest
    assert running.returncode == 130, rest
    assert "stopping after this step" in rest
    assert "Traceback" not in rest
    states = list(Path("runs/me/state").glob("gpt-*.pt"))
    assert len(states) == 1
    step = int(states[0].stem.removeprefix("gpt-"))
    code, lines = told("train", "--stage", "gpt", "--name", "me", "--max-steps", str(step + 1), "--json")
    assert code == 0
    assert any(line.startswith(f"gpt: going on from step {step} ") for line in lines)
    assert json.loads(Path("runs/me/voice.json").read_text())["gpt"].startswith("me-e")


def test_a_second_training_of_one_run(told: Told, dataset: Path) -> None:
    command = [sys.executable, "-m", "sovits_cli", "train", "--stage", "gpt", "--name", "me"]
    endless = [*command, "--max-steps", "1000000", "--set", "train.epochs=1"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent.parent), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(endless, stderr=subprocess.PIPE, env=environment, text=True) as running:
        assert running.stderr is not None
        assert any(" steps" in line for line in running.stderr)
        code, lines = told("train", "--stage", "gpt", "--name", "me", *QUICK)
        assert told("train", "--dry-run", "--stage", "gpt", "--name", "me", *QUICK)[0] == 0
        running.kill()
        running.stderr.read()
    assert code == 5
    assert any(f"runs/me: another sovits (pid {running.pid}, since " in line for line in lines)
    leftover = Path(f"runs/me/state/.{running.pid}-01ab23cd.partial.pt")
    leftover.parent.mkdir(exist_ok=True)
    leftover.write_bytes(b"half")
    assert told("train", "--stage", "gpt", "--name", "me", "--restart", *QUICK)[0] == 0
    assert not list(Path("runs/me").rglob(".*"))


def test_the_recipe_of_the_bundled_model_as_typed(told: Told, empty_folder: Path) -> None:
    """The lines of the README make a family, a dataset for it, and new networks; only their sizes are smaller here."""
    record(Path("teacher"), 24)
    for path in Path("teacher").glob("*.wav"):
        path.with_suffix(".txt").write_text("Hello world, this is a recording.\n")
    small = {"steps": 2, "width": 16, "layers": 1, "codebook_size": 16}
    Path("sovits.yaml").write_text("\n".join(f"content.{key}: {value}" for key, value in small.items()) + "\n")
    code, lines = told("train", "teacher", "--stage", "content", "--name", "content")
    assert code == 0, lines
    assert lines[1:3] == ["recordings: teacher (with timed phones)", "family: runs/content (for mini)"]
    code, lines = told("prep", "teacher", "--model", "runs/content")
    assert code == 0, lines
    code, lines = told("train", "--from-scratch", "--config", "mini", "--max-steps", "1", *TINY)
    assert code == 0, lines
    assert "family: content (mini; the dataset was made for it)" in lines
    assert json.loads(next(Path("runs").glob("*/voice.json")).read_text())["version"] == "mini"


TINY = [
    word
    for said in (
        "model.embedding_dim=16",
        "model.hidden_dim=16",
        "model.head=2",
        "model.n_layer=1",
        "train.audio_samples=0",
        "sovits.train.discriminator_width=none",
        "sovits.train.segment_size=5120",
        "sovits.model.istft_width=32",
        "sovits.model.istft_layers=1",
    )
    for word in ("--set", said)
]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--model", "v2"], "train.model is v2 (flag --model): it has no part in the content stage"),
        (["--no-from-scratch"], "train.from_scratch is False (flag --from-scratch): it has no part"),
        (["--max-sec", "4:54"], "data.curriculum_start_sec is 4.0 (flag --max-sec): it has no part"),
        (["--init", "g.pth"], "initial weights g.pth: the content stage begins with a new encoder"),
        (["--set", "optimizer.lr=0.1"], "optimizer.lr (--set optimizer.lr=0.1): it belongs to another stage"),
        (["--epochs", "2", "--max-steps", "3"], "content.steps is 3 and content.epochs is 2"),
    ],
)
def test_flags_that_the_content_stage_refuses(told: Told, empty_folder: Path, flags: list[str], said: str) -> None:
    record(Path("teacher"), 20)
    code, lines = told("train", "teacher", "--stage", "content", *flags)
    assert code == 2
    assert said in "\n".join(lines)
    assert not Path("runs").exists() or not list(Path("runs").rglob("*.pt"))


def test_flags_that_the_content_stage_takes(answer: Callable[..., Any], told: Told, empty_folder: Path) -> None:
    record(Path("teacher"), 24)
    dimensions = ["--set", "content.width=16", "--set", "content.layers=1", "--set", "content.codebook_size=8"]
    flags = [
        *("--max-steps", "4", "--batch-size", "5", "--num-workers", "1", "--precision", "bf16-mixed"),
        *("--gradient-clip", "0.5", "--gradient-accumulation", "2", "--seed", "7", "--save-every", "1"),
        *("--checkpointing", "--from-scratch", "--max-sec", "30", "--save-every-min", "1", "--device", "cpu"),
    ]
    command = ["train", "teacher", "--stage", "content", "--name", "me", *dimensions, *flags]
    (plan,) = answer(*command, "--dry-run", "--memory", "12GB")["stages"]
    assert (plan["stage"], plan["precision"], plan["batches"], plan["free_bytes"]) == ("content", "bf16-mixed", 5, 12e9)
    assert not Path("runs").exists()
    found = answer(*command)["stages"]["content"]
    assert (found["step"], found["epoch"], found["exported"]) == (4, 2, "runs/me/content.safetensors")
    assert "held_out/frame_accuracy" in found["metrics"]
    assert [path.name for path in sorted(Path("runs/me/state").iterdir())] == [
        "content-00000003.pt",
        "content-00000004.pt",
    ]
    assert "content: finished already, after 4 steps" in told(*command)[1]
    assert "content: finished already, after 4 steps" not in told(*command, "--restart")[1]
