"""K-means: the centres that points lie around, found by Lloyd's rounds (1982) from a k-means++ start (Arthur, 2007)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

STARTS = 3
"""Lloyd's rounds find the nearest local optimum: the best of so many starts is kept."""

SAMPLE_PER_CENTRE = 128
"""Points a centre that the starts are compared on; the best one then goes on with all points."""

MAX_ROUNDS = 60
MIN_GAIN = 1e-4
"""Share of the inertia that a round has to save for another one to follow."""

CHUNK = 16_384
"""Points whose distances to all centres are held at once."""


def k_means(points: Tensor, count: int, *, seed: int) -> Tensor:
    """Give `count` centres, (count, C), for points (N, C) in float32; the same for the same seed.

    What is made small is the inertia, the sum of the squared distances of the points to their nearest centre.
    """
    generator = torch.Generator().manual_seed(seed)
    picked = torch.randperm(len(points), generator=generator)[: SAMPLE_PER_CENTRE * count]
    sample = points[picked]
    starts = [lloyd(sample, spread_start(sample, count, generator)) for _ in range(STARTS)]
    best, _ = min(starts, key=lambda start: start[1])
    return best if len(sample) == len(points) else lloyd(points, best)[0]


def spread_start(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """k-means++: a centre is a point drawn with a chance that grows with its squared distance from those before.

    The greedy form: of a few points drawn for each centre, the one that leaves the smallest inertia.
    """
    trials = 2 + int(math.log(count))
    chosen = torch.randint(len(points), (1,), generator=generator)
    distance = _squared(points, points[chosen])[:, 0]
    while len(chosen) < count:
        # Where every point is a centre already, any of them will do.
        chance = distance.double() if distance.any() else torch.ones_like(distance, dtype=torch.float64)
        reached = torch.rand(trials, generator=generator, dtype=torch.float64) * chance.sum()
        drawn = torch.searchsorted(chance.cumsum(0), reached).clamp(max=len(points) - 1)
        left = torch.minimum(distance[:, None], _squared(points, points[drawn]))
        best = left.sum(0).argmin()
        chosen, distance = torch.cat((chosen, drawn[best, None])), left[:, best]
    return points[chosen]


def lloyd(points: Tensor, centres: Tensor) -> tuple[Tensor, float]:
    """Move each centre (K, C) into the mean of its points while that gains something; gives them and the inertia."""
    before = float("inf")
    for _ in range(MAX_ROUNDS):
        nearest, distance = nearest_centres(points, centres)
        inertia = float(distance.double().sum())
        sizes = torch.bincount(nearest, minlength=len(centres))
        sums = torch.zeros_like(centres).index_add_(0, nearest, points)
        centres = torch.where(sizes[:, None] > 0, sums / sizes.clamp(min=1)[:, None], centres)
        if empty := int((sizes == 0).sum()):
            # A centre that no point is nearest to moves onto one of the points that are farthest from theirs.
            centres[sizes == 0] = points[distance.topk(min(empty, len(points))).indices].repeat(empty, 1)[:empty]
        elif before - inertia <= MIN_GAIN * inertia:
            break
        before = inertia
    return centres, float(nearest_centres(points, centres)[1].double().sum())


def nearest_centres(points: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
    """The number of each point's nearest centre, (N,) int64, and its squared distance, (N,)."""
    found = [_squared(chunk, centres).min(1) for chunk in torch.split(points, CHUNK)]
    return torch.cat([item.indices for item in found]), torch.cat([item.values for item in found])


def _squared(points: Tensor, centres: Tensor) -> Tensor:
    """Squared distances (N, K) by |p - c|^2 = |p|^2 - 2 p c + |c|^2: one product instead of N K differences."""
    return torch.addmm(centres.square().sum(1), points, centres.T, alpha=-2).add_(
        points.square().sum(1, keepdim=True)
    ).clamp_(min=0)  # fmt: skip
