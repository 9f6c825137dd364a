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

from sovits_cli.errors import ResourceError
from sovits_cli.terms import Precision
from sovits_cli.training import prober as room
from sovits_cli.training import resident
from sovits_cli.training.prober import GRID, LONG, SHORT, Prober, Step
from tests.training.probers import Made, gpt, sovits

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
    monkeypatch.setattr(resident, "begin", lambda **_: None)
    monkeypatch.setattr(room, "SPARE_STEPS", {})
    prober, _ = make()
    stage = prober._stage()
    prober._step(stage, *LONG)  # makes the buffers of attention, which stay
    took = prober._step(stage, clips, seconds)
    cost = prober.cost
    predicted = cost.memory(clips, prober.places(clips, seconds))
    assert predicted == pytest.approx(max(took.peak_bytes, took.step_bytes), rel=0.15)
    assert (np.concatenate([cost.bytes, cost.computing]) >= 0).all()
    assert cost.margin >= 0


def state(prober: Prober[Any], model: torch.nn.Module) -> dict[str, Any]:
    """Everything of a training that steps could change."""
    return {
        "tensors": {name: one.clone() for name, one in model.state_dict(keep_vars=False).items()},
        "needs": {name: one.requires_grad for name, one in model.named_parameters()},
        "gradients": {name: one.grad for name, one in model.named_parameters()},
        "training": {name: one.training for name, one in model.named_modules()},
        "scale": prober._engine.state_dict(),
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
    prober, model = make()
    prober._stage()  # freezes what the stage does not train
    model.train(training)
    before = state(prober, model)
    assert prober.cost.step_s > 0
    assert_same(state(prober, model), before)


@pytest.mark.parametrize("ends", [ValueError("in a step"), KeyboardInterrupt()])
def test_and_after_an_error(monkeypatch: pytest.MonkeyPatch, ends: BaseException) -> None:
    prober, model = gpt(precision=Precision.HALF)
    before = state(prober, model)

    def spoil(stage: Any, *_: Any, **__: Any) -> Step:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(float("nan"))
        stage.players[0].optimizer.step()
        raise ends

    monkeypatch.setattr(prober, "_tried", spoil)
    with pytest.raises(type(ends)):
        assert prober.cost
    assert_same(state(prober, model), before)


def test_a_gradient_that_overflows_hides_no_optimiser() -> None:
    """At the loss scale of a training all trial steps overflowed, and none of them filled the optimisers."""
    prober, _ = gpt(precision=Precision.HALF)
    stage = prober._stage()
    room._fill_optimizers(stage)
    filled = room._held(stage)
    prober, _ = gpt(precision=Precision.HALF)
    assert prober._engine.state_dict()["scale"] == 2.0**16
    with prober._trying() as stage:
        assert prober._engine.state_dict()["scale"] == 1.0
        assert room._held(stage) == filled > 2.9 * sum(one.nbytes for one in stage.players[0].parameters)
    assert prober._engine.state_dict()["scale"] == 2.0**16


def test_checkpointing_costs_less_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resident, "begin", lambda **_: None)
    whole, _ = gpt()
    again, _ = gpt(checkpointing=True)
    places = whole.places(4, 54)
    assert again.cost.memory(4, places) < 0.6 * whole.cost.memory(4, places)


@pytest.mark.skipif(resident.begin() is None, reason="resident memory is counted on Linux only")
def test_what_no_tensor_holds_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    real, extra = Prober._step, 150 * 2**20

    def greedy(self: Prober[Any], *shape: Any, **more: Any) -> Step:
        workspace = np.ones(extra, np.uint8)
        took = real(self, *shape, **more)
        del workspace
        return took

    modest, _ = gpt()
    needed = modest.cost.memory(1, 0)
    monkeypatch.setattr(Prober, "_step", greedy)
    prober, _ = gpt()
    assert prober.cost.memory(1, 0) - needed == pytest.approx(extra, rel=0.3)


def test_a_disturbed_trial_does_not_spoil_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    prober, _ = gpt()
    real = Prober._step

    def disturbed(self: Prober[Any], stage: Any, clips: int, seconds: float, **more: Any) -> Step:
        late_s = 100.0 if (clips, seconds) == (1, 12.0) else 0.0
        took_s = 1.0 + self.places(clips, seconds) * 0.01 + late_s
        return replace(real(self, stage, clips, seconds, **more), seconds=took_s, step_s=1.0)

    monkeypatch.setattr(Prober, "_step", disturbed)
    places = prober.places(2, 54.0)
    assert prober.cost.time_s(2, places) == pytest.approx(1.0 + 0.01 * places)
    assert prober.cost.time_s(1, 0) == pytest.approx(1.0)


class Queue:
    """A device that does later what it is asked for: a clock that only goes on while somebody waits for it.

    Handing work over takes no time. What `waits` adds up is done when the device is waited for.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s, self.waits_s = 100.0, 0.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now_s)
        monkeypatch.setattr(room, "synchronize", lambda _: self.wait())

    def wait(self) -> None:
        self.now_s, self.waits_s = self.now_s + self.waits_s, 0.0


def test_the_clock_is_read_when_the_device_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Queue(monkeypatch)
    prober, _ = gpt()
    stage = prober._stage()
    real_losses, engine = stage.losses, prober._engine
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
    took = prober._step(stage, 1, 2.0)
    assert (took.seconds, took.step_s) == (3.25, 0.25)


@pytest.fixture
def like_a_gpu(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[int, float], float]:
    """A prober that takes the CPU for a GPU, and steps that take what a table says: no memory suffices for others."""
    table: dict[tuple[int, float], float] = {}

    def step(self: Prober[Any], stage: Any, clips: int, seconds: float, **more: Any) -> Step:
        if (clips, seconds) not in table:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return Step(int(table[clips, seconds]), 0, 0.1 * clips, 0.0)

    @contextmanager
    def trying(self: Prober[Any]) -> Iterator[Any]:
        yield self._stage()

    monkeypatch.setattr(Prober, "_step", step)
    monkeypatch.setattr(Prober, "_trying", trying)
    monkeypatch.setattr(Prober, "on_gpu", property(lambda _: True))
    monkeypatch.setattr(room, "free_bytes", lambda _: 10**9)
    monkeypatch.setattr(room, "SPARE_STEPS", {})
    monkeypatch.setattr(room, "_gradients", lambda _: 0)
    return table


def test_on_a_gpu_long_steps_are_tried_as_far_as_they_fit(like_a_gpu: dict[tuple[int, float], float]) -> None:
    like_a_gpu |= {(clips, seconds): 1e6 * (100 + 10 * clips + clips * seconds) for clips, seconds in (*SHORT, *GRID)}
    prober, _ = gpt()
    tried = prober.cost.tried
    assert [(shape, (*shape[:1], prober.places(*shape)) in tried) for shape in GRID] == [
        (shape, like_a_gpu[shape] < 9e8) for shape in GRID
    ]
    assert not prober.try_out(1, 40.0)  # known
    assert not prober.try_out(30, 80.0)  # too large


def test_a_step_that_does_not_fit_after_all_costs_all_that_is_free(
    like_a_gpu: dict[tuple[int, float], float],
) -> None:
    like_a_gpu |= {(clips, seconds): 1e6 * (100 + 10 * clips + clips * seconds) for clips, seconds in (*SHORT, *GRID)}
    prober, _ = gpt()
    places = prober.places(4, 54.0)
    assert prober.cost.memory(4, places) < 4e8
    assert prober.try_out(4, 54.0)
    assert prober.cost.memory(4, places) >= 1e9
    like_a_gpu.clear()
    with pytest.raises(ResourceError, match="out of memory while a short step was tried"):
        assert gpt()[0].cost


def test_on_a_cpu_quick_steps_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    prober, _ = gpt()
    assert prober.try_out(3, 4.0)
    assert (3, prober.places(3, 4.0)) in prober.cost.tried
    monkeypatch.setattr(room, "AFFORDABLE_S", 0.0)
    assert not prober.try_out(3, 5.0)


@pytest.mark.gpu
@pytest.mark.parametrize("make", [gpt, sovits])
def test_a_gpu_takes_what_it_was_told_to(make: Callable[..., Made]) -> None:
    """Shapes that were tried and shapes that were not; the loss scale is a real one."""
    prober, model = make(precision=Precision.HALF, device=torch.device("cuda", 0))
    prober._stage()
    model.train()
    before = state(prober, model), torch.cuda.get_rng_state()
    cost = prober.cost
    assert_same((state(prober, model), torch.cuda.get_rng_state()), before)
    with prober._trying() as stage:
        for clips, seconds in ((1, 20.0), (8, 20.0), (4, 30.0)):
            took = prober._step(stage, clips, seconds)
            predicted = cost.memory(clips, prober.places(clips, seconds))
            assert 1.0 <= predicted / max(took.peak_bytes, took.step_bytes) <= 1.1
            took_s = min(prober._step(stage, clips, seconds).seconds for _ in range(3))
            assert cost.time_s(clips, prober.places(clips, seconds)) == pytest.approx(took_s, rel=0.5)


def test_a_length_is_made_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan asks for the longest clip of each of thousands of batches."""
    prober, _ = gpt()
    made: list[float] = []
    batch = prober._batch
    monkeypatch.setattr(prober, "_batch", lambda clips, seconds: made.append(seconds) or batch(clips, seconds))
    found = {prober.places(clips, seconds) / clips for clips in (1, 8) for seconds in (11.97, 11.99, 12.0)}
    assert (len(found), made) == (1, [12.0])
    assert prober.places(1, 12.01) > found.pop()
