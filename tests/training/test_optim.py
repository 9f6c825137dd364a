"""ScaledAdam beyond the golden file: exact resume, groups, limits."""

import copy
import math

import pytest
import torch

from sovits_cli.training.optim import MAX_SCALAR, LearningRateSchedule, ScaledAdam
from tests.differences import every_case
from tests.training.worlds import every_case_apart


def _params(seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = ((4, 3), (6,), (1,), ())
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]


def _train(params, optimizer, steps, seed):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for p in params:
            p.grad = torch.randn(p.shape, generator=generator)
        optimizer.step()


@every_case_apart("steps", [1, 3, 4, 7, 11])
def test_resume_is_exact(steps, tmp_path):
    straight = _params()
    optimizer = ScaledAdam(straight, clipping_period=5)
    _train(straight, optimizer, steps, seed=1)
    torch.save(optimizer.state_dict(), tmp_path / "state.pt")
    resumed = copy.deepcopy(straight)
    again = ScaledAdam(resumed, clipping_period=5)
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    _train(straight, optimizer, 9, seed=2)
    _train(resumed, again, 9, seed=2)
    for a, b in zip(straight, resumed, strict=True):
        assert torch.equal(a, b)


def test_resume_without_state_differs():
    straight = _params()
    optimizer = ScaledAdam(straight)
    _train(straight, optimizer, 4, seed=1)
    resumed = copy.deepcopy(straight)
    _train(straight, optimizer, 5, seed=2)
    _train(resumed, ScaledAdam(resumed), 5, seed=2)
    assert not torch.equal(straight[0], resumed[0])


def test_missing_gradient_counts_as_zeros():
    absent, zero = _params(), _params()
    for params, missing in ((absent, True), (zero, False)):
        optimizer = ScaledAdam(params)
        for _ in range(5):
            for p in params[1:]:
                p.grad = torch.ones_like(p)
            params[0].grad = None if missing else torch.zeros_like(params[0])
            optimizer.step()
    for a, b in zip(absent, zero, strict=True):
        assert torch.equal(a, b)


def test_groups_keep_their_own_rate():
    moving, still = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(3))
    optimizer = ScaledAdam([{"params": [moving]}, {"params": [still], "lr": 0.0}], lr=0.1)
    moving.grad, still.grad = torch.ones(3), torch.ones(3)
    optimizer.step()
    assert torch.equal(still, torch.ones(3))
    assert (moving < 1).all()


def test_scalar_is_clamped():
    p = torch.nn.Parameter(torch.tensor([50.0]))
    p.grad = torch.tensor([1.0])
    ScaledAdam([p]).step()
    assert p.item() == pytest.approx(MAX_SCALAR, abs=0.01)


def test_learns_a_line():
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn(256, 8, generator=generator)
    wanted = inputs @ torch.randn(8, 2, generator=generator)
    layer = torch.nn.Linear(8, 2)
    optimizer = ScaledAdam(layer.parameters(), lr=0.05)
    losses = []

    def closure():
        optimizer.zero_grad()
        loss = (layer(inputs) - wanted).square().mean()
        loss.backward()
        losses.append(loss.item())
        return loss.item()

    for _ in range(200):
        optimizer.step(closure)
    assert losses[-1] < 0.05 * losses[0]


# --- the learning rate -----------------------------------------------------------------------------------------

OFFICIAL = LearningRateSchedule(peak=0.01, initial=1e-5, final=1e-4, warmup_steps=2000, decay_steps=40_000)


@every_case(
    ("step", "rate"),
    [
        (0, 1e-5),
        (1000, (1e-5 + 0.01) / 2),
        (2000, 0.01),
        (21_000, (0.01 + 1e-4) / 2),
        (40_000, 1e-4),
        (90_000, 1e-4),
    ],
)
def test_official_shape(step: int, rate: float) -> None:
    assert OFFICIAL.at(step) == pytest.approx(rate)


def test_constant_without_decay() -> None:
    assert {LearningRateSchedule(peak=0.002).at(step) for step in (0, 7, 10**6)} == {0.002}


def test_decay_per_epoch() -> None:
    assert LearningRateSchedule(peak=1.0, epoch_decay=0.5).at(3, epoch=2) == 0.25


def test_never_rises_after_the_warm_up() -> None:
    rates = [OFFICIAL.at(step) for step in range(2000, 41_000, 500)]
    assert rates == sorted(rates, reverse=True)
    assert all(math.isfinite(rate) and rate > 0 for rate in rates)
