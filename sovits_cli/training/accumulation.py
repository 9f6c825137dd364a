"""Gradient accumulation: the gradient of one update, batch after batch, in smaller parts where memory is short.

An update minimises a mean over everything in it, whatever it is cut into. With the loss l_i of one summand (a token, a
clip, a frame) and N of them in the whole update, over all batches, micro-batches and processes:

    L = (1/N) sum_i l_i = sum_b (n_b / N) · (1/n_b) sum_{i in b} l_i                  b a micro-batch with n_b of the N
                                '-share-'   '-mean over the micro-batch-'

so each micro-batch's mean, times its share of the update, is backpropagated into the same `grad`, and neither the
batch size in memory nor the number of processes changes the result. N is counted before anything is computed; it is
not the number of batches: a batch of short clips has fewer tokens and counts less. (Dividing each batch's loss by the
number of batches, as is often done, weighs a token by how full its batch is.) A stage whose loss has several terms
names a denominator for each: the official KL loss is a mean over frames, the others are means over clips.

    update ── batch ── micro-batch   sample_noise, then cut      forward, backward: grad += share · dL_b
           │        └─ micro-batch                               forward, backward: grad += share · dL_b
           └─ batch ── micro-batch …                             sum over processes, clip, optimiser step

What is random for a clip (noise, slices) is drawn for the batch, before it is cut. Knows nothing of steps and epochs.
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
        metrics: numbers of each micro-batch, and the share of the update that they count.
        max_micro_batch_positions: largest part of a batch that is computed at once from now on; None: whole batches.
    """

    metrics: Sequence[tuple[Mapping[str, Tensor], float]]
    max_micro_batch_positions: int | None


@dataclass
class _Attempt:
    """What is being computed, for whoever has to say what did not fit."""

    positions: int = 0
    clips: int = 0


class GradientAccumulator(Generic[Item]):
    """Computes the gradients of a stage on an engine, together with other processes."""

    def __init__(
        self, stage: TrainingStage[Item], engine: Engine, distributed: DistributedContext, reporter: Reporter
    ) -> None:
        self._stage, self._engine, self._distributed, self._reporter = stage, engine, distributed, reporter

    def accumulate(self, batches: Sequence[Item], max_positions: int | None) -> AccumulatedGradients | None:
        """The mean gradient of a few batches, over all processes; None if there is nothing to train on.

        A step that runs out of memory is computed again in halves, from the same random numbers.

        Args:
            batches: of this process.
            max_positions: largest micro-batch; None computes whole batches.

        Raises:
            ResourceError: not even one clip fits the memory.
        """
        names = self._stage.denominator_names
        counts = [self._stage.denominators(batch) for batch in batches]
        totals = self._distributed.all_reduce_sum({name: sum(one[name] for one in counts) for name in names})
        if not totals[names[0]]:
            return None
        # Dropout draws in the forward pass: the second try must see the same numbers as the first would have.
        generators = _generator_states(self._engine.device)
        while True:
            # Gradients of a try that failed half-way are thrown away with it.
            for optimized in self._stage.optimized_modules:
                optimized.optimizer.zero_grad(set_to_none=True)
            attempt = _Attempt()
            try:
                metrics = [one for batch in batches for one in self._backward(batch, totals, max_positions, attempt)]
                break
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
            max_positions = self._halved(attempt)
            _restore_generators(generators, self._engine.device)
        # One reduction per update, not per batch: the shares have seen to the weights already.
        for optimized in self._stage.optimized_modules:
            self._distributed.all_reduce_gradients(optimized.parameters)
        return AccumulatedGradients(metrics, max_positions)

    def _backward(
        self, batch: Item, totals: Mapping[str, float], max_positions: int | None, attempt: _Attempt
    ) -> Iterator[tuple[Mapping[str, Tensor], float]]:
        """Add the gradients of one batch; gives its numbers with their share of the update."""
        # Before the cut, so that a clip gets the same noise whatever micro-batch it lands in.
        with_noise = self._stage.sample_noise(batch.to(self._engine.device, non_blocking=True))
        for part in micro_batches(with_noise, max_positions):
            attempt.positions, attempt.clips = part.positions, len(part)
            counts = self._stage.denominators(part)
            shares = {name: counts[name] / totals[name] for name in totals}
            yield self._engine.forward_backward(self._stage, part, shares), shares[self._stage.denominator_names[0]]

    def _halved(self, attempt: _Attempt) -> int:
        """Half of what did not fit; reported."""
        name, clips = self._stage.stage.value, attempt.clips
        # The allocator's reserve is cut for the large batch: without this the smaller one may not fit either.
        self._engine.free_cache()
        if clips < 2:
            raise ResourceError(f"{name}: out of memory with a single clip", code="train.clip_too_large")
        self._reporter.emit(
            Warned(
                f"{name}: out of memory with {clips} clips at once: the step is done again with "
                f"{clips // 2}, which stays so; the batch and its gradient are the same",
                code="train.batch_too_large",
                fields={"clips": clips // 2},
            )
        )
        return attempt.positions // 2


def micro_batches(batch: Item, max_positions: int | None) -> Iterator[Item]:
    """A batch in parts of about so many positions, of at least one clip each; whole if it fits."""
    if max_positions is None or batch.positions <= max_positions:
        yield batch
        return
    # Clips of a batch are of similar length, so that positions per clip are about the same.
    clips = max(1, len(batch) * max_positions // batch.positions)
    for start in range(0, len(batch), clips):
        yield batch.select(slice(start, start + clips))


def _generator_states(device: torch.device) -> list[Tensor]:
    """The states of the generators that a step draws from."""
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]


def _restore_generators(states: Sequence[Tensor], device: torch.device) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
