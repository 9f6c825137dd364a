"""What steps cost, fitted: never below what was measured, no coefficient negative, and true in between.

The tables are those of a measurement on a GPU: networks of official size, one NVIDIA H100, 16-mixed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovits_cli.training.memory_profiler import GPU_SHAPES, SHORT_SHAPES
from sovits_cli.training.step_cost import ProfiledStep, StepCost, fit, fit_from_above, fit_through_the_middle
from tests.differences import every_case

GIB = 2**30
USABLE_SHARE = 1.03
GPT_GIB = {10: 2.4, 20: 3.7, 40: 6.2, 54: 8.0, 80: 11.3}
"""Of 8 clips, by their seconds."""

SOVITS_GIB = {(1, 80): 2.6, (8, 20): 4.3}
FRAMES_PER_S = 50
CELLS = [(clips, seconds) for clips in (1, 2, 4, 8, 16, 32) for seconds in (6, 10, 20, 30, 40, 54, 80)]

Table = Callable[[int, int], float]


def trial(clips: int, positions: int, peak_bytes: float, seconds: float = 1.0) -> ProfiledStep:
    return ProfiledStep(clips, positions, peak_bytes, 0.0, seconds + 0.03, 0.03)


def tried(bytes_: Table, seconds: Table, shapes: list[tuple[int, float]], rate: int = FRAMES_PER_S) -> StepCost:
    """Fitted to steps of such shapes of clips and seconds."""
    sizes = [(clips, int(length_s * rate) * clips) for clips, length_s in shapes]
    return fit([trial(*size, bytes_(*size), seconds(*size)) for size in sizes], fragmentation=USABLE_SHARE, starts=True)


def gpt_bytes(clips: int, positions: int) -> float:
    """A line through the measured ones, 37 positions a second."""
    seconds = positions / clips / 37
    return GIB * (1.128 + clips / 8 * seconds * 0.1271)


def sovits_bytes(clips: int, positions: int) -> float:
    """A sum that gives both measured cells: networks and optimisers, slices, frames."""
    return GIB * (1.9 + 0.167 * clips + 0.133e-3 * positions)


class Workspaces:
    """Of convolutions: chosen by shape, without rule, up to so much."""

    def __init__(self, seed: int, most_bytes: float) -> None:
        self._draw, self._most, self._known = np.random.default_rng(seed), most_bytes, {}

    def __call__(self, clips: int, positions: int) -> float:
        key = clips, positions
        if key not in self._known:
            self._known[key] = self._draw.choice([0.0, 0.02, 0.05, 0.1, 1.0]) * self._most
        return self._known[key]


def test_the_tables_are_those_that_were_measured() -> None:
    for seconds, measured in GPT_GIB.items():
        assert gpt_bytes(8, 8 * seconds * 37) / GIB == pytest.approx(measured, rel=0.01)
    for (clips, seconds), measured in SOVITS_GIB.items():
        assert sovits_bytes(clips, clips * seconds * FRAMES_PER_S) / GIB == pytest.approx(measured, rel=0.01)


@pytest.mark.parametrize(("table", "rate"), [(gpt_bytes, 37), (sovits_bytes, FRAMES_PER_S)])
@pytest.mark.parametrize("shapes", [list(SHORT_SHAPES), [*SHORT_SHAPES, *GPU_SHAPES]], ids=["short", "grid"])
def test_memory_that_grows_evenly_is_told_within_a_tenth(table: Table, rate: int, shapes: list[Any]) -> None:
    cost = tried(table, lambda *_: 1.0, shapes, rate)
    for clips, seconds in CELLS:
        positions = clips * seconds * rate
        assert 1.0 <= cost.memory(clips, positions) / table(clips, positions) <= 1.1


@every_case("seed", range(8))
def test_workspaces_of_a_tenth_of_a_gigabyte_are_borne(seed: int) -> None:
    """Short steps alone, solved exactly, told 2.4 times too much of 1 x 80 s, and a third of 8 x 20 s."""
    workspace = Workspaces(seed, 0.1 * GIB)

    def table(clips: int, positions: int) -> float:
        return sovits_bytes(clips, positions) + workspace(clips, positions)

    cost = tried(table, lambda *_: 1.0, [*SHORT_SHAPES, *GPU_SHAPES])
    assert (cost.bytes >= 0).all()
    for clips, seconds in CELLS:
        positions = clips * seconds * FRAMES_PER_S
        ratio = cost.memory(clips, positions) / table(clips, positions)
        assert 0.97 <= ratio <= 1.1
        if (clips, seconds) in GPU_SHAPES:
            assert ratio >= 1.0


def test_exactly_solved_short_steps_were_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this replaces: the bad twin of the test above."""
    workspace = Workspaces(1, 0.25 * GIB)
    sizes = [(clips, int(seconds * FRAMES_PER_S) * clips) for clips, seconds in SHORT_SHAPES]
    rows = np.array([[1.0, clips, positions, positions / clips] for clips, positions in sizes])
    values = np.array([sovits_bytes(*size) + workspace(*size) for size in sizes])
    solved = np.linalg.solve(rows, values)
    assert (solved < 0).any()
    assert (fit_from_above(rows, values) >= 0).all()


terms = st.tuples(*[st.floats(0, 10) for _ in range(4)]).filter(lambda found: found[0] > 0.01)


@given(terms, st.lists(st.floats(0, 3), min_size=15, max_size=15))
def test_never_below_what_was_measured_and_never_negative(
    truth: tuple[float, float, float, float], noise: list[float]
) -> None:
    sizes = [(clips, int(seconds * FRAMES_PER_S) * clips) for clips, seconds in (*SHORT_SHAPES, *GPU_SHAPES)]
    rows = np.array([[1.0, clips, positions / 1000, positions / clips / 1000] for clips, positions in sizes])
    values = rows @ truth + noise
    found = fit_from_above(rows, values)
    assert (found >= 0).all()
    assert (rows @ found >= values * (1 - 1e-12)).all()
    assert (rows @ found / values).sum() <= (rows @ truth + 3) @ (1 / values) + 1e-6  # no worse than what is known


@given(terms, st.integers(0, 14), st.floats(1.5, 100))
def test_one_disturbed_step_does_not_move_the_time(
    truth: tuple[float, float, float, float], which: int, times: float
) -> None:
    sizes = [(clips, int(seconds * FRAMES_PER_S) * clips) for clips, seconds in (*SHORT_SHAPES, *GPU_SHAPES)]
    rows = np.array([[1.0, clips, positions / 1000, positions**2 / clips / 1e6] for clips, positions in sizes])
    values = rows @ truth
    values[which] *= times
    found = fit_through_the_middle(rows, values)
    assert (found >= 0).all()
    others = [index for index in range(len(sizes)) if index != which]
    assert np.abs(rows[others] @ found / values[others] - 1).mean() < 0.1


@every_case(
    "table",
    [
        lambda clips, positions: max(0.135 + 0.004 * clips, 2.1e-5 * positions),  # 8 x 10 s 0.167, 8 x 54 s 0.34
        lambda clips, positions: max(0.25, 0.03 + 0.01 * clips + 4e-5 * positions),
        lambda clips, positions: 0.5e-3 * positions + 2e-8 * positions**2 / clips,
        lambda clips, positions: 0.2,
    ],
)
def test_seconds_are_told_within_fifteen_hundredths(table: Table) -> None:
    cost = tried(sovits_bytes, table, [*SHORT_SHAPES, *GPU_SHAPES])
    for clips, seconds in CELLS:
        positions = clips * seconds * FRAMES_PER_S
        assert cost.time_s(clips, positions) == pytest.approx(table(clips, positions) + 0.03, rel=0.15)
