"""What fits the memory, and what an epoch takes: the batch size of `auto`, and the plan of a dry run.

Both ask `StepCost` (the equations are in `step_cost.py`), which `MemoryProfiler` fits to steps of the very networks:

    memory(clips, positions) <= USABLE_SHARE · free           a batch fits
    epoch_s = sum over batches of time(clips, positions) - step_s · (batches - updates)

The costliest batch is tried in earnest where steps are quick, and what it showed is counted in.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sovits_cli.errors import ResourceError
from sovits_cli.events import Chose, Reporter
from sovits_cli.memory import free_bytes
from sovits_cli.training.memory_profiler import USABLE_SHARE, MemoryProfiler

MAX_AUTO_BATCH_SIZE = 32
"""`auto` takes no larger batch: it would not train better."""

LENGTHS_S = (10, 20, 30, 40, 54, 80)
SIZES = (1, 2, 4, 8, 16, 32)
"""Of the table of what fits."""


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
        margin: share by which these bytes are above what the steps took that were tried.
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
    margin: float = 0.0


def plan_stage(
    profiler: MemoryProfiler[Any],
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
    longest_s = [max(lengths_s[item] for item in batch) for batch in batches]
    sizes = [
        (len(batch), profiler.positions(len(batch), seconds)) for batch, seconds in zip(batches, longest_s, strict=True)
    ]
    cost = profiler.cost
    costliest = max(range(len(batches)), key=lambda index: cost.memory(*sizes[index]))
    if profiler.try_step(len(batches[costliest]), longest_s[costliest]):
        cost = profiler.cost
    updates = math.ceil(len(batches) / accumulation)
    return StagePlan(
        stage=profiler.name,
        device=str(profiler.device),
        precision=profiler.precision,
        batches=len(batches),
        longest_s=max(lengths_s),
        peak_bytes=max(cost.memory(*size) for size in sizes),
        free_bytes=budget_bytes or free_bytes(profiler.device),
        epoch_s=sum(cost.time_s(*size) for size in sizes) - (len(batches) - updates) * cost.step_s,
        fits={
            seconds: {clips: cost.memory(clips, profiler.positions(clips, seconds)) for clips in SIZES}
            for seconds in LENGTHS_S
        },
        margin=cost.margin,
    )


def choose_batch_size(
    wanted: int | str,
    profiler: MemoryProfiler[Any],
    lengths_s: Sequence[float],
    budget_bytes: int | None,
    reporter: Reporter,
) -> int:
    """The batch size that was asked for; for `auto` the largest whose longest clips fit.

    Args:
        wanted: clips in a batch, or "auto".
        profiler: finds what a step costs.
        lengths_s: of the clips of the stage.
        budget_bytes: memory to plan for; None is what the device has free.
        reporter: hears what `auto` chose.

    Raises:
        ResourceError: not even one of the longest clips fits.
    """
    if isinstance(wanted, int):
        return wanted
    free = budget_bytes or free_bytes(profiler.device)
    found = max_clips_that_fit(profiler, max(lengths_s), free)
    if not found:
        needed = profiler.cost.memory(1, profiler.positions(1, max(lengths_s)))
        raise ResourceError(
            f"one clip of {max(lengths_s):.0f} s needs {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free",
            code="train.clip_too_large",
        )
    reporter.emit(Chose("batch size", str(found), f"clips of {max(lengths_s):.0f} s fit {free / 1e9:.1f} GB"))
    return found


def max_clips_that_fit(profiler: MemoryProfiler[Any], seconds: float, free: float) -> int:
    """How many clips of so many seconds fit in a step, up to `MAX_AUTO_BATCH_SIZE`; 0 if not even one does.

    Where steps are quick the very step is tried, and what it showed is counted in, until the answer stays.
    """
    positions = profiler.positions(1, seconds)
    for _ in range(MAX_AUTO_BATCH_SIZE):
        cost = profiler.cost
        sizes = range(MAX_AUTO_BATCH_SIZE, 0, -1)
        found = next((clips for clips in sizes if cost.memory(clips, clips * positions) <= USABLE_SHARE * free), 0)
        if not found or not profiler.try_step(found, seconds):
            break
    return found
