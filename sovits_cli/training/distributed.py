"""Several processes that train together, one a device, as torchrun starts them.

    torchrun --nproc-per-node 2 -m sovits_cli train

The batches of an update go round the processes; each computes its own with the denominators of the whole update
(`accumulation.py`), so that the sum of the gradients is the gradient of the update, and all take the same step:

    rank 0   batch 0, 2, …   grad_0 ┐                       ┌ step   writes state, export and metrics
                                    ├ all-reduce: grad_0+1 ─┤
    rank 1   batch 1, 3, …   grad_1 ┘                       └ step

The result is that of one process with as many batches, up to the order of addition. Alone there is no process group,
and every method returns what it was given. Knows no models.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from sovits_cli.errors import ResourceError
from sovits_cli.locks import held

CPU = torch.device("cpu")


@dataclass(frozen=True)
class DistributedContext:
    """One process among `world_size` of them; `rank` 0 writes and speaks for all.

    Args:
        device: of its networks.
        communication_device: device of the tensors that go between the processes.
    """

    world_size: int = 1
    rank: int = 0
    device: torch.device = CPU
    communication_device: torch.device = CPU

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def all_reduce_sum(self, values: Mapping[str, float]) -> dict[str, float]:
        """Sums over all processes; every one names the same keys."""
        if self.world_size == 1:
            return dict(values)
        # Every process sends its numbers in the same order, whatever that of its dictionary.
        names = sorted(values)
        summed = torch.tensor([values[name] for name in names], dtype=torch.float64, device=self.communication_device)
        dist.all_reduce(summed)
        return dict(zip(names, summed.tolist(), strict=True))

    def all_reduce_any(self, *flags: bool) -> tuple[bool, ...]:
        """Each flag: whether any process raises it."""
        if self.world_size == 1:
            return flags
        raised = torch.tensor(flags, dtype=torch.int32, device=self.communication_device)
        dist.all_reduce(raised, op=dist.ReduceOp.MAX)
        return tuple(bool(flag) for flag in raised.tolist())

    def all_reduce_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Give every process the sum of all gradients; what has none anywhere keeps none."""
        if self.world_size == 1:
            return
        # A process whose share of an update is empty has no gradients: its part of the sum is zero, not missing.
        # Without this the others would wait for it for ever.
        there = self.all_reduce_any(*(parameter.grad is not None for parameter in parameters))
        for parameter, used in zip(parameters, there, strict=True):
            if used:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                dist.all_reduce(parameter.grad)

    def all_gather(self, value: Any) -> list[Any]:
        """The value of every process, in order."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        dist.all_gather_object(values, value)
        return values


SINGLE_PROCESS = DistributedContext()


@contextmanager
def process_group(device: torch.device) -> Iterator[DistributedContext]:
    """Join the processes that torchrun started; alone if it did not.

    Args:
        device: of one process alone; with several each takes the GPU of its own number.

    Raises:
        ResourceError: more processes than GPUs.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield DistributedContext(device=device)
        return
    rank, local = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", os.environ["RANK"]))
    if device.type == "cuda":
        if local >= torch.cuda.device_count():
            raise ResourceError(
                f"process {local} has no GPU: {torch.cuda.device_count()} found",
                code="train.more_processes_than_gpus",
                fields={"gpus": torch.cuda.device_count()},
            )
        device = torch.device("cuda", local)
        torch.cuda.set_device(device)
    # NCCL moves tensors between GPUs; gloo works everywhere and moves them through the CPU.
    fast = device.type == "cuda" and dist.is_nccl_available()
    dist.init_process_group("nccl" if fast else "gloo", rank=rank, world_size=world)
    try:
        yield DistributedContext(world, rank, device, device if fast else CPU)
    finally:
        dist.destroy_process_group()


@contextmanager
def locked_run_folder(folder: Path, context: DistributedContext, *, writes: bool) -> Iterator[None]:
    """Lock the folder of a run, by the one of the processes that `writes` there; none does when it is only planned.

    Raises:
        ResourceError: somebody else works there; raised by all of the processes, as they cannot go on without the one.
    """
    refused: ResourceError | None = None
    with ExitStack() as stack:
        try:
            if writes:
                stack.enter_context(held(folder))
        except ResourceError as error:
            refused = error
        # Nobody may go on alone: the others would wait in the first reduction.
        if context.all_reduce_any(refused is not None)[0]:
            raise refused or ResourceError(
                f"{folder} cannot be written by the first process", hint="the first process says why"
            )
        yield
