"""Finds what a training step costs, by a few steps of the very networks; everything is left as it was.

    preserve networks, generators, modes ── a loss scale of 1 ── a stage with a rate of 0
        fill the optimisers · warm up · LONG_SHAPE on a CPU · SHORT_SHAPES · GPU_SHAPES as far as they fit
            each: forward, backward ── peak ── optimisers ── peak         bytes and seconds of one `ProfiledStep`
    restore; fit a `StepCost` to all of them

Legend: B batch.
"""

from __future__ import annotations

import gc
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, NoReturn, TypeVar

import torch
from torch import Tensor

from sovits_cli import memory
from sovits_cli.data.batching import GptBatch, GptItem, SovitsBatch, SovitsItem, collate_gpt, collate_sovits
from sovits_cli.errors import ResourceError, out_of_memory
from sovits_cli.memory import free_bytes
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.terms import SEMANTIC_RATE_HZ
from sovits_cli.training import step_cost
from sovits_cli.training.engine import Engine
from sovits_cli.training.peak_memory import PeakMemoryMeter, everything_restored, synchronize
from sovits_cli.training.stages.base import Batch, TrainingStage
from sovits_cli.training.step_cost import ProfiledStep, StepCost

Item = TypeVar("Item", bound=Batch)

PHONES_PER_S = 12
"""Of the made-up clips that are tried: quick speech."""

WARM_UP_SHAPE = (1, 2.0)
"""Clips and seconds of a step before all others, which wakes kernels up."""

SHORT_SHAPES = ((1, 6.0), (1, 12.0), (2, 6.0), (2, 12.0))
"""Clips and seconds of the steps that are tried: longer than a block of attention."""

LONG_SHAPE = (1, 54.0)
"""Another one on a CPU, before them, which shows how memory and time grow with a length: the longest clip of the
default settings."""

GPU_SHAPES = tuple(
    sorted([*itertools.product((1, 8), (10.0, 20.0, 40.0, 54.0, 80.0)), (32, 10.0)], key=lambda one: one[0] * one[1])
)
"""Others on a GPU, where steps are quick, as far as they fit: the workspaces of its convolutions are chosen by shape,
so that short steps say little of long ones."""

QUICK_STEP_S = 2.0
"""A step that takes less is done twice more, unwatched, a longer one once; the shortest time counts."""

MAX_TRIAL_S = 10.0
"""A step that is expected to take more on a CPU is not tried to make sure."""

HEAP_FRAGMENTATION = {"cpu": 1.1, "cuda": 1.03}
"""What steps of the same shape take at most, over what one of them took: holes in the heap of a CPU and workspaces of a
GPU differ from step to step. Measured with `tests.benchmarks.train_memory`."""

USABLE_SHARE = 0.9
"""Share of the free memory that a step may fill."""


class MemoryProfiler(Generic[Item]):
    """Finds what a step costs.

    Args:
        stage: makes the stage anew, with a learning rate of 0.
        engine: device and precision.
        batch: makes up a batch of so many clips of so many seconds.
    """

    def __init__(
        self, stage: Callable[[], TrainingStage[Item]], engine: Engine, batch: Callable[[int, float], Item]
    ) -> None:
        self._stage, self._engine, self._batch = stage, engine, batch
        self._positions: dict[int, int] = {}
        """Of one clip, by its tokens."""
        self._steps: list[ProfiledStep] = []
        self._began_bytes: tuple[int | None, int] | None = None
        """Resident before the first step, if anybody counts, and of it in tensors."""
        self._min_bytes = 0.0
        """What any step takes, however short: at its end, while the optimisers step."""
        self._cost: StepCost | None = None

    @property
    def device(self) -> torch.device:
        """Where steps are tried."""
        return self._engine.device

    @property
    def precision(self) -> str:
        """In which number format."""
        return self._engine.precision.value

    @cached_property
    def name(self) -> str:
        """Of the stage."""
        return self._stage().stage.value

    @property
    def on_gpu(self) -> bool:
        """Whether steps are quick, and workspaces chosen by their shape."""
        return self.device.type == "cuda"

    @property
    def cost(self) -> StepCost:
        """Of one step, by all that have been tried."""
        if self._cost is None:
            if not self._steps:
                self._profile_all()
            self._cost = self._fitted()
        return self._cost

    def positions(self, clips: int, seconds: float) -> int:
        """Of such a batch; a length counts as whole tokens, and is made up once."""
        tokens = math.ceil(round(seconds * SEMANTIC_RATE_HZ, 6))
        if tokens not in self._positions:
            self._positions[tokens] = self._batch(1, tokens / SEMANTIC_RATE_HZ).positions
        return self._positions[tokens] * clips

    def try_step(self, clips: int, seconds: float) -> bool:
        """Measure one step more, if it is expected to fit, and to be quick.

        One that does not fit after all costs all that was free. False if it was not tried.
        """
        shape, known = (clips, self.positions(clips, seconds)), self.cost
        free = free_bytes(self.device)
        slow = not self.on_gpu and known.time_s(*shape) > MAX_TRIAL_S
        if slow or shape in known.tried or known.memory(*shape) > USABLE_SHARE * free:
            return False
        with self._profiling() as stage:
            found = self._profile(stage, clips, seconds)
        self._steps.append(found or ProfiledStep(*shape, free, known.step_bytes, known.time_s(*shape), known.step_s))
        self._cost = None
        return True

    def _profile_all(self) -> None:
        """The steps that every prediction is made from."""
        with self._profiling() as stage:
            shapes = SHORT_SHAPES if self.on_gpu else (LONG_SHAPE, *SHORT_SHAPES)
            self._steps = [self._profile(stage, *shape, hold=True) or self._out_of_memory() for shape in shapes]
            if not self.on_gpu:
                return
            free = free_bytes(self.device)
            for clips, seconds in GPU_SHAPES:
                if self._fitted().memory(clips, self.positions(clips, seconds)) > USABLE_SHARE * free:
                    return
                found = self._profile(stage, clips, seconds)
                if found is None:
                    return
                self._steps.append(found)

    def _fitted(self) -> StepCost:
        fragmentation = HEAP_FRAGMENTATION.get(self.device.type, 1.0)
        return step_cost.fit(self._steps, fragmentation=fragmentation, starts=self.on_gpu)

    def _out_of_memory(self) -> NoReturn:
        raise ResourceError(
            f"{self.name}: out of memory while a short step was tried, to see what it takes",
            code="train.profile_out_of_memory",
        )

    @contextmanager
    def _profiling(self) -> Iterator[TrainingStage[Item]]:
        """A stage to try steps with. What they change is put back, and the memory given back."""
        stage = self._stage()
        with (
            everything_restored([optimized.module for optimized in stage.optimized_modules]),
            self._engine.trial_scale(),
        ):
            stage.train()
            if self._began_bytes is None:
                self._began_bytes = (
                    (memory.reset_peak_rss() if self.device.type == "cpu" else None),
                    _state_bytes(stage),
                )
            _fill_optimizers(stage)
            first = max(self._step(stage, *WARM_UP_SHAPE).step_bytes for _ in range(2))
            self._min_bytes = self._min_bytes or first
            yield stage
            for optimized in stage.optimized_modules:
                optimized.optimizer.zero_grad(set_to_none=True)
        del stage
        gc.collect()
        self._engine.free_cache()

    def _profile(
        self, stage: TrainingStage[Item], clips: int, seconds: float, *, hold: bool = False
    ) -> ProfiledStep | None:
        """One step, measured; None if the memory does not suffice.

        A short step costs most at its end, when all gradients are there, and a long one before the first of them,
        when all is kept that they are made from. `hold` makes room for gradients beforehand: then that second position
        is the peak of short steps too, higher by the room of those that come last.
        """
        # Of the last module, whose gradients come last: the others' are there at the true peak as well.
        spared = _gradient_bytes(stage.optimized_modules[-1].parameters) if hold else 0
        if self.device.type == "cpu":
            memory.reset_peak_rss()  # what other steps left
        try:
            watched = self._step(stage, clips, seconds, hold=hold)
            again = (
                2 if self.on_gpu or watched.seconds < QUICK_STEP_S else 1
            )  # holes that a step leaves cost the next one
            timed = [self._step(stage, clips, seconds, hold=hold, watch=False) for _ in range(again)]
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            self._engine.free_cache()
            return None
        return ProfiledStep(
            clips,
            self.positions(clips, seconds),
            max(one.peak_bytes for one in (watched, *timed)) - spared,
            max(watched.step_bytes, self._min_bytes),
            min(one.seconds for one in timed),
            min(one.step_s for one in timed),
        )

    def _resident_bytes(self, counted: int) -> int:
        """Peak bytes of a step where resident memory is counted: tensors, workspaces of kernels, holes of the heap.

        Elsewhere those that were counted.
        """
        before, held = self._began_bytes or (None, 0)
        most = memory.peak_rss()
        return counted if before is None or most is None else max(counted, most - before + held)

    def _step(
        self, stage: TrainingStage[Item], clips: int, seconds: float, *, hold: bool = False, watch: bool = True
    ) -> StepReading:
        """Do one step. The clock is read when the device has done what it was asked for, and not before."""
        batch = self._batch(clips, seconds).to(self.device)
        for optimized in stage.optimized_modules:
            optimized.set_learning_rate(0, 0)
            optimized.optimizer.zero_grad(set_to_none=True)
        room = 0
        if hold:
            for parameter in (one for optimized in stage.optimized_modules for one in optimized.parameters):
                parameter.grad = torch.empty_like(parameter).zero_()  # written, and with that resident
            room = sum(_gradient_bytes(optimized.parameters) for optimized in stage.optimized_modules)
        if self.device.type == "cpu":
            memory.reset_peak_rss(trim=False)
        # Counted from here: what the batch and the room take is not the step's.
        with PeakMemoryMeter(self.device, _state_bytes(stage) + room, counting=watch) as watched:
            began_s = self._clock_s()
            self._engine.forward_backward(stage, stage.sample_noise(batch))
            computed_s, peak_bytes = self._clock_s(), self._resident_bytes(watched.lap())
            # Until here the activations count, from here on the optimisers' temporaries.
            for optimized in stage.optimized_modules:
                self._engine.clip(optimized.module, optimized.optimizer, 1.0)
                self._engine.step(optimized.optimizer)
            self._engine.finish_step()
            ended_s = self._clock_s()
            step_bytes = self._resident_bytes(watched.lap()) if (clips, seconds) == WARM_UP_SHAPE else watched.lap()
            return StepReading(peak_bytes, step_bytes, ended_s - began_s, ended_s - computed_s)

    def _clock_s(self) -> float:
        """Seconds of a clock, once the device is done."""
        synchronize(self.device)
        return time.perf_counter()


@dataclass(frozen=True)
class StepReading:
    """Peak bytes up to the gradients and of the optimisers; seconds of the step, and those of the optimisers in it."""

    peak_bytes: int
    step_bytes: int
    seconds: float
    step_s: float


def synthetic_gpt_batch(config: T2SConfig, clips: int, seconds: float) -> GptBatch:
    """Clips for the GPT stage with made-up contents: only their shapes matter."""
    phones, codes = int(seconds * PHONES_PER_S), int(seconds * SEMANTIC_RATE_HZ)
    bert = torch.zeros(config.bert_dim, phones) if config.bert_dim else None
    item = GptItem("", torch.arange(phones) % config.phones, torch.arange(codes) % config.eos, bert)
    return collate_gpt([item] * clips, pad_token=config.eos, bert_dim=config.bert_dim)


def synthetic_sovits_batch(config: SovitsConfig, clips: int, seconds: float) -> SovitsBatch:
    """Clips of noise for the SoVITS stage."""
    spec = config.spec
    frames = max(int(seconds * spec.sample_rate) // spec.hop, config.segment_frames + 1)
    draw = torch.Generator().manual_seed(0)
    item = SovitsItem(
        "",
        torch.randn(config.content_channels, frames, generator=draw),
        torch.rand(spec.bins, frames, generator=draw),
        torch.rand(frames * spec.hop, generator=draw) - 0.5,
        torch.arange(int(seconds * PHONES_PER_S)) % config.phones,
        torch.zeros(config.speaker_channels) if config.speaker_channels else None,
    )
    return collate_sovits([item] * clips)


def _fill_optimizers(stage: TrainingStage[Any]) -> None:
    """Make the optimisers allocate what they keep: a step that overflows would leave that to a later one."""
    for optimized in stage.optimized_modules:
        optimized.set_learning_rate(0, 0)
        for parameter in optimized.parameters:
            parameter.grad = torch.zeros_like(parameter)
        optimized.optimizer.step()
        optimized.optimizer.zero_grad(set_to_none=True)


def _state_bytes(stage: TrainingStage[Any]) -> int:
    """Bytes of networks and optimisers."""
    tensors = [one for module in stage.modules().values() for one in module.state_dict().values()]
    for optimized in stage.optimized_modules:
        for state in optimized.optimizer.state.values():
            tensors += [one for one in state.values() if isinstance(one, Tensor)]
    return sum(one.nbytes for one in tensors)


def _gradient_bytes(parameters: Sequence[Tensor]) -> int:
    """Bytes of the gradients of parameters."""
    return sum(one.nbytes for one in parameters)
