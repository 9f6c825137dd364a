"""The config, on a toy stage: every number in it changes the training, and nothing is lost or said twice."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest
import torch

from sovits_cli.errors import ModelError, ResourceError
from sovits_cli.events import Metrics, Warned
from sovits_cli.terms import Precision
from sovits_cli.training.optim import LearningRateSchedule
from sovits_cli.training.stages.base import ExportTag
from sovits_cli.training.state import StateFolder, TrainingState
from sovits_cli.training.trainer_config import Fingerprints, SaveEvent, StopRequest
from tests.training.toys import Events, ToyStage, run
from tests.training.worlds import every_case_apart


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def trained(folder: Path, **changes: object) -> dict[str, torch.Tensor]:
    stage = ToyStage()
    run(stage, folder, **changes).fit()  # type: ignore[arg-type]
    return stage.tensors()


def test_epochs_steps_and_exports(tmp_path: Path) -> None:
    stage, events = ToyStage(), Events()
    outcome = run(stage, tmp_path, reporter=events).fit()
    assert (outcome.step, outcome.epoch, outcome.finished) == (9, 3, True)
    assert stage.exported == [ExportTag(1, 3, True), ExportTag(2, 6, True), ExportTag(3, 9, True)]
    assert outcome.exported is not None
    assert outcome.exported.is_file()
    readings = [event for event in events.heard if isinstance(event, Metrics) and "loss" in event.values]
    assert [event.step for event in readings] == list(range(1, 10))
    assert {"lr", "grad_norm/a", "samples_per_s", "memory_gib"} <= readings[-1].values.keys()
    assert any((tmp_path / "tb").rglob("events.*"))


def test_max_steps_ends_inside_an_epoch(tmp_path: Path) -> None:
    stage = ToyStage()
    outcome = run(stage, tmp_path, max_steps=7).fit()
    assert (outcome.step, outcome.finished) == (7, True)
    assert stage.exported[-1] == ExportTag(3, 7, epoch_done=False)


def test_accumulation_gives_the_gradient_of_the_whole_batch(tmp_path: Path) -> None:
    """Three batches of four count as one of twelve; weights are those of the items, not of the batches."""
    whole, parts, uneven = (ToyStage() for _ in range(3))
    for stage in (whole, parts, uneven):
        stage.a[1] = torch.nn.Identity()
    run(whole, tmp_path / "1", batch_size=12, epochs=1).fit()
    run(parts, tmp_path / "2", batch_size=4, accumulation=3, epochs=1).fit()
    run(uneven, tmp_path / "3", batch_size=5, accumulation=3, epochs=1).fit()
    for key, value in whole.tensors().items():
        torch.testing.assert_close(parts.tensors()[key], value, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(uneven.tensors()[key], value, rtol=1e-4, atol=1e-6)


def test_the_rest_of_an_epoch_makes_an_update(tmp_path: Path) -> None:
    outcome = run(ToyStage(), tmp_path, accumulation=2, epochs=2).fit()
    assert outcome.step == 4


@pytest.mark.parametrize(
    "change",
    [{"clip_norm": 0.01}, {"accumulation": 2}, {"epochs": 2}, {"max_steps": 2}, {"batch_size": 3}],
    ids=lambda change: next(iter(change)),
)
def test_each_number_changes_the_training(tmp_path: Path, change: dict[str, object]) -> None:
    assert not same(trained(tmp_path / "a"), trained(tmp_path / "b", **change))


def test_clipping_limits_the_update_and_reports_the_norm_before(tmp_path: Path) -> None:
    events = Events()
    stage = ToyStage(schedule=LearningRateSchedule(peak=1.0))
    before = stage.b.weight.detach().clone()
    run(stage, tmp_path, reporter=events, clip_norm=0.01, max_steps=1).fit()
    moved = (stage.b.weight.detach() - before).norm()
    assert 0.001 < float(moved) <= 0.0101
    reading = next(event for event in events.heard if isinstance(event, Metrics))
    assert reading.values["grad_norm/b"] > 0.1


def test_schedule_is_applied(tmp_path: Path) -> None:
    still = ToyStage(schedule=LearningRateSchedule(peak=1.0, initial=0.0, warmup_steps=100))
    before = still.tensors()
    run(still, tmp_path, max_steps=1).fit()
    assert same(before, still.tensors())  # the first rate of this warm-up is 0


@every_case_apart("workers", [0, 3])
def test_readers_do_not_change_the_result(tmp_path: Path, workers: int) -> None:
    assert same(trained(tmp_path / "a"), trained(tmp_path / "b", workers=workers))


def test_saving_and_validation_do_not_change_the_result(tmp_path: Path) -> None:
    plain = trained(tmp_path / "a", held_out=False, save_every_epochs=99)
    assert same(plain, trained(tmp_path / "b", save_every_steps=1, save_every_s=0.0))


def test_exports_at_the_end_only(tmp_path: Path) -> None:
    stage = ToyStage()
    run(stage, tmp_path, export_each_save=False).fit()
    assert stage.exported == [ExportTag(3, 9, True)]


@every_case_apart("precision", list(Precision))
def test_precision_runs_on_a_cpu(tmp_path: Path, precision: Precision) -> None:
    assert run(ToyStage(), tmp_path, precision=precision).fit().finished


class StopAt(StopRequest):
    """Asks to stop after some updates."""

    def __init__(self, stage: ToyStage, calls: int) -> None:
        super().__init__()
        self._stage, self._calls = stage, calls

    @property
    def wanted(self) -> bool:
        return self._stage.calls >= self._calls

    @wanted.setter
    def wanted(self, value: bool) -> None:
        pass


@every_case_apart("calls", [1, 3, 5, 8])
def test_stopped_and_resumed_equals_undisturbed(tmp_path: Path, calls: int) -> None:
    stopped = ToyStage()
    outcome = run(stopped, tmp_path / "b", stop=StopAt(stopped, calls)).fit()
    assert (outcome.finished, outcome.step) == (False, calls)
    events, resumed = Events(), ToyStage()
    assert run(resumed, tmp_path / "b", reporter=events).fit().finished
    assert f"going on from step {calls}" in events.texts()
    assert same(trained(tmp_path / "a"), resumed.tensors())


class StopAtLook(StopRequest):
    """Asks to stop from the n-th time on that the loop looks: between any two of its lines."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._left = looks

    @property
    def wanted(self) -> bool:
        self._left -= 1
        return self._left < 0

    @wanted.setter
    def wanted(self, value: bool) -> None:
        pass


def test_stopped_at_any_moment_saves(tmp_path: Path) -> None:
    undisturbed = trained(tmp_path / "undisturbed")
    for looks in range(100):
        folder = tmp_path / str(looks)
        outcome = run(ToyStage(), folder, stop=StopAtLook(looks)).fit()
        if outcome.finished:
            break
        events, resumed = Events(), ToyStage()
        assert run(resumed, folder, reporter=events).fit().finished
        assert f"going on from step {outcome.step}" in events.texts()
        assert same(undisturbed, resumed.tensors())
    assert 9 <= looks < 99


def test_a_finished_run_is_not_trained_again_but_can_be_prolonged(tmp_path: Path) -> None:
    trained(tmp_path)
    again, events = ToyStage(), Events()
    run(again, tmp_path, reporter=events).fit()
    assert again.calls == 0
    assert "finished already, after 9 steps" in events.texts()
    longer = ToyStage()
    assert run(longer, tmp_path, epochs=4).fit().step == 12
    assert same(longer.tensors(), trained(tmp_path / "a", epochs=4))


def test_damaged_newest_state_falls_back_to_the_one_before(tmp_path: Path) -> None:
    stopped = ToyStage()
    run(stopped, tmp_path / "b", stop=StopAt(stopped, 5), save_every_steps=1).fit()
    newest, before = sorted((tmp_path / "b" / "state").iterdir(), reverse=True)
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 0xFF
    newest.write_bytes(content)
    events, resumed = Events(), ToyStage()
    run(resumed, tmp_path / "b", reporter=events).fit()
    assert newest.name in next(event.text for event in events.heard if isinstance(event, Warned))
    assert "going on from step 4" in events.texts()
    assert same(trained(tmp_path / "a"), resumed.tensors())
    assert before.name.endswith("00000004.pt")


def test_all_states_damaged_is_an_error_not_a_fresh_start(tmp_path: Path) -> None:
    trained(tmp_path)
    for path in (tmp_path / "state").iterdir():
        path.write_bytes(b"")
    with pytest.raises(ModelError, match="no saved state of the gpt stage can be read") as caught:
        run(ToyStage(), tmp_path)
    assert caught.value.code == "train.states_unreadable"


def test_another_model_cannot_continue(tmp_path: Path) -> None:
    trained(tmp_path)
    with pytest.raises(ModelError, match="another model or recipe"):
        run(ToyStage(), tmp_path, fingerprints=Fingerprints("other", "twelve"))


def test_another_dataset_restarts_the_epoch(tmp_path: Path) -> None:
    stopped = ToyStage()
    run(stopped, tmp_path, stop=StopAt(stopped, 5)).fit()
    events = Events()
    outcome = run(ToyStage(), tmp_path, reporter=events, fingerprints=Fingerprints("toy", "more")).fit()
    assert "epoch 2 restarts" in events.texts()
    assert outcome.step == 5 + 6


def test_a_few_updates_of_nan_are_left_out(tmp_path: Path) -> None:
    stage, events = ToyStage(poison_at=frozenset({2})), Events()
    run(stage, tmp_path, reporter=events).fit()
    assert len([event for event in events.heard if isinstance(event, Warned)]) == 1
    assert all(value.isfinite().all() for value in stage.tensors().values())


def test_too_many_updates_of_nan_end_the_run(tmp_path: Path) -> None:
    stage = ToyStage(poison_at=frozenset(range(3, 99)))
    with pytest.raises(ModelError, match="NaN for 11 updates in a row") as caught:
        run(stage, tmp_path, epochs=20).fit()
    assert caught.value.code == "train.loss_is_nan"
    assert all(value.isfinite().all() for value in stage.tensors().values())


def test_weights_of_nan_are_never_exported(tmp_path: Path) -> None:
    stage = ToyStage(schedule=LearningRateSchedule(peak=float("inf")))
    with pytest.raises(ModelError, match="nothing was exported"):
        run(stage, tmp_path, max_steps=1, held_out=False).fit()
    assert not list(tmp_path.glob("*.pt"))


def test_full_disk_costs_one_state_but_not_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saves: list[int] = []
    real = StateFolder.save

    def full_at_six(self: StateFolder, state: TrainingState) -> Path:
        saves.append(state.position.step)
        if state.position.step == 6:
            raise ResourceError("the disk is full", hint="free some space")
        return real(self, state)

    monkeypatch.setattr(StateFolder, "save", full_at_six)
    events = Events()
    assert run(ToyStage(), tmp_path, reporter=events).fit().finished
    assert "state of step 6 not saved: the disk is full" in events.texts()
    with pytest.raises(ResourceError):
        run(ToyStage(), tmp_path / "b", max_steps=6).fit()  # the last state has to be written


def test_a_smaller_part_gives_the_same_gradient_and_is_kept(tmp_path: Path) -> None:
    whole, tight, events = ToyStage(), ToyStage(), Events()
    for stage in (whole, tight):
        stage.a[1] = torch.nn.Identity()
    tight.fits = 3
    run(whole, tmp_path / "a", batch_size=12).fit()
    run(tight, tmp_path / "b", batch_size=12, reporter=events).fit()
    for key, value in whole.tensors().items():
        torch.testing.assert_close(tight.tensors()[key], value, rtol=1e-4, atol=1e-6)
    assert len([event for event in events.heard if isinstance(event, Warned)]) == 2  # 12 -> 6 -> 3, once
    state = torch.load(max((tmp_path / "b" / "state").iterdir()), weights_only=True)
    assert state["position"]["max_micro_batch_positions"] == 30


def test_the_best_save_is_the_one_with_the_smallest_loss(tmp_path: Path) -> None:
    saves: list[SaveEvent] = []
    events = Events()
    run(ToyStage(), tmp_path, saved=saves.append, reporter=events).fit()
    losses = [
        event.values["held_out/loss"]
        for event in events.heard
        if isinstance(event, Metrics) and "held_out/loss" in event.values
    ]
    best = [save.step for save in saves if save.best]
    assert [save.step for save in saves] == [3, 6, 9]
    assert losses[best[-1] // 3 - 1] == min(losses)
    assert all(save.exported is not None for save in saves)


def test_unreadable_batches_are_passed_over(tmp_path: Path) -> None:
    stage = ToyStage()
    assert run(stage, tmp_path, max_steps=3, unreadable=0).fit().step == 3
    assert stage.calls == 2


KILLED = """
import os, signal, sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from tests.training.toys import ToyStage, run
stage = ToyStage()
losses = stage.losses
def deadly(batch, shares):
    if stage.calls == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    return losses(batch, shares)
stage.losses = deadly
run(stage, Path(sys.argv[1]), save_every_steps=2).fit()
"""


def test_killed_and_resumed_equals_undisturbed(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "b"), "5"], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    events, resumed = Events(), ToyStage()
    run(resumed, tmp_path / "b", reporter=events, save_every_steps=2).fit()
    assert "going on from step 4" in events.texts()
    assert same(trained(tmp_path / "a"), resumed.tensors())


def spoil(folder: Path, step: int, place: str, value: object) -> None:
    """Change one place of a saved state: "modules.a.0.weight" is `modules`, `a`, `0.weight`."""
    path = folder / "state" / f"gpt-{step:08}.pt"
    content = torch.load(path, weights_only=True)
    section, name, rest = place.split(".", 2) if place.count(".") > 1 else (*place.split("."), None)
    if rest is None:
        content[section].pop(name) if value is None else content[section].update({name: value})
    elif value is None:
        content[section][name].pop(rest)
    else:
        content[section][name][rest] = value
    torch.save(content, path)


ENTRY = {"step": torch.tensor(9.0), "exp_avg": torch.zeros(16, 4), "exp_avg_sq": torch.zeros(16, 4)}
UNFIT = [
    ("modules.a.0.weight", torch.zeros(2, 4), "a.0.weight is (2, 4), the network has (16, 4)"),
    ("modules.a.0.weight", torch.zeros(16, 4, dtype=torch.int64), "a.0.weight is torch.int64"),
    ("modules.a.0.weight", None, "it has no tensor of a 0.weight"),
    ("modules.a.extra", torch.zeros(1), "it has a tensor of a extra, the network none"),
    ("modules.b", None, "it has no module b"),
    ("optimizers.b", None, "it has no optimizer b"),
    (
        "optimizers.a.state",
        {0: {**ENTRY, "exp_avg": torch.zeros(3)}},
        "no fitting exp_avg in the optimizer a",
    ),
    ("optimizers.a.state", {0: {"step": torch.tensor(1.0)}}, "no fitting exp_avg in the optimizer a"),
    ("optimizers.a.state", {77: ENTRY}, "for parameter 77, which is none"),
    ("optimizers.a.param_groups", [], "its optimizer a is for other parameters"),
    ("optimizers.a.param_groups", [{"params": [torch.zeros(2)] * 4}], "its optimizer a is for other parameters"),
    ("optimizers.a.state", {0: {**ENTRY, "step": [1]}}, "no fitting step in the optimizer a"),
    ("optimizers.a.state", {0: {**ENTRY, "step": torch.tensor(-1.0)}}, "no fitting step in the optimizer a"),
]


@every_case_apart(("place", "value", "said"), UNFIT)
def test_a_state_of_other_networks_is_named_and_the_one_before_it_taken(
    tmp_path: Path, place: str, value: object, said: str
) -> None:
    run(ToyStage(), tmp_path).fit()
    spoil(tmp_path, 9, place, value)
    stage, events = ToyStage(), Events()
    run(stage, tmp_path, reporter=events).fit()
    warned = next(event.text for event in events.heard if isinstance(event, Warned))
    assert said in warned
    assert "gpt-00000009.pt: this training state " in warned
    assert "going on from step 6" in events.texts()
    assert same(stage.tensors(), trained(tmp_path / "undisturbed"))


def test_weights_that_are_nan_never_replace_a_good_state(tmp_path: Path) -> None:
    run(ToyStage(), tmp_path, epochs=1).fit()
    with pytest.raises(ModelError, match="holds NaN or infinite values; no state was saved"):
        run(ToyStage(schedule=LearningRateSchedule(peak=float("inf"))), tmp_path, held_out=False).fit()
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["gpt-00000003.pt"]


STRANGE = [None, True, -1, 0, 2**70, 1.5, float("nan"), float("inf"), "x", [], {}, (), [1], {"a": 1}, {0: 0}, [[[]]]]
STRANGE += [torch.zeros(()), torch.zeros(3), torch.tensor(float("nan")), torch.zeros(2, 2, dtype=torch.int64)]


def test_whatever_a_state_says_it_is_used_or_named(tmp_path: Path) -> None:
    """Values at random places of a state are removed or replaced: the run goes on from it or from the one before."""
    run(ToyStage(), tmp_path, epochs=2).fit()
    path = tmp_path / "state" / "gpt-00000006.pt"
    whole, before = torch.load(path, weights_only=True), path.with_name("gpt-00000003.pt").read_bytes()
    places = [place for place in _places(whole) if place]
    draw, refused, others = random.Random(4), 0, list[str]()
    for _ in range(40):
        depth = draw.choice((1, 2, 3, 5))
        *way, last = draw.choice([place for place in places if len(place) <= depth])
        content = deepcopy(whole)
        section = content
        for key in way:
            section = section[key]
        if draw.random() < 0.2 and isinstance(section, dict):
            del section[last]
        else:
            section[last] = draw.choice(STRANGE)
        for other in path.parent.iterdir():
            other.unlink()
        torch.save(content, path)
        path.with_name("gpt-00000003.pt").write_bytes(before)
        events = Events()
        try:
            assert run(ToyStage(), tmp_path, reporter=events, max_steps=7, export_each_save=False).fit().finished
        except ModelError as error:
            others.append(error.message)
        refused += any(isinstance(event, Warned) and "gpt-00000006.pt: " in event.text for event in events.heard)
    assert all("another model or recipe" in message for message in others)
    assert refused > 20


def _places(value: object, way: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """The ways to every value inside; of a long list to a few."""
    yield way
    inside = value.items() if isinstance(value, dict) else enumerate(value[:4]) if isinstance(value, list) else ()
    for key, item in inside:
        yield from _places(item, (*way, key))
