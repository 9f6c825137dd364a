"""The gradients of one update: batch after batch, and in smaller parts where memory does not suffice.

The parts of a batch give the gradient of the whole: every loss counts by its share of the update, and what is random
for a clip is drawn before the batch is taken apart. Knows no config.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from sovits_cli.errors import ResourceError, out_of_memory
from sovits_cli.events import Reporter, Warned
from sovits_cli.training.distributed import DistributedContext
from sovits_cli.training.engine import Engine
from sovits_cli.training.stages.base import Batch, TrainingStage

Item = TypeVar("Item", bound=Batch)


@dataclass(frozen=True)
class AccumulatedGradients:
    """Gradients are in place.

    Args:
        readings: numbers of each part, and the share of the update they count.
        max_micro_batch_positions: largest part that is computed at once from now on; None: whole batches.
    """

    readings: Sequence[tuple[Mapping[str, Tensor], float]]
    max_micro_batch_positions: int | None


class GradientAccumulator(Generic[Item]):
    """Computes gradients of a stage on an engine, together with other processes."""

    def __init__(
        self, stage: TrainingStage[Item], engine: Engine, distributed: DistributedContext, reporter: Reporter
    ) -> None:
        self._stage, self._engine, self._distributed, self._reporter = stage, engine, distributed, reporter

    def accumulate(self, group: Sequence[Item], max_micro_batch_positions: int | None) -> AccumulatedGradients | None:
        """The mean gradient of a few batches, over all processes; None if there is nothing to train on.

        Raises:
            ResourceError: not even one clip fits the memory.
        """
        sizes = [self._stage.denominators(batch) for batch in group]
        whole = self._distributed.all_reduce_sum(
            {name: sum(one[name] for one in sizes) for name in self._stage.denominator_names}
        )
        if not whole[self._stage.denominator_names[0]]:
            return None
        generators = _generators(self._engine.device)
        while True:
            for optimized in self._stage.optimized_modules:
                optimized.optimizer.zero_grad(set_to_none=True)
            largest = [0, 0]
            try:
                readings = [
                    one for batch in group for one in self._batch(batch, whole, max_micro_batch_positions, largest)
                ]
                break
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
            max_micro_batch_positions = self._smaller(largest)
            _restore(generators, self._engine.device)
        for optimized in self._stage.optimized_modules:
            self._distributed.all_reduce_gradients(optimized.parameters)
        return AccumulatedGradients(readings, max_micro_batch_positions)

    def _batch(
        self, batch: Item, whole: Mapping[str, float], max_micro_batch_positions: int | None, largest: list[int]
    ) -> Iterator[tuple[Mapping[str, Tensor], float]]:
        """Add the gradients of one batch. `largest` is told the places and clips of the part that is computed."""
        drawn = self._stage.sample_noise(batch.to(self._engine.device, non_blocking=True))
        for part in micro_batches(drawn, max_micro_batch_positions):
            largest[:] = part.positions, len(part)
            sizes = self._stage.denominators(part)
            shares = {name: sizes[name] / whole[name] for name in whole}
            yield self._part(part, shares), shares[self._stage.denominator_names[0]]

    def _part(self, part: Item, shares: Mapping[str, float]) -> Mapping[str, Tensor]:
        with self._engine.autocast():
            losses = self._stage.losses(part, shares)
        last = len(self._stage.optimized_modules) - 1
        for index, optimized in enumerate(self._stage.optimized_modules):
            self._engine.backward(losses.totals[optimized.name], optimized.parameters, keep_graph=index < last)
        return {name: value.detach() for name, value in losses.metrics.items()}

    def _smaller(self, largest: Sequence[int]) -> int:
        """Half of what did not fit; said."""
        places, clips = largest
        name = self._stage.stage.value
        self._engine.free_cache()
        if clips < 2:
            raise ResourceError(
                f"{name}: out of memory with a single clip",
                hint="sovits train --checkpointing, or a lower --max-sec; --dry-run shows what fits",
            )
        self._reporter.emit(
            Warned(
                f"{name}: out of memory with {clips} clips at once: the step is done again with "
                f"{clips // 2}, which stays so; the batch and its gradient are the same",
                f"--dry-run shows which batch fits; --batch-size {clips // 2} or --checkpointing may be faster",
            )
        )
        return places // 2


def micro_batches(batch: Item, max_micro_batch_positions: int | None) -> Iterator[Item]:
    """A batch in parts of about so many places, of at least one clip each; whole if it fits."""
    if max_micro_batch_positions is None or batch.positions <= max_micro_batch_positions:
        yield batch
        return
    clips = max(1, len(batch) * max_micro_batch_positions // batch.positions)
    for start in range(0, len(batch), clips):
        yield batch.select(slice(start, start + clips))


def _generators(device: torch.device) -> list[Tensor]:
    """The states of the generators that a step draws from."""
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]


def _restore(states: Sequence[Tensor], device: torch.device) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
