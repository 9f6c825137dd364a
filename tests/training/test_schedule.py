"""The official warm-up and cosine, at the points where they can be told by hand."""

import math

import pytest

from sovits_cli.training.optim import LearningRateSchedule

OFFICIAL = LearningRateSchedule(peak=0.01, initial=1e-5, final=1e-4, warmup_steps=2000, decay_steps=40_000)


@pytest.mark.parametrize(
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
    assert OFFICIAL.rate(step) == pytest.approx(rate)


def test_constant_without_decay() -> None:
    assert {LearningRateSchedule(peak=0.002).rate(step) for step in (0, 7, 10**6)} == {0.002}


def test_decay_per_epoch() -> None:
    assert LearningRateSchedule(peak=1.0, epoch_decay=0.5).rate(3, epoch=2) == 0.25


def test_never_rises_after_the_warm_up() -> None:
    rates = [OFFICIAL.rate(step) for step in range(2000, 41_000, 500)]
    assert rates == sorted(rates, reverse=True)
    assert all(math.isfinite(rate) and rate > 0 for rate in rates)
