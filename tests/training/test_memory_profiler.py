"""What a step costs: found by short steps, true for longer ones, without a trace on what is trained afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from sovits_cli import memory
from sovits_cli.errors import ResourceError
from sovits_cli.terms import Precision
from sovits_cli.training import memory_profiler
from sovits_cli.training.memory_profiler import GPU_SHAPES, LONG_SHAPE, SHORT_SHAPES, MemoryProfiler, StepReading
from tests.training.profilers import Made, gpt, sovits

checkpointing = partial(gpt, checkpointing=True)


@pytest.mark.parametrize(
    ("make", "clips", "seconds"),
    [
        pytest.param(gpt, 1, 20.0, id="gpt-long"),
        pytest.param(gpt, 3, 12.0, id="gpt-many", marks=pytest.mark.slow),
        pytest.param(checkpointing, 1, 20.0, id="checkpointing-long", marks=pytest.mark.slow),
        pytest.param(checkpointing, 3, 12.0, id="checkpointing-many"),
        pytest.param(sovits, 1, 20.0, id="sovits-long"),
        pytest.param(sovits, 3, 12.0, id="sovits-many", marks=pytest.mark.slow),
    ],
)
def test_short_steps_tell_what_long_ones_cost(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[], Made], clips: int, seconds: float
) -> None:
    """Of tensors; what else a step takes is told apart below."""
    monkeypatch.setattr(memory, "reset_peak_rss", lambda **_: None)
    monkeypatch.setattr(memory_profiler, "HEAP_FRAGMENTATION", {})
    profiler, _ = make()
    stage = profiler._stage()
    profiler._step(stage, *LONG_SHAPE)  # makes the buffers of attention, which stay
    took = profiler._step(stage, clips, seconds)
    cost = profiler.cost
    predicted = cost.memory(clips, profiler.positions(clips, seconds))
    assert predicted == pytest.approx(max(took.peak_bytes, took.step_bytes), rel=0.15)
    assert (np.concatenate([cost.bytes, cost.computing]) >= 0).all()
    assert cost.margin >= 0


def state(profiler: MemoryProfiler[Any], model: torch.nn.Module) -> dict[str, Any]:
    """Everything of a training that steps could change."""
    return {
        "tensors": {name: one.clone() for name, one in model.state_dict(keep_vars=False).items()},
        "needs": {name: one.requires_grad for name, one in model.named_parameters()},
        "gradients": {name: one.grad for name, one in model.named_parameters()},
        "training": {name: one.training for name, one in model.named_modules()},
        "scale": profiler._engine.state_dict(),
        "random": (torch.get_rng_state(), np.random.get_state()[1].tolist()),  # noqa: NPY002
        "torch": (
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.get_float32_matmul_precision(),
            torch.are_deterministic_algorithms_enabled(),
            torch.backends.cudnn.benchmark,
        ),
    }


def assert_same(one: Any, other: Any) -> None:
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, tuple):
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    else:
        assert one == other


@pytest.mark.parametrize(
    ("make", "training"),
    [(gpt, True), (partial(gpt, precision=Precision.HALF), False), (sovits, True)],
    ids=["gpt", "half", "sovits"],
)
def test_everything_is_left_as_it_was(make: Callable[[], Made], training: bool) -> None:
    """With a loss scale too, that of float16: torch can do that on the CPU, slowly."""
    profiler, model = make()
    profiler._stage()  # freezes what the stage does not train
    model.train(training)
    before = state(profiler, model)
    assert profiler.cost.step_s > 0
    assert_same(state(profiler, model), before)


@pytest.mark.parametrize("ends", [ValueError("in a step"), KeyboardInterrupt()])
def test_and_after_an_error(monkeypatch: pytest.MonkeyPatch, ends: BaseException) -> None:
    profiler, model = gpt(precision=Precision.HALF)
    before = state(profiler, model)

    def spoil(stage: Any, *_: Any, **__: Any) -> StepReading:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(float("nan"))
        stage.optimized_modules[0].optimizer.step()
        raise ends

    monkeypatch.setattr(profiler, "_profile", spoil)
    with pytest.raises(type(ends)):
        assert profiler.cost
    assert_same(state(profiler, model), before)


def test_a_gradient_that_overflows_hides_no_optimiser() -> None:
    """At the loss scale of a training all trial steps overflowed, and none of them filled the optimisers."""
    profiler, _ = gpt(precision=Precision.HALF)
    stage = profiler._stage()
    memory_profiler._fill_optimizers(stage)
    filled = memory_profiler._state_bytes(stage)
    profiler, _ = gpt(precision=Precision.HALF)
    assert profiler._engine.state_dict()["scale"] == 2.0**16
    with profiler._profiling() as stage:
        assert profiler._engine.state_dict()["scale"] == 1.0
        assert (
            memory_profiler._state_bytes(stage)
            == filled
            > 2.9 * sum(one.nbytes for one in stage.optimized_modules[0].parameters)
        )
    assert profiler._engine.state_dict()["scale"] == 2.0**16


def test_checkpointing_costs_less_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "reset_peak_rss", lambda **_: None)
    whole, _ = gpt()
    again, _ = gpt(checkpointing=True)
    positions = whole.positions(4, 54)
    assert again.cost.memory(4, positions) < 0.6 * whole.cost.memory(4, positions)


@pytest.mark.skipif(memory.reset_peak_rss() is None, reason="resident memory is counted on Linux only")
def test_what_no_tensor_holds_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    real, extra = MemoryProfiler._step, 150 * 2**20

    def greedy(self: MemoryProfiler[Any], *shape: Any, **more: Any) -> StepReading:
        workspace = np.ones(extra, np.uint8)
        took = real(self, *shape, **more)
        del workspace
        return took

    modest, _ = gpt()
    needed = modest.cost.memory(1, 0)
    monkeypatch.setattr(MemoryProfiler, "_step", greedy)
    profiler, _ = gpt()
    assert profiler.cost.memory(1, 0) - needed == pytest.approx(extra, rel=0.3)


def test_a_disturbed_trial_does_not_spoil_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    profiler, _ = gpt()
    real = MemoryProfiler._step

    def disturbed(self: MemoryProfiler[Any], stage: Any, clips: int, seconds: float, **more: Any) -> StepReading:
        late_s = 100.0 if (clips, seconds) == (1, 12.0) else 0.0
        took_s = 1.0 + self.positions(clips, seconds) * 0.01 + late_s
        return replace(real(self, stage, clips, seconds, **more), seconds=took_s, step_s=1.0)

    monkeypatch.setattr(MemoryProfiler, "_step", disturbed)
    positions = profiler.positions(2, 54.0)
    assert profiler.cost.time_s(2, positions) == pytest.approx(1.0 + 0.01 * positions)
    assert profiler.cost.time_s(1, 0) == pytest.approx(1.0)


class Queue:
    """A device that does later what it is asked for: a clock that only goes on while somebody waits for it.

    Handing work over takes no time. What `waits` adds up is done when the device is waited for.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s, self.waits_s = 100.0, 0.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now_s)
        monkeypatch.setattr(memory_profiler, "synchronize", lambda _: self.wait())

    def wait(self) -> None:
        self.now_s, self.waits_s = self.now_s + self.waits_s, 0.0


def test_the_clock_is_read_when_the_device_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Queue(monkeypatch)
    profiler, _ = gpt()
    stage = profiler._stage()
    real_losses, engine = stage.losses, profiler._engine
    real_backward, real_step = engine.backward, engine.step

    def takes(seconds: float, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            device.waits_s += seconds
            return real(*args, **more)

        return call

    device.waits_s = 7.0  # what was asked for before is nobody's
    monkeypatch.setattr(stage, "losses", takes(1.0, real_losses))
    monkeypatch.setattr(engine, "backward", takes(2.0, real_backward))
    monkeypatch.setattr(engine, "step", takes(0.25, real_step))
    took = profiler._step(stage, 1, 2.0)
    assert (took.seconds, took.step_s) == (3.25, 0.25)


@pytest.fixture
def like_a_gpu(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[int, float], float]:
    """A profiler that takes the CPU for a GPU, and steps that take what a table says: no memory suffices for others."""
    table: dict[tuple[int, float], float] = {}

    def step(self: MemoryProfiler[Any], stage: Any, clips: int, seconds: float, **more: Any) -> StepReading:
        if (clips, seconds) not in table:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return StepReading(int(table[clips, seconds]), 0, 0.1 * clips, 0.0)

    @contextmanager
    def trying(self: MemoryProfiler[Any]) -> Iterator[Any]:
        yield self._stage()

    monkeypatch.setattr(MemoryProfiler, "_step", step)
    monkeypatch.setattr(MemoryProfiler, "_profiling", trying)
    monkeypatch.setattr(MemoryProfiler, "on_gpu", property(lambda _: True))
    monkeypatch.setattr(memory_profiler, "free_bytes", lambda _: 10**9)
    monkeypatch.setattr(memory_profiler, "HEAP_FRAGMENTATION", {})
    monkeypatch.setattr(memory_profiler, "_gradient_bytes", lambda _: 0)
    return table


def test_on_a_gpu_long_steps_are_tried_as_far_as_they_fit(like_a_gpu: dict[tuple[int, float], float]) -> None:
    like_a_gpu |= {
        (clips, seconds): 1e6 * (100 + 10 * clips + clips * seconds) for clips, seconds in (*SHORT_SHAPES, *GPU_SHAPES)
    }
    profiler, _ = gpt()
    tried = profiler.cost.tried
    assert [(shape, (*shape[:1], profiler.positions(*shape)) in tried) for shape in GPU_SHAPES] == [
        (shape, like_a_gpu[shape] < 9e8) for shape in GPU_SHAPES
    ]
    assert not profiler.try_step(1, 40.0)  # known
    assert not profiler.try_step(30, 80.0)  # too large


def test_a_step_that_does_not_fit_after_all_costs_all_that_is_free(
    like_a_gpu: dict[tuple[int, float], float],
) -> None:
    like_a_gpu |= {
        (clips, seconds): 1e6 * (100 + 10 * clips + clips * seconds) for clips, seconds in (*SHORT_SHAPES, *GPU_SHAPES)
    }
    profiler, _ = gpt()
    positions = profiler.positions(4, 54.0)
    assert profiler.cost.memory(4, positions) < 4e8
    assert profiler.try_step(4, 54.0)
    assert profiler.cost.memory(4, positions) >= 1e9
    like_a_gpu.clear()
    with pytest.raises(ResourceError, match="out of memory while a short step was tried"):
        assert gpt()[0].cost


def test_on_a_cpu_quick_steps_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    profiler, _ = gpt()
    assert profiler.try_step(3, 4.0)
    assert (3, profiler.positions(3, 4.0)) in profiler.cost.tried
    monkeypatch.setattr(memory_profiler, "MAX_TRIAL_S", 0.0)
    assert not profiler.try_step(3, 5.0)


@pytest.mark.gpu
@pytest.mark.parametrize("make", [gpt, sovits])
def test_a_gpu_takes_what_it_was_told_to(make: Callable[..., Made]) -> None:
    """Shapes that were tried and shapes that were not; the loss scale is a real one."""
    profiler, model = make(precision=Precision.HALF, device=torch.device("cuda", 0))
    profiler._stage()
    model.train()
    before = state(profiler, model), torch.cuda.get_rng_state()
    cost = profiler.cost
    assert_same((state(profiler, model), torch.cuda.get_rng_state()), before)
    with profiler._profiling() as stage:
        for clips, seconds in ((1, 20.0), (8, 20.0), (4, 30.0)):
            took = profiler._step(stage, clips, seconds)
            predicted = cost.memory(clips, profiler.positions(clips, seconds))
            assert 1.0 <= predicted / max(took.peak_bytes, took.step_bytes) <= 1.1
            took_s = min(profiler._step(stage, clips, seconds).seconds for _ in range(3))
            assert cost.time_s(clips, profiler.positions(clips, seconds)) == pytest.approx(took_s, rel=0.5)


def test_a_length_is_made_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan asks for the longest clip of each of thousands of batches."""
    profiler, _ = gpt()
    made: list[float] = []
    batch = profiler._batch
    monkeypatch.setattr(profiler, "_batch", lambda clips, seconds: made.append(seconds) or batch(clips, seconds))
    found = {profiler.positions(clips, seconds) / clips for clips in (1, 8) for seconds in (11.97, 11.99, 12.0)}
    assert (len(found), made) == (1, [12.0])
    assert profiler.positions(1, 12.01) > found.pop()
