"""A stage small enough to reason about: a linear layer with dropout, training_defaults to sum; and a run of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from sovits_cli.data.batching import LengthBucketSampler
from sovits_cli.data.prefetch import Prefetcher
from sovits_cli.events import Event
from sovits_cli.terms import Precision, Stage
from sovits_cli.training.distributed import SINGLE_PROCESS, DistributedContext
from sovits_cli.training.engine import Engine, trainable_precision
from sovits_cli.training.metrics import MetricsLogger
from sovits_cli.training.optim import LearningRateSchedule
from sovits_cli.training.stages.base import WHOLE_UPDATE, ExportTag, Losses, OptimizedModule, Shares
from sovits_cli.training.state import StateFolder
from sovits_cli.training.trainer import Trainer
from sovits_cli.training.trainer_config import (
    BatchSource,
    Fingerprints,
    SaveEvent,
    StopRequest,
    TrainerConfig,
    TrainerInputs,
)

TOY = Fingerprints("toy", "twelve")
CALENDAR = TrainerConfig(
    epochs=3,
    max_steps=None,
    accumulation=1,
    clip_norm=0.0,
    save_every_epochs=1,
    save_every_steps=None,
    save_every_s=1e9,
    log_every_steps=1,
    export_each_save=True,
)


@dataclass
class Events:
    """A reporter that keeps what it hears."""

    heard: list[Event] = field(default_factory=list)

    def emit(self, event: Event) -> None:
        self.heard.append(event)

    def texts(self) -> str:
        return "\n".join(str(event) for event in self.heard)


@dataclass(frozen=True)
class ToyBatch:
    inputs: Tensor

    def to(self, device: torch.device, *, non_blocking: bool = False) -> ToyBatch:
        return ToyBatch(self.inputs.to(device))

    def select(self, rows: slice) -> ToyBatch:
        return ToyBatch(self.inputs[rows])

    @property
    def positions(self) -> int:
        return 10 * len(self)

    def __len__(self) -> int:
        return len(self.inputs)


class ToyStage:
    """Two optimized_modules, so that what holds for a GAN is tested too: `a` learns the sum, `b` to copy `a`."""

    stage = Stage.GPT
    denominator_names: Sequence[str] = ("clips",)

    def __init__(
        self, *, schedule: LearningRateSchedule | None = None, poison_at: frozenset[int] = frozenset()
    ) -> None:
        torch.manual_seed(1)
        self.a = nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.5), nn.Linear(16, 1))
        self.b = nn.Linear(4, 1)
        rule = schedule or LearningRateSchedule(peak=0.01)
        self.optimized_modules: Sequence[OptimizedModule] = (
            OptimizedModule("a", self.a, torch.optim.AdamW(self.a.parameters()), rule),
            OptimizedModule("b", self.b, torch.optim.SGD(self.b.parameters()), rule),
        )
        self.calls = 0
        self.fits: int | None = None
        self.poison_at = poison_at
        self.exported: list[ExportTag] = []

    def modules(self) -> Mapping[str, nn.Module]:
        return {"a": self.a, "b": self.b}

    def denominators(self, batch: ToyBatch) -> Mapping[str, float]:
        return {"clips": float(len(batch))}

    def sample_noise(self, batch: ToyBatch) -> ToyBatch:
        return batch

    def train(self) -> None:
        self.a.train()

    def losses(self, batch: ToyBatch, shares: Shares = WHOLE_UPDATE) -> Losses:
        if self.fits is not None and len(batch) > self.fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.calls += 1
        share = shares.get("clips", 1.0)
        guess = self.a(batch.inputs)
        loss = (guess - batch.inputs.sum(1, keepdim=True)).square().mean()
        if self.calls in self.poison_at:
            loss = loss * float("nan")
        copy = (self.b(batch.inputs) - guess.detach()).square().mean()
        return Losses({"a": loss * share, "b": copy * share}, {"loss": loss})

    def evaluate(self, batch: ToyBatch) -> Mapping[str, Tensor]:
        self.a.eval()
        return {"loss": (self.a(batch.inputs) - batch.inputs.sum(1, keepdim=True)).square().mean()}

    def export(self, folder: Path, mark: ExportTag) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        self.exported.append(mark)
        path = folder / f"toy-e{mark.epoch}-s{mark.step}.pt"
        torch.save(self.a.state_dict(), path)
        return path

    def tensors(self) -> dict[str, Tensor]:
        found = {}
        for name, module in self.modules().items():
            found |= {f"{name}.{key}": value.clone() for key, value in module.state_dict().items()}
        return found


def data(items: int = 12) -> Tensor:
    return torch.randn(items, 4, generator=torch.Generator().manual_seed(7))


def run(
    stage: ToyStage,
    folder: Path,
    *,
    config: TrainerConfig = CALENDAR,
    reporter: Events | None = None,
    precision: Precision = Precision.FULL,
    stop: StopRequest | None = None,
    batch_size: int = 4,
    held_out: bool = True,
    workers: int = 0,
    fingerprints: Fingerprints = TOY,
    unreadable: int | None = None,
    distributed: DistributedContext | None = None,
    saved: Callable[[SaveEvent], None] = lambda _: None,
    **changes: object,
) -> Trainer[ToyBatch]:
    reporter = reporter or Events()
    engine = Engine(torch.device("cpu"), trainable_precision(precision, torch.device("cpu")))
    items, unseen = data(), data(3)
    order = LengthBucketSampler([1.0] * len(items), batch_size, seed=5)
    torch.manual_seed(2)

    def load(numbers: list[int]) -> ToyBatch | None:
        return None if unreadable in numbers else ToyBatch(items[numbers])

    def load_held_out(numbers: list[int]) -> ToyBatch:
        return ToyBatch(unseen[numbers])

    inputs = TrainerInputs(
        stage=stage,
        engine=engine,
        training=BatchSource(order.epoch, Prefetcher(load, workers)),
        held_out=BatchSource(lambda _: [[0, 1, 2]] if held_out else [], Prefetcher(load_held_out, 0)),
        fingerprints=fingerprints,
        states=StateFolder(folder / "state", stage.stage),
        exports=folder,
        make_metrics=lambda step: MetricsLogger(folder, stage.stage, engine.device, step, reporter),
        stop=stop or StopRequest(),
        reporter=reporter,
        distributed=distributed or SINGLE_PROCESS,
        on_save=saved,
    )
    return Trainer(inputs, replace(config, **changes))  # type: ignore[arg-type]
