"""Precision by device, and a loss scale that serves two optimized_modules in one step."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from sovits_cli.terms import Precision
from sovits_cli.training.engine import Engine, trainable_precision
from tests.differences import every_case
from tests.training import toys
from tests.training.toys import Events, ToyStage, run

CPU = torch.device("cpu")


@every_case(
    ("wanted", "device", "used"),
    [
        ("16-mixed", "cpu", "bf16-mixed"),
        ("16-mixed", "cuda", "16-mixed"),
        ("bf16-mixed", "cpu", "bf16-mixed"),
        ("32", "cpu", "32"),
    ],
)
def test_what_a_device_runs(wanted: str, device: str, used: str) -> None:
    assert trainable_precision(Precision(wanted), torch.device(device)) is Precision(used)


def test_autocast_keeps_parameters_and_losses_in_float32() -> None:
    engine = Engine(CPU, Precision.BF16)
    layer = engine.place(torch.nn.Linear(4, 4))
    with engine.autocast():
        out = layer(torch.ones(1, 4))
    assert out.dtype is torch.bfloat16
    engine.backward(out.float().sum(), list(layer.parameters()), keep_graph=False)
    assert {parameter.grad.dtype for parameter in layer.parameters()} == {torch.float32}  # type: ignore[union-attr]


def test_backward_gives_gradients_to_the_named_parameters_only() -> None:
    engine = Engine(CPU, Precision.FULL)
    one, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
    loss = other(one(torch.ones(1, 2))).sum()
    engine.backward(loss, list(one.parameters()), keep_graph=True)
    assert other.weight.grad is None
    engine.backward(loss, list(other.parameters()), keep_graph=False)
    assert other.weight.grad is not None


class Two:
    """Two optimized_modules in float16 with a loss scale: torch can do that on the CPU too, slowly."""

    def __init__(self) -> None:
        self.engine = Engine(CPU, Precision.HALF)
        self.layers = [torch.nn.Linear(2, 1) for _ in range(2)]
        self.optimizers = [torch.optim.SGD(layer.parameters(), lr=0.1) for layer in self.layers]

    def step(self, *factors: float) -> list[float]:
        """Minimise factor x output for each player; returns the gradient norms."""
        for layer, optimizer, factor in zip(self.layers, self.optimizers, factors, strict=True):
            optimizer.zero_grad()
            with self.engine.autocast():
                loss = layer(torch.ones(1, 2)).float().sum() * factor
            self.engine.backward(loss, list(layer.parameters()), keep_graph=False)
        pairs = list(zip(self.layers, self.optimizers, strict=True))
        norms = [self.engine.clip(layer, optimizer, 0.0) for layer, optimizer in pairs]
        for optimizer in self.optimizers:
            self.engine.step(optimizer)
        self.engine.finish_step()
        return norms

    def weights(self) -> list[torch.Tensor]:
        return [layer.weight.detach().clone() for layer in self.layers]


def test_loss_scale_serves_both_players() -> None:
    two = Two()
    before = two.weights()
    assert two.step(0.5, 0.25) == pytest.approx([0.5 * 3**0.5, 0.25 * 3**0.5], rel=1e-3)
    for old, new, factor in zip(before, two.weights(), (0.5, 0.25), strict=True):
        torch.testing.assert_close(new, old - 0.1 * factor)
    state = two.engine.state_dict()
    assert (state["scale"], state["_growth_tracker"]) == (2.0**16, 1)  # one update a step, not one a player


def test_overflow_leaves_its_player_alone_and_lowers_the_scale() -> None:
    two = Two()
    before = two.weights()
    norms = two.step(0.5, 1e6)
    assert [math.isfinite(norm) for norm in norms] == [True, False]
    assert torch.equal(before[1], two.weights()[1])
    assert not torch.equal(before[0], two.weights()[0])
    assert two.engine.state_dict()["scale"] == 2.0**15


def test_loss_scale_is_saved_and_taken_up() -> None:
    two, other = Two(), Two()
    two.step(0.5, 1e6)
    other.engine.load_state_dict(two.engine.state_dict())
    assert other.engine.state_dict() == two.engine.state_dict()


def test_overflow_in_a_run_needs_no_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toys, "trainable_precision", lambda wanted, device: wanted)
    stage, events = ToyStage(poison_at=frozenset({2})), Events()
    assert run(stage, tmp_path, precision=Precision.HALF, reporter=events).fit().finished
    assert "NaN" not in events.texts()
    assert all(value.isfinite().all() for value in stage.tensors().values())
