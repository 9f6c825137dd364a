"""The config of a training: steps, accumulation, validation, saving, resume, stopping.

Knows stages only as `stages.TrainingStage`, and no model, loss or file format. How one update is computed is in
`update.py`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from sovits_cli.data.prefetch import Prefetcher
from sovits_cli.errors import DatasetError, ModelError, ResourceError
from sovits_cli.events import Note, Progress, Reporter, Warned
from sovits_cli.memory import memory_gib
from sovits_cli.training.accumulation import GradientAccumulator, micro_batches
from sovits_cli.training.distributed import DistributedContext
from sovits_cli.training.engine import Engine
from sovits_cli.training.metrics import MetricsLogger, WeightedMeans
from sovits_cli.training.stages.base import Batch, ExportTag, TrainingStage
from sovits_cli.training.state import Position, StateFolder, TrainingState, capture_rng, restore_rng, state_bytes
from sovits_cli.training.state_checks import check_fit
from sovits_cli.training.stop import StopRequest

Item = TypeVar("Item", bound=Batch)

MAX_SKIPPED_STEPS = 10
"""Updates in a row that may be left out because their gradients are no numbers."""

PROGRESS_EVERY_S = 0.2


@dataclass(frozen=True)
class TrainerConfig:
    """When a run ends, saves and speaks.

    Args:
        epochs: passes over the set; without effect if `max_steps` is given.
        max_steps: updates, over as many epochs as that takes.
        accumulation: batches per update; what is left at the end of an epoch makes a smaller update.
        clip_norm: largest gradient norm of a player; 0 leaves gradients alone.
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
    """Where batches come from: `plan(epoch)` gives lists of item numbers, `feed` turns them into batches.

    `limit_s(epoch)` is the longest clip of an epoch where that changes over the run; None where it does not.
    """

    plan: Callable[[int], list[list[int]]]
    feed: Prefetcher[Item]
    limit_s: Callable[[int], float | None] = lambda _: None


@dataclass(frozen=True)
class SaveEvent:
    """A save: its step, whether no earlier one did better on the held-out clips, and its weights if exported."""

    step: int
    best: bool
    exported: Path | None


@dataclass(frozen=True)
class StageResult:
    """How a run ended.

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


class Trainer(Generic[Item]):
    """One stage from wherever it is to its end.

    Args:
        stage: what is trained.
        engine: device and precision.
        config: when things happen.
        training: batches to learn from.
        held_out: batches to judge by, always the same; an empty plan for none.
        fingerprints: what a saved state must match.
        states: where states are kept.
        exports: folder of the exported weights.
        metrics_logger: made when the first step is known.
        stop: the wish to stop.
        reporter: hears progress.
        distributed: the processes that train together.
        saved: called after each save.
    """

    def __init__(
        self,
        stage: TrainingStage[Item],
        *,
        engine: Engine,
        config: TrainerConfig,
        training: BatchSource[Item],
        held_out: BatchSource[Item],
        fingerprints: Fingerprints,
        states: StateFolder,
        exports: Path,
        metrics_logger: Callable[[int], MetricsLogger],
        stop: StopRequest,
        reporter: Reporter,
        distributed: DistributedContext | None = None,
        saved: Callable[[SaveEvent], None] = lambda _: None,
    ) -> None:
        self._stage, self._engine, self._config = stage, engine, config
        self._distributed, self._saved = distributed or DistributedContext(), saved
        self._training, self._held_out = training, held_out
        self._fingerprints, self._states, self._exports = fingerprints, states, exports
        self._stop, self._reporter = stop, reporter
        self._at = Position()
        self._skipped = 0
        self._stopping = False
        self._exported: Path | None = None
        self._judged: float | None = None
        self._last: Mapping[str, float] = {}
        self._last_held_out: Mapping[str, float] = {}
        self._make_metrics = metrics_logger
        self._resume()
        self._saved_at = self._sat_down = self._drawn_at = time.monotonic()
        self._elapsed_before = self._at.elapsed_s

    def fit(self) -> StageResult:
        """Train to the end, or until asked to stop. The state is saved either way.

        Raises:
            ResourceError: no state can be written where they are kept; nothing was trained.
        """
        if self._at.finished and not self._more_to_do():
            self._reporter.emit(Note(f"{self._name}: finished already, after {self._at.step} steps"))
            return self._outcome()
        if self._distributed.is_main:
            optimizers = [optimized.optimizer for optimized in self._stage.optimized_modules]
            self._states.check(state_bytes(self._stage.modules(), optimizers))
        self._at.finished = False
        self._metrics = self._make_metrics(self._at.step)
        self._accumulator = GradientAccumulator(self._stage, self._engine, self._distributed, self._reporter)
        (self._stopping,) = self._distributed.all_reduce_any(self._stop.wanted)
        try:
            while self._more_to_do() and not self._stopping:
                self._epoch()
            if self._stopping:
                self._save_state()
            else:
                self._finish()
        finally:
            self._metrics.close()
        return self._outcome()

    @property
    def _name(self) -> str:
        return self._stage.stage.value

    # --- the config -----------------------------------------------------------------------------------------

    def _more_to_do(self) -> bool:
        if self._config.max_steps is not None:
            return self._at.step < self._config.max_steps
        return self._at.epoch < self._config.epochs

    @cached_property
    def _total(self) -> int:
        """Updates of the whole run."""
        if self._config.max_steps is not None:
            return self._config.max_steps
        return sum(math.ceil(len(self._training.plan(epoch)) / self._group) for epoch in range(self._config.epochs))

    @property
    def _group(self) -> int:
        """Batches of one update, over all processes."""
        return self._config.accumulation * self._distributed.world_size

    def _epoch(self) -> None:
        """The rest of the epoch in progress."""
        plan = self._training.plan(self._at.epoch)
        if not plan:
            raise DatasetError(f"{self._name}: the dataset gives no batch to train on")
        total = self._total
        self._stage.train()
        rest = plan[self._at.batch :]
        groups = [rest[start : start + self._group] for start in range(0, len(rest), self._group)]
        with closing(_read(groups, self._training.feed, self._distributed)) as read:
            for group, batches in read:
                self._one_update([batch for batch in batches if batch is not None])
                self._at.step += 1
                self._at.batch += len(group)
                self._metrics.count(sum(len(items) for items in group))
                self._after_update(total)
                if self._stopping or not self._more_to_do():
                    break
        if self._at.batch >= len(plan):
            self._end_epoch()

    def _end_epoch(self) -> None:
        limit_s = self._training.limit_s
        before_s = limit_s(self._at.epoch)
        self._at.epoch, self._at.batch = self._at.epoch + 1, 0
        if not self._more_to_do():
            return
        rises = limit_s(self._at.epoch) != before_s
        if rises or self._at.epoch % self._config.save_every_epochs == 0:
            self._save()
        if rises:
            judged = f", held-out loss {self._judged:.4g}" if self._judged is not None else ""
            self._reporter.emit(
                Note(
                    f"{self._name}: max_sec {before_s:g} -> {limit_s(self._at.epoch):g} at step {self._at.step}: "
                    f"up to here {memory_gib(self._engine.device):.2f} GiB{judged}"
                )
            )

    def _after_update(self, total: int) -> None:
        step = self._at.step
        if step % self._config.log_every_steps == 0:
            self._last = self._metrics.read(step, self._rates())
        now = time.monotonic()
        if now - self._drawn_at >= PROGRESS_EVERY_S or step == total:
            self._drawn_at = now
            self._reporter.emit(Progress(self._name, step, total, "steps", self._detail()))
        every = self._config.save_every_steps
        self._stopping, due = self._distributed.all_reduce_any(
            self._stop.wanted, now - self._saved_at >= self._config.save_every_s
        )
        if every and step % every == 0 and self._more_to_do():
            self._save()
        elif due and not self._stopping:
            self._save_state()

    def _finish(self) -> None:
        best = self._validate()
        try:
            self._export()
        except ModelError:  # weights that are NaN are no state either
            raise
        except Exception:
            self._save_state()
            raise
        self._at.finished = True
        self._save_state(must=True)
        self._tell_saved(best)

    # --- one update -------------------------------------------------------------------------------------------

    def _one_update(self, group: Sequence[Item]) -> None:
        """One step of every optimised module on the mean gradient of a few batches."""
        stage, engine = self._stage, self._engine
        for optimized in stage.optimized_modules:
            optimized.set_learning_rate(self._at.step, self._at.epoch)
        done = self._accumulator.accumulate(group, self._at.max_micro_batch_positions)
        if done is None:
            return
        self._at.max_micro_batch_positions = done.max_micro_batch_positions
        for values, share in done.readings:
            self._metrics.averages.add(values, share)
        norms = {
            optimized.name: engine.clip(optimized.module, optimized.optimizer, self._config.clip_norm)
            for optimized in stage.optimized_modules
        }
        if self._steppable(norms):
            for optimized in stage.optimized_modules:
                engine.step(optimized.optimizer)
        engine.finish_step()

    def _steppable(self, norms: Mapping[str, float]) -> bool:
        """Whether the gradients are numbers. A few updates may be left out; too many in a row end the run."""
        if all(math.isfinite(norm) for norm in norms.values()):
            self._skipped = 0
            self._metrics.averages.add({f"grad_norm/{name}": norm for name, norm in norms.items()})
            return True
        self._skipped += 1
        if self._skipped > MAX_SKIPPED_STEPS:
            raise ModelError(
                f"{self._name}: the loss is not a number for {self._skipped} updates in a row, at step {self._at.step}",
                hint="lower the learning rate (--set optimizer.lr=... or --set sovits.train.learning_rate=...), "
                "or use --precision 32",
            )
        if not self._engine.scales_loss:
            self._reporter.emit(Warned(f"{self._name}: step {self._at.step} left out, its gradients are no numbers"))
        return self._engine.scales_loss

    def _rates(self) -> dict[str, float]:
        at = self._at
        rates = [optimized.schedule.rate(max(at.step - 1, 0), at.epoch) for optimized in self._stage.optimized_modules]
        return {"lr": rates[0]}

    def _detail(self) -> str:
        shown = [f"{name} {self._last[name]:.3g}" for name in ("loss", "top3", "samples_per_s") if name in self._last]
        return " · ".join([f"epoch {self._at.epoch + 1}", *shown])

    # --- saving -----------------------------------------------------------------------------------------------

    def _save(self) -> None:
        """Validation, state and, where wanted, an export."""
        best = self._validate()
        self._save_state()
        self._exported = None
        if self._config.export_each_save:
            self._export()
        self._tell_saved(best)

    def _tell_saved(self, best: bool) -> None:
        """Let others look at what was saved, if this process writes; no random generator of the training moves."""
        if not self._distributed.is_main:
            return
        self._metrics.pause_timer()
        with self._aside():
            self._saved(SaveEvent(self._at.step, best, self._exported))
        self._stage.train()
        self._metrics.resume_timer()

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """What is drawn inside does not change the training."""
        devices = [self._engine.device] if self._engine.device.type == "cuda" else []
        with torch.random.fork_rng(devices), torch.no_grad():
            torch.manual_seed(0)
            yield

    def _save_state(self, *, must: bool = False) -> None:
        """Write the state. A full disk costs this state only, unless it is the last one (`must`)."""
        self._metrics.pause_timer()
        self._refuse_nan("no state was saved")
        self._at.elapsed_s = self._elapsed()
        generators = self._distributed.all_gather(capture_rng())
        try:
            if self._distributed.is_main:
                self._states.save(self._state(generators))
        except ResourceError as error:
            if must or self._stopping:
                raise
            self._reporter.emit(Warned(f"state of step {self._at.step} not saved: {error.message}", **error.advice))
        self._saved_at = time.monotonic()
        self._metrics.resume_timer()

    def _state(self, generators: Sequence[Mapping[str, Any]]) -> TrainingState:
        return TrainingState(
            stage=self._name,
            position=self._at,
            model=self._fingerprints.model,
            batches=self._fingerprints.batches,
            modules={name: module.state_dict() for name, module in self._stage.modules().items()},
            optimizers={
                optimized.name: optimized.optimizer.state_dict() for optimized in self._stage.optimized_modules
            },
            scaler=self._engine.state_dict(),
            rng=generators,
        )

    def _export(self) -> None:
        """Write the weights, unless one of them is no number."""
        if not self._distributed.is_main:
            return
        self._metrics.pause_timer()
        self._refuse_nan("nothing was exported")
        at = self._at
        mark = ExportTag(epoch=at.epoch + bool(at.batch), step=at.step, epoch_done=not at.batch)
        self._exported = self._stage.export(self._exports, mark)
        self._metrics.resume_timer()

    def _refuse_nan(self, consequence: str) -> None:
        """Raise ModelError if a weight is NaN or infinite: from here on there is nothing to keep."""
        for name, module in self._stage.modules().items():
            for key, tensor in module.state_dict().items():
                if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
                    raise ModelError(
                        f"{self._name}: {name}.{key} holds values that are no numbers; {consequence}",
                        hint="lower the learning rate; the same command goes on from the last good state",
                    )

    def _validate(self) -> bool:
        """Publish the numbers of the held-out batches; gives whether they are the best so far."""
        plan = self._held_out.plan(0)
        if not plan or not self._distributed.is_main:
            return False
        self._metrics.pause_timer()
        means, measure = WeightedMeans(), self._stage.denominator_names[0]
        with self._aside(), self._engine.autocast():
            for batch in self._held_out.feed.run(plan):
                for part in micro_batches(batch, self._at.max_micro_batch_positions) if batch is not None else ():
                    values = self._stage.evaluate(part.to(self._engine.device, non_blocking=True))
                    means.add(values, self._stage.denominators(part)[measure])
        self._stage.train()
        numbers = means.read()
        self._last_held_out = {f"held_out/{name}": value for name, value in numbers.items()}
        self._metrics.publish(self._at.step, self._last_held_out)
        self._metrics.resume_timer()
        self._judged = numbers.get("loss")
        if self._judged is None or not math.isfinite(self._judged):
            return False
        if self._at.best is not None and self._judged >= self._at.best:
            return False
        self._at.best, self._at.best_step = self._judged, self._at.step
        return True

    # --- resume -----------------------------------------------------------------------------------------------

    def _resume(self) -> None:
        """Take up the newest state, if there is one."""
        state = self._states.newest(self._reporter, self._check_fit)
        if state is None:
            return
        if state.model != self._fingerprints.model:
            raise ModelError(
                f"{self._name}: this run was begun with another model or recipe",
                hint="sovits train --name OTHER keeps both; --restart begins this one anew",
            )
        for name, module in self._stage.modules().items():
            module.load_state_dict(state.modules[name])
        for optimized in self._stage.optimized_modules:
            optimized.load_state_dict(state.optimizers[optimized.name])
        self._engine.load_state_dict(dict(state.scaler))
        if self._distributed.rank < len(state.rng):
            restore_rng(state.rng[self._distributed.rank])
        self._at = state.position
        if state.batches != self._fingerprints.batches and self._at.batch:
            self._at.batch = 0
            self._reporter.emit(
                Note(f"{self._name}: dataset or batch size changed, epoch {self._at.epoch + 1} restarts")
            )
        if not self._at.finished:
            at = self._at
            self._reporter.emit(Note(f"{self._name}: going on from step {at.step} (epoch {at.epoch + 1})"))

    def _check_fit(self, state: TrainingState) -> None:
        """Raise WrongStateError for a state that says it is of this network and is not."""
        if state.model == self._fingerprints.model:
            optimizers = {optimized.name: optimized.optimizer for optimized in self._stage.optimized_modules}
            check_fit(self._stage.modules(), optimizers, state.modules, state.optimizers)

    def _elapsed(self) -> float:
        return self._elapsed_before + time.monotonic() - self._sat_down

    def _outcome(self) -> StageResult:
        at, numbers = self._at, {**self._last, **self._last_held_out}
        return StageResult(at.step, at.epoch + bool(at.batch), self._elapsed(), at.finished, self._exported, numbers)


def _read(
    groups: Sequence[list[list[int]]], feed: Prefetcher[Item], distributed: DistributedContext
) -> Generator[tuple[list[list[int]], list[Item | None]]]:
    """The batches of each update: which items they are in all processes, and those of this one."""
    mine = [group[distributed.rank :: distributed.world_size] for group in groups]
    with closing(feed.run([items for group in mine for items in group])) as batches:
        for group, own in zip(groups, mine, strict=True):
            yield group, list(islice(batches, len(own)))
