"""What a stage of training is: modules with their optimisers, the loss of a batch for each, and an export.

`trainer.py`, `accumulation.py` and `memory_profiler.py` know stages by this and nothing else. In a step they call, in
this order:

    denominators(batch)            how many tokens, clips or frames its losses are means over
    sample_noise(batch)            what is random for a clip, so that the batch can be cut afterwards
    losses(micro_batch, shares)    once a micro-batch; a scalar for each of `optimized_modules`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sovits_cli.terms import Stage
from sovits_cli.training.optim import LearningRateSchedule


class Batch(Protocol):
    """A frozen dataclass of tensors that can move to the device and be taken apart."""

    def to(self, device: torch.device, *, non_blocking: bool = False) -> Self:
        """A copy on another device; the same tensors if they are there already."""

    def select(self, rows: slice) -> Self:
        """Some of its clips, without the padding that only others needed."""

    @property
    def positions(self) -> int:
        """What its memory grows with."""

    def __len__(self) -> int:
        """How many clips it holds."""


BatchIn = TypeVar("BatchIn", bound=Batch)

Shares = Mapping[str, float]
"""How much of an update a batch makes up, by what losses are means over ("tokens", "clips"): n_b / N of
`accumulation.py`."""

WHOLE_UPDATE: Shares = {}
"""A batch that is the whole update: what is not named counts whole."""

LR_SCALE = "rate_scale"
"""Key of a parameter group that learns at another rate: its factor on the scheduled one."""


@dataclass(frozen=True)
class OptimizedModule:
    """A module with its optimiser. A GAN has two; both are updated in each step, from the same forward pass."""

    name: str
    module: nn.Module
    optimizer: Optimizer
    schedule: LearningRateSchedule

    @property
    def parameters(self) -> list[nn.Parameter]:
        """What the optimiser updates."""
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what an optimiser kept for each parameter; its settings stay those of this run."""
        self.optimizer.load_state_dict({**state, "param_groups": self.optimizer.state_dict()["param_groups"]})

    def set_learning_rate(self, step: int, epoch: int) -> float:
        """Put the scheduled rate into every group; returns it."""
        rate = self.schedule.at(step, epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get(LR_SCALE, 1.0)
        return rate


@dataclass(frozen=True)
class Losses:
    """Of one batch, all tensors ().

    Args:
        totals: for each optimised module, by its name, what it minimises: the batch's share of the update's loss.
        metrics: means over the batch, to log.
    """

    totals: Mapping[str, Tensor]
    metrics: Mapping[str, Tensor]


@dataclass(frozen=True)
class ExportTag:
    """The moment of an export, which names its file.

    Args:
        epoch: finished epochs, or begun ones if the run ends inside one.
        step: updates.
        epoch_done: whether the epoch was finished.
    """

    epoch: int
    step: int
    epoch_done: bool


class TrainingStage(Protocol[BatchIn]):
    """One of the trainings: what the trainer needs of it."""

    stage: Stage
    optimized_modules: Sequence[OptimizedModule]
    denominator_names: Sequence[str]

    def modules(self) -> Mapping[str, nn.Module]:
        """Everything whose tensors a resume needs, by name."""

    def denominators(self, batch: BatchIn) -> Mapping[str, float]:
        """What the losses of a batch are means over, by `denominator_names`; the first is the weight of its numbers."""

    def sample_noise(self, batch: BatchIn) -> BatchIn:
        """The batch with everything random that belongs to a clip, so that its parts train as the whole does."""

    def train(self) -> None:
        """Switch to training mode (what is frozen stays in evaluation mode)."""

    def losses(self, batch: BatchIn, shares: Shares = WHOLE_UPDATE) -> Losses:
        """Forward pass in training mode. The batch is on the device; autocast is on."""

    def evaluate(self, batch: BatchIn) -> Mapping[str, Tensor]:
        """Numbers of a held-out batch in evaluation mode, without gradients; "loss" is the one to be small."""

    def export(self, folder: Path, tag: ExportTag) -> Path:
        """Write the weights as inference wants them; returns the file."""
