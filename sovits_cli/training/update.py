"""The gradients of one update: batch after batch, and in smaller parts where memory does not suffice.

The parts of a batch give the gradient of the whole: every loss counts by its share of the update, and what is random
for a clip is drawn before the batch is taken apart. Knows no calendar.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

from sovits_cli.errors import ResourceError, out_of_memory
from sovits_cli.events import Reporter, Warned
from sovits_cli.training.engine import Engine
from sovits_cli.training.ranks import Ranks
from sovits_cli.training.stages import Batch, TrainingStage

Item = TypeVar("Item", bound=Batch)


@dataclass(frozen=True)
class Done:
    """Gradients are in place.

    Args:
        readings: numbers of each part, and the share of the update they count.
        most_places: largest part that is computed at once from now on; None: whole batches.
    """

    readings: Sequence[tuple[Mapping[str, Tensor], float]]
    most_places: int | None


class Update(Generic[Item]):
    """Computes gradients of a stage on an engine, together with other processes."""

    def __init__(self, stage: TrainingStage[Item], engine: Engine, ranks: Ranks, reporter: Reporter) -> None:
        self._stage, self._engine, self._ranks, self._reporter = stage, engine, ranks, reporter

    def gradients(self, group: Sequence[Item], most_places: int | None) -> Done | None:
        """The mean gradient of a few batches, over all processes; None if there is nothing to train on.

        Raises:
            ResourceError: not even one clip fits the memory.
        """
        sizes = [self._stage.sizes(batch) for batch in group]
        whole = self._ranks.total({name: sum(one[name] for one in sizes) for name in self._stage.measures})
        if not whole[self._stage.measures[0]]:
            return None
        generators = _generators(self._engine.device)
        while True:
            for player in self._stage.players:
                player.optimizer.zero_grad(set_to_none=True)
            largest = [0, 0]
            try:
                readings = [one for batch in group for one in self._batch(batch, whole, most_places, largest)]
                break
            except (MemoryError, RuntimeError) as error:
                if not out_of_memory(error):
                    raise
            most_places = self._smaller(largest)
            _restore(generators, self._engine.device)
        for player in self._stage.players:
            self._ranks.add_gradients(player.parameters)
        return Done(readings, most_places)

    def _batch(
        self, batch: Item, whole: Mapping[str, float], most_places: int | None, largest: list[int]
    ) -> Iterator[tuple[Mapping[str, Tensor], float]]:
        """Add the gradients of one batch. `largest` is told the places and clips of the part that is computed."""
        drawn = self._stage.drawn(batch.to(self._engine.device, non_blocking=True))
        for part in parts(drawn, most_places):
            largest[:] = part.positions, len(part)
            sizes = self._stage.sizes(part)
            shares = {name: sizes[name] / whole[name] for name in whole}
            yield self._part(part, shares), shares[self._stage.measures[0]]

    def _part(self, part: Item, shares: Mapping[str, float]) -> Mapping[str, Tensor]:
        with self._engine.autocast():
            losses = self._stage.losses(part, shares)
        last = len(self._stage.players) - 1
        for index, player in enumerate(self._stage.players):
            self._engine.backward(losses.totals[player.name], player.parameters, keep_graph=index < last)
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


def parts(batch: Item, most_places: int | None) -> Iterator[Item]:
    """A batch in parts of about so many places, of at least one clip each; whole if it fits."""
    if most_places is None or batch.positions <= most_places:
        yield batch
        return
    clips = max(1, len(batch) * most_places // batch.positions)
    for start in range(0, len(batch), clips):
        yield batch.select(slice(start, start + clips))


def _generators(device: torch.device) -> list[Tensor]:
    """The states of the generators that a step draws from."""
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]


def _restore(states: Sequence[Tensor], device: torch.device) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
