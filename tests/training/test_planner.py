"""What a step costs: found by short steps, true for longer ones; and what fits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from sovits_cli.errors import ResourceError
from sovits_cli.models.sovits.synthesizer import Synthesizer
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.terms import Precision
from sovits_cli.training import planner, resident
from sovits_cli.training.engine import Engine
from sovits_cli.training.planner import (
    Prober,
    Watch,
    batch_size,
    fitting,
    gpt_batch,
    plan_stage,
    sovits_batch,
)
from sovits_cli.training.schedule import Schedule
from sovits_cli.training.sovits import AdamWRule, SovitsStage, Weights
from sovits_cli.training.t2s import GptStage
from tests.training.toys import Events
from tests.training.worlds import SOVITS

CPU = torch.device("cpu")


def unused(*_: object) -> Any:
    raise AssertionError("nothing is exported here")


def gpt(*, checkpointing: bool = False) -> tuple[Prober[Any], torch.nn.Module]:
    torch.manual_seed(1)
    config = T2SConfig(width=64, heads=4, layers=3, vocab=101, bert_dim=0)
    model = Text2Semantic(config)
    model.h.checkpointing = checkpointing
    stage = partial(GptStage, model, optimizer="scaled_adam", schedule=Schedule(0.0), export=unused)
    return Prober(stage, Engine(CPU, Precision.FULL), partial(gpt_batch, config)), model


def sovits() -> tuple[Prober[Any], torch.nn.Module]:
    torch.manual_seed(1)
    model = Synthesizer(SOVITS)
    stage = partial(
        SovitsStage, model, None, weights=Weights(), rule=AdamWRule(), schedule=Schedule(0.0), export=unused
    )
    return Prober(stage, Engine(CPU, Precision.FULL), partial(sovits_batch, SOVITS)), model


@pytest.mark.parametrize(
    "make", [gpt, partial(gpt, checkpointing=True), sovits], ids=["gpt", "checkpointing", "sovits"]
)
@pytest.mark.parametrize(("clips", "seconds"), [(1, 20.0), (3, 12.0)])
def test_short_steps_tell_what_long_ones_cost(
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[], tuple[Prober[Any], torch.nn.Module]],
    clips: int,
    seconds: float,
) -> None:
    """Of tensors; what else a step takes is told apart below."""
    monkeypatch.setattr(resident, "begin", lambda: None)
    monkeypatch.setattr(planner, "HOLES", {})
    prober, _ = make()
    stage = prober._stage()
    prober._step(stage, clips, seconds)  # makes the buffers of attention, which stay
    predicted = prober.cost.memory(clips, prober.places(clips, seconds))
    assert predicted == pytest.approx(max(prober._step(stage, clips, seconds)[:2]), rel=0.15)


@pytest.mark.parametrize("make", [gpt, sovits])
def test_the_networks_are_left_as_they_were(make: Callable[[], tuple[Prober[Any], torch.nn.Module]]) -> None:
    prober, model = make()
    before = {name: one.clone() for name, one in model.state_dict().items()}
    generator = torch.get_rng_state()
    assert prober.cost.step_s > 0
    assert all(torch.equal(one, before[name]) for name, one in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), generator)


def test_checkpointing_costs_less_memory() -> None:
    whole, _ = gpt()
    again, _ = gpt(checkpointing=True)
    places = whole.places(4, 54)
    assert again.cost.memory(4, places) < 0.6 * whole.cost.memory(4, places)


def test_watch_counts_what_lives_at_once() -> None:
    with Watch(CPU, held_bytes=1000) as watch:
        one = torch.ones(1000)
        one = one + 1
        view = one.view(10, 100)
        del one
        torch.zeros(500)
        assert watch.lap() == 1000 + 8000
        del view
        torch.zeros(500)
        assert watch.lap() == 1000 + 4000


@pytest.mark.skipif(resident.begin() is None, reason="resident memory is counted on Linux only")
def test_what_no_tensor_holds_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    real, extra = Prober._step, 400 * 2**20

    def greedy(self: Prober[Any], stage: Any, clips: int, seconds: float, *, hold: bool = False) -> Any:
        np.ones(extra, np.uint8)  # as a workspace
        return real(self, stage, clips, seconds, hold=hold)

    modest, _ = gpt()
    needed = modest.cost.memory(1, 0)
    monkeypatch.setattr(Prober, "_step", greedy)
    prober, _ = gpt()
    assert prober.cost.memory(1, 0) - needed == pytest.approx(extra, rel=0.3)


def test_a_disturbed_trial_does_not_spoil_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    prober, _ = gpt()
    real = Prober._step

    def disturbed(self: Prober[Any], stage: Any, clips: int, seconds: float, *, hold: bool = False) -> Any:
        gradients, steps, _, _ = real(self, stage, clips, seconds, hold=hold)
        late_s = 100.0 if (clips, seconds) == (1, 12.0) else 0.0
        return gradients, steps, 1.0 + self.places(clips, seconds) * 0.01 + late_s, 1.0

    monkeypatch.setattr(Prober, "_step", disturbed)
    places = prober.places(2, 54.0)
    assert prober.cost.time_s(places) == pytest.approx(1.0 + 0.01 * places)
    assert prober.cost.time_s(0) == prober.cost.step_s


def test_as_many_clips_as_fit() -> None:
    prober, _ = gpt()
    needed = [prober.cost.memory(clips, prober.places(clips, 30.0)) for clips in range(1, 9)]
    for clips in (1, 5):
        free = int(needed[clips - 1] / 0.9) + 1000
        assert fitting(prober, 30.0, free) == clips
        events = Events()
        assert batch_size("auto", prober, [3.0, 30.0], free, events) == clips
        assert f"value='{clips}'" in events.texts()
    assert batch_size(7, prober, [30.0], 1, Events()) == 7
    with pytest.raises(ResourceError, match=r"one clip of 30 s needs .* GB"):
        batch_size("auto", prober, [30.0], int(needed[0] / 2), Events())


def test_a_plan_looks_at_the_dataset_s_own_batches() -> None:
    prober, _ = gpt()
    lengths_s = [4.0, 5.0, 20.0]
    plan = plan_stage(prober, [[0, 1], [2]], lengths_s, 1, 10**9)
    sizes = [prober.cost.memory(2, prober.places(2, 5.0)), prober.cost.memory(1, prober.places(1, 20.0))]
    assert plan.peak_bytes == max(sizes)
    assert (plan.stage, plan.batches, plan.longest_s, plan.free_bytes) == ("gpt", 2, 20.0, 10**9)
    assert plan.fits[54][8] > plan.fits[54][1] > plan.fits[10][1]
    assert plan.epoch_s > 0
