"""What a training step costs in memory and time, found by a few short steps of the very networks, and what fits.

No memory on the training path grows with the square of a length, so a step costs a fixed amount, so much for every
clip, so much for every place (token or frame) and for those of the longest clip; short steps show all four. The
networks are left as they were.

Legend: B batch.
"""

from __future__ import annotations

import gc
import math
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

import numpy as np
import psutil
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sovits_cli.data.collate import GptBatch, GptItem, SovitsBatch, SovitsItem, collate_gpt, collate_sovits
from sovits_cli.errors import ResourceError
from sovits_cli.events import Chose, Reporter
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.terms import SEMANTIC_RATE_HZ
from sovits_cli.training import resident
from sovits_cli.training.engine import Engine
from sovits_cli.training.stages import Batch, TrainingStage

Item = TypeVar("Item", bound=Batch)

PHONES_PER_S = 12
"""Of the made-up clips that are tried: quick speech."""

TRIALS = ((1, 6.0), (1, 12.0), (2, 6.0), (2, 12.0))
"""Clips and seconds of the steps that are tried: longer than a block of attention."""

FIRST = (1, 2.0)
"""Of a step before them, which fills the optimisers."""

HOLES = {"cpu": 1.05}
"""What the tensors of a step take of the memory of a device, over what they hold: long ones leave holes in the heap.
Measured with `tests.benchmarks.train_memory`."""

SPARE = 0.9
"""Share of the free memory that a plan fills."""

MOST_CLIPS = 32
"""`auto` takes no larger batch: it would not train better."""

LENGTHS_S = (10, 20, 30, 40, 54, 80)
SIZES = (1, 2, 4, 8, 16, 32)
"""Of the table of what fits."""


@dataclass(frozen=True)
class Cost:
    """What a step takes.

    Args:
        bytes: fixed, for each clip, for each place, for each of the longest clip.
        step_bytes, step_s: what the optimisers take, whatever the batch.
        place_s: seconds for each place, all else included.
    """

    bytes: np.ndarray
    step_bytes: float
    step_s: float
    place_s: float

    def memory(self, clips: int, places: int) -> float:
        """Peak bytes of a step."""
        return max(float(self.bytes @ _terms(clips, places)), self.step_bytes)

    def time_s(self, places: int) -> float:
        """Seconds of a step."""
        return self.step_s + self.place_s * places


class Prober(Generic[Item]):
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

    @cached_property
    def cost(self) -> Cost:
        """Of one step."""
        devices = [self._engine.device] if self._engine.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            stage = self._stage()
            stage.train()
            unseen = self._unseen(stage)
            trials = [self._step(stage, *trial, hold=True) for trial in TRIALS]
            spared = _gradients(stage.players[-1].parameters)
            for player in stage.players:
                player.optimizer.zero_grad(set_to_none=True)
        gc.collect()
        self._engine.free_cache()
        rows = np.array([_terms(clips, self.places(clips, seconds)) for clips, seconds in TRIALS])
        peaks, step_peaks, times_s, steps_s = np.array(trials).T
        holes = HOLES.get(self._engine.device.type, 1.0)
        return Cost(
            bytes=holes * np.linalg.solve(rows, peaks - spared) + [unseen, 0, 0, 0],
            step_bytes=holes * float(step_peaks.max()) + unseen,
            step_s=float(np.median(steps_s)),
            place_s=float(np.median((times_s - steps_s) / rows[:, 2])),  # other work may disturb one of them
        )

    def places(self, clips: int, seconds: float) -> int:
        """Of such a batch."""
        return self._batch(1, seconds).places * clips

    def _unseen(self, stage: TrainingStage[Item]) -> float:
        """Bytes of a step that no tensor holds: workspaces of kernels, the heap's own. Fills the optimisers.

        Zero where the allocator of a device counts them, or nobody does.
        """
        held = _held(stage)
        before = resident.begin() if self._engine.device.type == "cpu" else None
        self._step(stage, *FIRST)
        living = max(self._step(stage, *TRIALS[1])[:2])
        most = resident.peak()
        if before is None or most is None:
            return 0.0
        return max(0.0, most - before - (living - held))

    def _step(
        self, stage: TrainingStage[Item], clips: int, seconds: float, *, hold: bool = False
    ) -> tuple[float, float, float, float]:
        """Peak bytes of the gradients and of the optimisers, seconds of the step and of the optimisers.

        A short step costs most at its end, when all gradients are there, and a long one before the first of them,
        when all is kept that they are made from. `hold` makes room for gradients beforehand: then that second place
        is the peak of short steps too, higher by the room.
        """
        batch = self._batch(clips, seconds).to(self._engine.device)
        for player in stage.players:
            player.set_rate(0, 0)
            player.optimizer.zero_grad(set_to_none=True)
        room = 0
        if hold:
            for parameter in (one for player in stage.players for one in player.parameters):
                parameter.grad = torch.zeros_like(parameter)
            room = sum(_gradients(player.parameters) for player in stage.players)
        with Watch(self._engine.device, _held(stage) + room) as watch:
            began = time.perf_counter()
            with self._engine.autocast():
                losses = stage.losses(stage.drawn(batch))
            last = len(stage.players) - 1
            for index, player in enumerate(stage.players):
                self._engine.backward(losses.totals[player.name], player.parameters, keep_graph=index < last)
            del losses
            computed, gradients_bytes = time.perf_counter(), watch.lap()
            for player in stage.players:
                self._engine.clip(player.module, player.optimizer, 1.0)
                self._engine.step(player.optimizer)
            self._engine.finish_step()
            ended = time.perf_counter()
            return gradients_bytes, watch.lap(), ended - began, ended - computed


class Watch:
    """Peak memory of what happens inside: by the allocator of a GPU, elsewhere by counting the tensors that live."""

    def __init__(self, device: torch.device, held_bytes: int) -> None:
        self._gpu = device if device.type == "cuda" else None
        self._held = held_bytes
        self._counting = _Living()

    def __enter__(self) -> Watch:
        if self._gpu is None:
            self._counting.__enter__()  # type: ignore[no-untyped-call]
        else:
            self.lap()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._gpu is None:
            self._counting.__exit__(*error)  # type: ignore[no-untyped-call]

    def lap(self) -> int:
        """Peak bytes since the last call."""
        if self._gpu is None:
            peak, self._counting.peak = self._counting.peak, self._counting.now
            return self._held + peak
        torch.cuda.synchronize(self._gpu)
        peak = torch.cuda.max_memory_allocated(self._gpu)
        resident.begin_gpu(self._gpu)
        return peak


class _Living(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors made inside that are still there."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = {_place(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor) and _place(leaf) not in before:
                self._count(leaf.untyped_storage())
        return out

    def _count(self, storage: Any) -> None:
        if storage in self._known:
            return
        self._known.add(storage)
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._gone, size)

    def _gone(self, size: int) -> None:
        self.now -= size


@dataclass(frozen=True)
class StagePlan:
    """What a stage would cost.

    Args:
        stage: which.
        device, precision: of the steps that were tried.
        batches: of an epoch.
        longest_s: longest clip.
        peak_bytes: of the costliest batch of this dataset; what the program itself needs comes on top.
        free_bytes: of the device, or what was asked for.
        epoch_s: seconds of an epoch on this device.
        fits: longest clip in seconds -> clips in a batch -> bytes.
    """

    stage: str
    device: str
    precision: str
    batches: int
    longest_s: float
    peak_bytes: float
    free_bytes: float
    epoch_s: float
    fits: Mapping[int, Mapping[int, float]]


def plan_stage(
    prober: Prober[Any],
    batches: Sequence[Sequence[int]],
    lengths_s: Sequence[float],
    accumulation: int,
    budget_bytes: int | None,
) -> StagePlan:
    """What an epoch of these batches costs, and which other batches fit.

    Args:
        batches: item numbers.
        lengths_s: of the items.
        accumulation: batches of one update.
    """
    sizes = [(len(batch), prober.places(len(batch), max(lengths_s[item] for item in batch))) for batch in batches]
    updates = math.ceil(len(batches) / accumulation)
    return StagePlan(
        stage=prober.name,
        device=str(prober.device),
        precision=prober.precision,
        batches=len(batches),
        longest_s=max(lengths_s),
        peak_bytes=max(prober.cost.memory(*size) for size in sizes),
        free_bytes=budget_bytes or free_bytes(prober.device),
        epoch_s=sum(prober.cost.time_s(places) for _, places in sizes) - (len(batches) - updates) * prober.cost.step_s,
        fits={
            seconds: {clips: prober.cost.memory(clips, prober.places(clips, seconds)) for clips in SIZES}
            for seconds in LENGTHS_S
        },
    )


def batch_size(
    wanted: int | str, prober: Prober[Any], lengths_s: Sequence[float], budget_bytes: int | None, reporter: Reporter
) -> int:
    """The batch size that was asked for; for `auto` the largest whose longest clips fit.

    Raises:
        ResourceError: not even one of the longest clips fits.
    """
    if isinstance(wanted, int):
        return wanted
    free = budget_bytes or free_bytes(prober.device)
    found = fitting(prober, max(lengths_s), free)
    if not found:
        needed = prober.cost.memory(1, prober.places(1, max(lengths_s)))
        raise ResourceError(
            f"one clip of {max(lengths_s):.0f} s needs {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free",
            hint="sovits train --checkpointing, or a lower --max-sec; --dry-run shows what fits",
        )
    size = min(found, MOST_CLIPS)
    reporter.emit(Chose("batch size", str(size), f"clips of {max(lengths_s):.0f} s fit {free / 1e9:.1f} GB"))
    return size


def fitting(prober: Prober[Any], seconds: float, free: float) -> int:
    """How many clips of so many seconds fit in a step; 0 if not even one does."""
    cost = prober.cost
    one, two = (cost.memory(clips, prober.places(clips, seconds)) for clips in (1, 2))
    if one > SPARE * free:
        return 0
    return 1 + int((SPARE * free - one) / max(two - one, 1.0))


def free_bytes(device: torch.device) -> int:
    """Memory that is free now, what this program already holds of a GPU included."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0]) + torch.cuda.memory_reserved(device)
    return int(psutil.virtual_memory().available)


def gpt_batch(config: T2SConfig, clips: int, seconds: float) -> GptBatch:
    """Made-up clips for the GPT stage."""
    phones, codes = int(seconds * PHONES_PER_S), int(seconds * SEMANTIC_RATE_HZ)
    bert = torch.zeros(config.bert_dim, phones) if config.bert_dim else None
    item = GptItem("", torch.arange(phones) % config.phones, torch.arange(codes) % config.eos, bert)
    return collate_gpt([item] * clips, pad_code=config.eos, bert_dim=config.bert_dim)


def sovits_batch(config: SovitsConfig, clips: int, seconds: float) -> SovitsBatch:
    """Made-up clips for the SoVITS stage: noise."""
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


def _held(stage: TrainingStage[Any]) -> int:
    """Bytes of networks and optimisers."""
    tensors = [one for module in stage.modules().values() for one in module.state_dict().values()]
    for player in stage.players:
        for state in player.optimizer.state.values():
            tensors += [one for one in state.values() if isinstance(one, Tensor)]
    return sum(one.nbytes for one in tensors)


def _gradients(parameters: Sequence[Tensor]) -> int:
    """Bytes of the gradients of parameters."""
    return sum(one.nbytes for one in parameters)


def _place(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _terms(clips: int, places: int) -> np.ndarray:
    """What a cost depends on; clips of one batch are about equally long."""
    return np.array([1.0, clips, places, places / clips])
