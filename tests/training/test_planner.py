"""What fits the memory, and the plan of a training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from sovits_cli.errors import ResourceError
from sovits_cli.report.tables import plan_table
from sovits_cli.training import planner, step_cost
from sovits_cli.training.planner import MAX_AUTO_BATCH_SIZE, choose_batch_size, max_clips_that_fit, plan_stage
from sovits_cli.training.step_cost import ProfiledStep, StepCost
from tests.differences import every_case
from tests.training.profilers import gpt
from tests.training.toys import Events


def test_a_plan_looks_at_the_dataset_s_own_batches() -> None:
    profiler, _ = gpt()
    lengths_s = [4.0, 5.0, 20.0]
    plan = plan_stage(profiler, [[0, 1], [2]], lengths_s, 1, 10**9)
    sizes = [profiler.cost.memory(2, profiler.positions(2, 5.0)), profiler.cost.memory(1, profiler.positions(1, 20.0))]
    assert plan.peak_bytes == max(sizes)
    assert (plan.stage, plan.batches, plan.longest_s, plan.free_bytes) == ("gpt", 2, 20.0, 10**9)
    assert plan.fits[54][8] > plan.fits[54][1] > plan.fits[10][1]
    assert plan.epoch_s > 0
    assert plan.margin == profiler.cost.margin >= 0
    assert f"{100 * plan.margin:.0f} % above" in plan_table(plan)


@dataclass
class Gpu:
    """A profiler of a GPU whose steps of 10 positions a second take what they like: more than short ones promise."""

    trials: list[ProfiledStep] = field(default_factory=list)
    tried: list[int] = field(default_factory=list)
    quick: bool = True
    name, precision, device = "sovits", "16-mixed", "cuda:0"

    def __post_init__(self) -> None:
        self.trials = [self.step(clips, seconds) for clips in (1, 2) for seconds in (6.0, 12.0)]

    def step(self, clips: int, seconds: float) -> ProfiledStep:
        positions = self.positions(clips, seconds)
        workspace = 3e8 if clips > 2 else 0.0
        return ProfiledStep(clips, positions, 1e9 + 1e8 * clips + 1e5 * positions + workspace, 0.0, 0.2, 0.1)

    @property
    def cost(self) -> StepCost:
        return step_cost.fit(self.trials, fragmentation=1.03, starts=True)

    def positions(self, clips: int, seconds: float) -> int:
        return int(10 * seconds) * clips

    def try_step(self, clips: int, seconds: float) -> bool:
        if not self.quick or (clips, self.positions(clips, seconds)) in self.cost.tried:
            return False
        self.tried.append(clips)
        self.trials.append(self.step(clips, seconds))
        return True


def test_as_many_clips_as_fit() -> None:
    profiler: Any = Gpu(quick=False)
    needed = [profiler.cost.memory(clips, profiler.positions(clips, 30.0)) for clips in range(1, 9)]
    for clips in (1, 5):
        free = int(needed[clips - 1] / 0.9) + 1000
        assert max_clips_that_fit(profiler, 30.0, free) == clips
        events = Events()
        assert choose_batch_size("auto", profiler, [3.0, 30.0], free, events) == clips
        assert f"value='{clips}'" in events.texts()
    assert max_clips_that_fit(profiler, 30.0, 10**15) == MAX_AUTO_BATCH_SIZE
    assert choose_batch_size(7, profiler, [30.0], 1, Events()) == 7
    with pytest.raises(ResourceError, match=r"one clip of 30 s needs .* GB"):
        choose_batch_size("auto", profiler, [30.0], int(needed[0] / 2), Events())
    assert not profiler.tried


@every_case("free", [2e9, 3e9, 4e9])
def test_on_a_gpu_the_batch_of_auto_has_been_tried(free: float) -> None:
    gpu: Any = Gpu()
    promised = next(n for n in range(32, 0, -1) if gpu.cost.memory(n, n * 540) <= 0.9 * free)
    found = max_clips_that_fit(gpu, 54.0, free)
    assert gpu.tried[0] == promised
    assert gpu.tried[-1] == found < promised
    assert 1.03 * gpu.step(found, 54.0).peak_bytes <= 0.9 * free < 1.03 * gpu.step(found + 1, 54.0).peak_bytes


def test_on_a_gpu_the_costliest_batch_has_been_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "free_bytes", lambda _: 10**10)
    gpu: Any = Gpu()
    plan = plan_stage(gpu, [[0, 1], [2, 3, 4, 5], [1, 2]], [3.0, 4.0, 20.0, 30.0, 20.0, 20.0], 1, None)
    assert gpu.tried == [4]
    assert plan.peak_bytes == pytest.approx(1.03 * gpu.step(4, 30.0).peak_bytes)
