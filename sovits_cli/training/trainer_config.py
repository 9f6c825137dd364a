"""What a trainer is given, and what it gives back: its configuration, inputs and result. Data only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from sovits_cli.data.prefetch import Prefetcher
from sovits_cli.events import Reporter
from sovits_cli.training.distributed import SINGLE_PROCESS, DistributedContext
from sovits_cli.training.engine import Engine
from sovits_cli.training.metrics import MetricsLogger
from sovits_cli.training.stages.base import Batch, TrainingStage
from sovits_cli.training.state import StateFolder

Item = TypeVar("Item", bound=Batch)


class StopRequest:
    """A flag that asks a training to end: the update in progress is finished and the state saved."""

    def __init__(self) -> None:
        self.wanted = False


@dataclass(frozen=True)
class TrainerConfig:
    """When a run ends, saves, logs and exports.

    Args:
        epochs: passes over the set; without effect if `max_steps` is given.
        max_steps: updates, over as many epochs as that takes.
        accumulation: batches per update; what is left at the end of an epoch makes a smaller update.
        clip_norm: largest gradient norm of an optimised module; 0 leaves gradients alone.
        save_every_epochs, save_every_steps: state and export.
        save_every_s: state only.
        log_every_steps: updates averaged into one reading.
        export_each_save: False exports at the end only.
    """

    epochs: int
    max_steps: int | None
    accumulation: int
    clip_norm: float
    save_every_epochs: int
    save_every_steps: int | None
    save_every_s: float
    log_every_steps: int
    export_each_save: bool


@dataclass(frozen=True)
class Fingerprints:
    """What a saved state belongs to: the network, and the order of batches."""

    model: str
    batches: str


@dataclass(frozen=True)
class BatchSource(Generic[Item]):
    """Where batches come from: `plan(epoch)` gives lists of item numbers, `prefetcher` turns them into batches.

    `limit_s(epoch)` is the longest clip of an epoch where that changes over the run; None where it does not.
    """

    plan: Callable[[int], list[list[int]]]
    prefetcher: Prefetcher[Item]
    limit_s: Callable[[int], float | None] = lambda _: None


@dataclass(frozen=True)
class SaveEvent:
    """A save: its step, whether no earlier one did better on the held-out clips, and its weights if exported."""

    step: int
    best: bool
    exported: Path | None


@dataclass(frozen=True)
class StageResult:
    """How a stage ended.

    Args:
        step, epoch: updates and (begun) epochs over all sittings.
        seconds: training time over all sittings.
        finished: False if it was asked to stop.
        exported: the last weights written, if any in this sitting.
        metrics: the last reading, and that of the held-out clips.
    """

    step: int
    epoch: int
    seconds: float
    finished: bool
    exported: Path | None
    metrics: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class TrainerInputs(Generic[Item]):
    """What a trainer works with.

    Args:
        stage, engine: what is trained, and where and in which precision.
        training: batches to learn from.
        held_out: batches to measure the loss on, always the same; an empty plan for none.
        fingerprints: what a saved state must match.
        states, exports: where states are kept, and the folder of exported weights.
        make_metrics: makes the logger when the first step is known.
        stop: asks the run to end.
        reporter: hears progress.
        distributed: the processes that train together.
        on_save: called after each save.
    """

    stage: TrainingStage[Item]
    engine: Engine
    training: BatchSource[Item]
    held_out: BatchSource[Item]
    fingerprints: Fingerprints
    states: StateFolder
    exports: Path
    make_metrics: Callable[[int], MetricsLogger]
    stop: StopRequest
    reporter: Reporter
    distributed: DistributedContext = SINGLE_PROCESS
    on_save: Callable[[SaveEvent], None] = lambda _: None
