"""The trainer: steps, accumulation, validation, saving, resume, stopping.

    fit ── resume from the newest state
     └─ epoch ── update ── accumulate gradients ── clip ── optimiser step ── log
         │         └─ by steps, by minutes, by epochs:  validate ── save state ── export weights ── on_save
         └─ … until the last step; then the last export, and the last state with `finished`

Order of a save. The held-out loss comes first, because the state remembers the best one; the state before the weights,
because weights without a state could not be trained on; the last state after the last export, because `finished` says
that both are there. Each file is written under another name and renamed, so that a kill at any moment leaves the old
one or the new one, and the next run goes on from the newest state that can be read (`state.py`).

Nothing that happens at a save moves the training: random numbers are put back (`preserve_rng`), modes are switched
back, and the clock of the metrics stands still. Knows stages only as `stages/base.py` has them, and no model, loss or
file format.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

from sovits_cli.data.prefetch import Prefetcher
from sovits_cli.errors import DatasetError, ModelError, ResourceError
from sovits_cli.events import Note, Progress, Warned
from sovits_cli.memory import memory_gib
from sovits_cli.training.accumulation import GradientAccumulator, micro_batches
from sovits_cli.training.distributed import DistributedContext
from sovits_cli.training.metrics import WeightedMeans
from sovits_cli.training.stages.base import Batch, ExportTag
from sovits_cli.training.state import (
    Position,
    TrainingState,
    capture_rng,
    preserve_rng,
    restore_rng,
    state_bytes,
)
from sovits_cli.training.state_checks import check_fit, first_not_finite
from sovits_cli.training.trainer_config import SaveEvent, StageResult, TrainerConfig, TrainerInputs

Item = TypeVar("Item", bound=Batch)

MAX_SKIPPED_STEPS = 10
"""Updates in a row that may be left out because their gradients are NaN."""

PROGRESS_EVERY_S = 0.2


class Trainer(Generic[Item]):
    """One stage from wherever it is to its end."""

    def __init__(self, inputs: TrainerInputs[Item], config: TrainerConfig) -> None:
        self._in, self._config = inputs, config
        self._stage, self._engine, self._reporter = inputs.stage, inputs.engine, inputs.reporter
        self._distributed = inputs.distributed
        self._accumulator = GradientAccumulator(self._stage, self._engine, self._distributed, self._reporter)
        self._position = Position()
        self._skipped_steps = 0
        self._stopping = False
        self._exported: Path | None = None
        self._held_out_loss: float | None = None
        self._last: Mapping[str, float] = {}
        self._last_held_out: Mapping[str, float] = {}
        self._resume()
        self._saved_at = self._began_at = self._progress_at = time.monotonic()
        self._elapsed_before = self._position.elapsed_s

    def fit(self) -> StageResult:
        """Train to the end, or until asked to stop. The state is saved either way.

        Raises:
            ResourceError: no state can be written where they are kept; nothing was trained.
        """
        # A finished run may be prolonged: more epochs or steps than before make it go on.
        if self._position.finished and not self._has_more():
            self._reporter.emit(Note(f"{self._name}: finished already, after {self._position.step} steps"))
            return self._result()
        # Hours of training must not end at a disk that was full from the beginning: the size of a state is known now.
        if self._distributed.is_main:
            optimizers = [optimized.optimizer for optimized in self._stage.optimized_modules]
            self._in.states.check(state_bytes(self._stage.modules(), optimizers))
        self._position.finished = False
        self._metrics = self._in.make_metrics(self._position.step)
        (self._stopping,) = self._distributed.all_reduce_any(self._in.stop.wanted)
        try:
            while self._has_more() and not self._stopping:
                self._epoch()
            if self._stopping:
                self._save_state()
            else:
                self._finish()
        finally:
            self._metrics.close()
        return self._result()

    @property
    def _name(self) -> str:
        return self._stage.stage.value

    # --- steps and epochs -----------------------------------------------------------------------------------------

    def _has_more(self) -> bool:
        if self._config.max_steps is not None:
            return self._position.step < self._config.max_steps
        return self._position.epoch < self._config.epochs

    @cached_property
    def _total(self) -> int:
        """Updates of the whole run."""
        if self._config.max_steps is not None:
            return self._config.max_steps
        plan = self._in.training.plan
        return sum(math.ceil(len(plan(epoch)) / self._batches_per_update) for epoch in range(self._config.epochs))

    @property
    def _batches_per_update(self) -> int:
        """Over all processes."""
        return self._config.accumulation * self._distributed.world_size

    def _epoch(self) -> None:
        """The rest of the epoch in progress."""
        plan = self._in.training.plan(self._position.epoch)
        if not plan:
            raise DatasetError(f"{self._name}: the dataset gives no batch to train on")
        self._stage.train()
        rest, size = plan[self._position.batch :], self._batches_per_update
        # The last group of an epoch may be smaller: no clip is left out, and none waits for the next epoch.
        groups = [rest[start : start + size] for start in range(0, len(rest), size)]
        with closing(_read_batches(groups, self._in.training.prefetcher, self._distributed)) as read:
            for group, batches in read:
                # A batch is None where none of its clips can be read any more; the others of the update go on.
                self._update([batch for batch in batches if batch is not None])
                self._position.step += 1
                self._position.batch += len(group)
                self._metrics.count_clips(sum(len(items) for items in group))
                self._after_update()
                if self._stopping or not self._has_more():
                    break
        if self._position.batch >= len(plan):
            self._end_epoch()

    def _end_epoch(self) -> None:
        at, limit_s = self._position, self._in.training.limit_s
        before_s = limit_s(at.epoch)
        at.epoch, at.batch = at.epoch + 1, 0
        if not self._has_more():
            return
        phase_ends = limit_s(at.epoch) != before_s
        # A phase of the curriculum that ends is saved: its loss tells whether the longer clips help.
        if phase_ends or at.epoch % self._config.save_every_epochs == 0:
            self._save()
        if phase_ends:
            loss = f", held-out loss {self._held_out_loss:.4g}" if self._held_out_loss is not None else ""
            limits = f"max_sec {before_s:g} -> {limit_s(at.epoch):g} at step {at.step}"
            memory = f"up to here {memory_gib(self._engine.device):.2f} GiB"
            self._reporter.emit(Note(f"{self._name}: {limits}: {memory}{loss}"))

    def _after_update(self) -> None:
        """Log, show, save: whatever is due after this step."""
        step, every = self._position.step, self._config.save_every_steps
        if step % self._config.log_every_steps == 0:
            self._last = self._metrics.log_means(step, self._learning_rate())
        now = time.monotonic()
        if now - self._progress_at >= PROGRESS_EVERY_S or step == self._total:
            self._progress_at = now
            self._reporter.emit(Progress(self._name, step, self._total, "steps", self._progress_text()))
        is_late = now - self._saved_at >= self._config.save_every_s
        # All processes decide alike, whoever of them heard the signal or looked at the clock.
        self._stopping, is_late = self._distributed.all_reduce_any(self._in.stop.wanted, is_late)
        # The last step is saved by `_finish`, with its export.
        if every and step % every == 0 and self._has_more():
            self._save()
        elif is_late and not self._stopping:
            self._save_state()

    def _update(self, batches: Sequence[Item]) -> None:
        """One step of every optimised module on the mean gradient of a few batches."""
        modules, engine = self._stage.optimized_modules, self._engine
        for optimized in modules:
            optimized.set_learning_rate(self._position.step, self._position.epoch)
        # Remembered in the position, so that a resumed run does not run out of memory once more.
        found = self._accumulator.accumulate(batches, self._position.max_micro_batch_positions)
        if found is None:
            return
        self._position.max_micro_batch_positions = found.max_micro_batch_positions
        for values, share in found.metrics:
            self._metrics.means.add(values, share)
        clip_norm = self._config.clip_norm
        # All norms are looked at before any optimiser steps: one side of a GAN never steps without the other.
        norms = {one.name: engine.clip(one.module, one.optimizer, clip_norm) for one in modules}
        if self._can_step(norms):
            for optimized in modules:
                engine.step(optimized.optimizer)
        engine.finish_step()

    def _can_step(self, norms: Mapping[str, float]) -> bool:
        """Whether the gradients are finite. A few updates may be left out; too many in a row end the run."""
        if all(math.isfinite(norm) for norm in norms.values()):
            self._skipped_steps = 0
            self._metrics.means.add({f"grad_norm/{name}": norm for name, norm in norms.items()})
            return True
        self._skipped_steps += 1
        at = f"at step {self._position.step}"
        if self._skipped_steps > MAX_SKIPPED_STEPS:
            text = f"{self._name}: the loss is NaN for {self._skipped_steps} updates in a row, {at}"
            raise ModelError(text, code="train.loss_is_nan")
        if not self._engine.scales_loss:
            self._reporter.emit(Warned(f"{self._name}: the update {at} is left out, its gradients are NaN"))
        return self._engine.scales_loss  # a scaler steps by itself, or not at all

    def _learning_rate(self) -> dict[str, float]:
        # The rate of the step that was just done, not of the next one.
        at, schedule = self._position, self._stage.optimized_modules[0].schedule
        return {"lr": schedule.at(max(at.step - 1, 0), at.epoch)}

    def _progress_text(self) -> str:
        shown = [f"{name} {self._last[name]:.3g}" for name in ("loss", "top3", "samples_per_s") if name in self._last]
        return " · ".join([f"epoch {self._position.epoch + 1}", *shown])

    # --- saving ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _paused(self) -> Generator[None]:
        """The time inside is not training."""
        self._metrics.pause_timer()
        try:
            yield
        finally:
            self._metrics.resume_timer()

    def _save(self) -> None:
        """Validation, state and, where wanted, an export."""
        is_best = self._validate()
        self._save_state()
        self._exported = None
        if self._config.export_each_save:
            self._export()
        self._tell_saved(is_best=is_best)

    def _finish(self) -> None:
        is_best = self._validate()
        try:
            self._export()
        except ModelError:  # weights that are NaN are no state either
            raise
        except Exception:
            self._save_state()
            raise
        self._position.finished = True
        self._save_state(must=True)
        self._tell_saved(is_best=is_best)

    def _tell_saved(self, *, is_best: bool) -> None:
        """Let `on_save` look at what was saved, in the process that writes."""
        if not self._distributed.is_main:
            return
        with self._paused(), preserve_rng(self._engine.device):
            self._in.on_save(SaveEvent(self._position.step, is_best, self._exported))
        self._stage.train()

    def _save_state(self, *, must: bool = False) -> None:
        """Write the state. A full disk costs this state only, unless it is the last one (`must`)."""
        with self._paused():
            self._refuse_nan("no state was saved")
            self._position.elapsed_s = self._elapsed()
            generators = self._distributed.all_gather(capture_rng())
            try:
                if self._distributed.is_main:
                    self._in.states.save(self._state(generators))
            except ResourceError as error:
                if must or self._stopping:
                    raise
                text = f"state of step {self._position.step} not saved: {error.message}"
                self._reporter.emit(Warned(text, **error.advice))
            self._saved_at = time.monotonic()

    def _state(self, generators: Sequence[Mapping[str, Any]]) -> TrainingState:
        return TrainingState(
            stage=self._name,
            position=self._position,
            model=self._in.fingerprints.model,
            batches=self._in.fingerprints.batches,
            modules={name: module.state_dict() for name, module in self._stage.modules().items()},
            optimizers={one.name: one.optimizer.state_dict() for one in self._stage.optimized_modules},
            scaler=self._engine.state_dict(),
            rng=generators,
        )

    def _export(self) -> None:
        """Write the weights, unless one of them is NaN."""
        if not self._distributed.is_main:
            return
        with self._paused():
            self._refuse_nan("nothing was exported")
            at = self._position
            tag = ExportTag(epoch=at.epoch + bool(at.batch), step=at.step, epoch_done=not at.batch)
            self._exported = self._stage.export(self._in.exports, tag)

    def _refuse_nan(self, consequence: str) -> None:
        """Raise ModelError if a weight is NaN or infinite: from here on there is nothing to keep."""
        if (name := first_not_finite(self._stage.modules())) is not None:
            raise ModelError(
                f"{self._name}: {name} holds NaN or infinite values; {consequence}",
                hint="lower the learning rate; the same again goes on from the last good state",
            )

    def _validate(self) -> bool:
        """Log the numbers of the held-out batches; gives whether they are the best so far."""
        plan = self._in.held_out.plan(0)
        if not plan or not self._distributed.is_main:
            return False
        means, weight = WeightedMeans(), self._stage.denominator_names[0]
        with self._paused(), preserve_rng(self._engine.device), self._engine.autocast():
            for batch in self._in.held_out.prefetcher.batches(plan):
                max_positions = self._position.max_micro_batch_positions
                for part in micro_batches(batch, max_positions) if batch is not None else ():
                    values = self._stage.evaluate(part.to(self._engine.device, non_blocking=True))
                    means.add(values, self._stage.denominators(part)[weight])
            self._stage.train()
            numbers = means.pop()
            self._last_held_out = {f"held_out/{name}": value for name, value in numbers.items()}
            self._metrics.log(self._position.step, self._last_held_out)
        loss = self._held_out_loss = numbers.get("loss")
        at = self._position
        if loss is None or not math.isfinite(loss) or (at.best is not None and loss >= at.best):
            return False
        at.best, at.best_step = loss, at.step
        return True

    # --- resume ---------------------------------------------------------------------------------------------------

    def _resume(self) -> None:
        """Take up the newest state, if there is one."""
        # Only the main process writes states: the others look once it is here, so that all find the same one.
        self._distributed.all_reduce_any(False)
        state = self._in.states.newest(self._reporter, self._check_fit)
        if state is None:
            return
        if state.model != self._in.fingerprints.model:
            raise ModelError(f"{self._name}: this run was begun with another model or recipe", code="train.other_model")
        # `_check_fit` has looked at every shape: from here on nothing fails half-way.
        for name, module in self._stage.modules().items():
            module.load_state_dict(state.modules[name])
        for optimized in self._stage.optimized_modules:
            optimized.load_state_dict(state.optimizers[optimized.name])
        self._engine.load_state_dict(dict(state.scaler))
        # A run that goes on with more processes than before has no generators for the new ones: they keep their seed.
        if self._distributed.rank < len(state.rng):
            restore_rng(state.rng[self._distributed.rank])
        at = self._position = state.position
        # "Batch 17 of the epoch" means something only in the same order of batches.
        if state.batches != self._in.fingerprints.batches and at.batch:
            at.batch = 0
            self._reporter.emit(Note(f"{self._name}: dataset or batch size changed, epoch {at.epoch + 1} restarts"))
        if not at.finished:
            self._reporter.emit(Note(f"{self._name}: going on from step {at.step} (epoch {at.epoch + 1})"))

    def _check_fit(self, state: TrainingState) -> None:
        """Raise WrongStateError for a state that says it is of this network and is not."""
        if state.model == self._in.fingerprints.model:
            optimizers = {optimized.name: optimized.optimizer for optimized in self._stage.optimized_modules}
            check_fit(self._stage.modules(), optimizers, state.modules, state.optimizers)

    def _elapsed(self) -> float:
        return self._elapsed_before + time.monotonic() - self._began_at

    def _result(self) -> StageResult:
        at, numbers = self._position, {**self._last, **self._last_held_out}
        return StageResult(at.step, at.epoch + bool(at.batch), self._elapsed(), at.finished, self._exported, numbers)


def _read_batches(
    groups: Sequence[list[list[int]]], prefetcher: Prefetcher[Item], distributed: DistributedContext
) -> Generator[tuple[list[list[int]], list[Item | None]]]:
    """The batches of each update: which items they are in all processes, and those of this one."""
    mine = [group[distributed.rank :: distributed.world_size] for group in groups]
    with closing(prefetcher.batches([items for group in mine for items in group])) as batches:
        for group, own in zip(groups, mine, strict=True):
            yield group, list(islice(batches, len(own)))
