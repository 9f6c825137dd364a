"""What a training step costs in memory and seconds, as a function of its batch, fitted to steps that were measured.

    bytes   = max(a + b clips + c positions + d positions/clips,     until the gradients are there
                  s)                                                 while the optimisers step
    seconds = max(a + b clips + c positions + d positions²/clips,    computing
                  e + f clips)                                       starting kernels, while a GPU waits
              + what the optimisers take

    a   networks, optimisers, gradients
    b   what every clip costs whatever its length: the slice that the decoder and the discriminators hear
    c   what every position (token or frame) costs: the activations of encoders, posterior and flow that the backward
        pass needs (with activation checkpointing: the inputs of each block only)
    d   in memory, what is needed for one clip at a time; in time, attention, which looks at all pairs

None of them can be negative. What a step takes beside its tensors (workspaces of convolutions, chosen by shape) is no
function of the batch at all, so the memory is fitted from above (`fit_from_above`): of all such sums that are nowhere
below a measured step, the one that is closest to them.

    bytes |                        / fitted: nowhere below a measured step
          |                  x  /
          |            x    /
          |       x    /
          |    x  /  <- a step that happened to need a large workspace lies on it
          |   /
          +------------------------- positions

What was measured is not predicted: there the measured bytes count. Knows numbers only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class ProfiledStep:
    """A step that was measured.

    Args:
        clips: in its batch.
        positions: of all of them.
        peak_bytes: until the gradients were there.
        step_bytes: peak while the optimisers stepped.
        seconds: of the whole step.
        step_s: of the optimisers.
    """

    clips: int
    positions: int
    peak_bytes: float
    step_bytes: float
    seconds: float
    step_s: float


@dataclass(frozen=True)
class StepCost:
    """What a step takes.

    Args:
        bytes: a, b, c, d of the memory until the gradients are there.
        step_bytes: what the optimisers take, whatever the batch.
        computing, starting: a, b, c, d and e, f of the time without the optimisers.
        step_s: seconds of the optimisers.
        tried: bytes of the steps that were measured, by clips and positions.
        margin: share by which the fitted bytes are above the measured ones, on average.
    """

    bytes: np.ndarray
    step_bytes: float
    computing: np.ndarray
    starting: np.ndarray
    step_s: float
    tried: Mapping[tuple[int, int], float] = field(default_factory=dict)
    margin: float = 0.0

    def memory(self, clips: int, positions: int) -> float:
        """Peak bytes of a step."""
        known = self.tried.get((clips, positions))
        peak = float(self.bytes @ _memory_terms(clips, positions)) if known is None else known
        return max(peak, self.step_bytes)

    def time_s(self, clips: int, positions: int) -> float:
        """Seconds of a step."""
        computing, starting = self.computing @ _time_terms(clips, positions), self.starting @ (1.0, clips)
        return self.step_s + float(max(computing, starting))


def fit(trials: Sequence[ProfiledStep], *, fragmentation: float, starts: bool) -> StepCost:
    """The cost that these steps show.

    Args:
        fragmentation: factor on their memory, for what differs from one step to the next of the same shape.
        starts: whether short steps may be spent on starting kernels, as on a GPU.
    """
    measured = np.array([one.peak_bytes for one in trials])
    peaks = fragmentation * measured
    rows = np.array([_memory_terms(one.clips, one.positions) for one in trials])
    coefficients = fit_from_above(rows, peaks)
    computing, starting = _times(trials, starts=starts)
    return StepCost(
        bytes=coefficients,
        step_bytes=fragmentation * max(one.step_bytes for one in trials),
        computing=computing,
        starting=starting,
        step_s=float(np.median([one.step_s for one in trials])),
        tried={(one.clips, one.positions): peak for one, peak in zip(trials, peaks.tolist(), strict=True)},
        margin=float(np.mean(rows @ coefficients / measured)) - 1,
    )


def _times(trials: Sequence[ProfiledStep], *, starts: bool) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of the seconds: of computing, and of starting kernels.

    The shortest steps may be of the second kind: how many of them is tried out.
    """
    trials = sorted(trials, key=lambda one: one.positions)
    took = np.array([max(one.seconds - one.step_s, 1e-9) for one in trials])
    rows = np.array([_time_terms(one.clips, one.positions) for one in trials])
    none = np.zeros(rows.shape[1]), np.zeros(2)
    found: list[tuple[float, np.ndarray, np.ndarray]] = []
    for first in range(len(trials)) if starts else (0,):
        starting = fit_through_the_middle(rows[:first, :2], took[:first]) if first else none[1]
        computing = fit_through_the_middle(rows[first:], took[first:])
        predicted = np.maximum(rows @ computing, rows[:, :2] @ starting)
        found.append((float(np.abs(predicted / took - 1).sum()), computing, starting))
    _, computing, starting = min(found, key=lambda one: one[0])
    return computing, starting


def fit_from_above(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Coefficients x >= 0 with `rows @ x >= values` and the least sum of relative distances (a linear programme).

    Args:
        rows: (trials, terms), none negative, no column zero.
        values: (trials,), positive.
    """
    from scipy.optimize import linprog

    relative, scale = _relative(rows, values)
    found = linprog(relative.sum(0), A_ub=-relative, b_ub=-np.ones(len(values)), bounds=(0, None), method="highs")
    assert found.success, found.message  # a large first term alone is above everything
    x: np.ndarray = found.x.clip(min=0)
    x /= scale * (relative @ x).min()  # the solver keeps its bounds up to a tolerance: here they hold
    return x


def fit_through_the_middle(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Coefficients x >= 0 with the least sum of absolute relative distances: one disturbed value does not move them.

    Args:
        rows: (trials, terms), none negative, no column zero.
        values: (trials,), positive.
    """
    from scipy.optimize import linprog

    relative, scale = _relative(rows, values)
    trials, terms = relative.shape
    # |relative @ x - 1| <= e, and the sum of e is the least
    bounds = np.block([[relative, -np.eye(trials)], [-relative, -np.eye(trials)]])
    aims = np.concatenate([np.ones(trials), -np.ones(trials)])
    weights = np.concatenate([np.zeros(terms), np.ones(trials)])
    found = linprog(weights, A_ub=bounds, b_ub=aims, bounds=(0, None), method="highs")
    assert found.success, found.message  # zero is as far as all values, at most
    x: np.ndarray = found.x[:terms].clip(min=0)
    x /= scale
    return x


def _relative(rows: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows in shares of their value, and what each column was divided by, so that all are of one size."""
    relative = rows / values[:, None]
    scale = relative.max(0)
    return relative / scale, scale


def _memory_terms(clips: int, positions: int) -> np.ndarray:
    return np.array([1.0, clips, positions, positions / clips])


def _time_terms(clips: int, positions: int) -> np.ndarray:
    return np.array([1.0, clips, positions, positions**2 / clips])
