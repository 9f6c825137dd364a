"""K-means: as good as the truth where there is one, the same by seed, and whole where points are few or equal."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sovits_cli.training.stages import content
from sovits_cli.training.stages.content import k_means, lloyd, nearest_centres


def inertia(points: Tensor, centres: Tensor) -> float:
    return float(nearest_centres(points, centres)[1].double().mean())


@pytest.fixture(scope="module")
def clouds() -> tuple[Tensor, Tensor]:
    """5 000 points around 24 centres in 16 dimensions, and the centres."""
    draw = torch.Generator().manual_seed(1)
    truth = torch.randn(24, 16, generator=draw)
    points = truth[torch.randint(24, (5_000,), generator=draw)] + 0.2 * torch.randn(5_000, 16, generator=draw)
    return points, truth


@pytest.mark.parametrize("seed", [0, 1])
def test_it_finds_the_clouds(clouds: tuple[Tensor, Tensor], seed: int) -> None:
    """Nearer than the centres that the points were drawn around: those are means of more than these points."""
    points, truth = clouds
    found = k_means(points, 24, seed=seed)
    assert found.shape == truth.shape
    assert inertia(points, found) <= inertia(points, truth)


def test_the_same_by_seed(clouds: tuple[Tensor, Tensor]) -> None:
    points, _ = clouds
    assert torch.equal(k_means(points, 8, seed=3), k_means(points, 8, seed=3))
    assert not torch.equal(k_means(points, 8, seed=3), k_means(points, 8, seed=4))


def test_what_a_sample_began_goes_on_with_all_points(
    clouds: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    points, truth = clouds
    monkeypatch.setattr(content, "SAMPLE_PER_CENTRE", 8)
    assert inertia(points, k_means(points, 24, seed=0)) <= 1.3 * inertia(points, truth)


def test_a_centre_without_points_moves_to_the_farthest(clouds: tuple[Tensor, Tensor]) -> None:
    points, truth = clouds
    lost = torch.cat([truth[:-1], torch.full((1, 16), 1e3)])
    found, total = lloyd(points, lost)
    assert inertia(points, found) <= inertia(points, truth)
    assert total == pytest.approx(len(points) * inertia(points, found))


def test_fewer_points_than_centres_and_equal_points() -> None:
    few = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    assert inertia(few, k_means(few, 5, seed=0)) == 0
    assert torch.equal(k_means(torch.ones(10, 2), 3, seed=0), torch.ones(3, 2))


def test_distances_in_chunks(clouds: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    points, truth = clouds
    whole = nearest_centres(points, truth)
    monkeypatch.setattr(content, "CHUNK", 77)
    assert torch.equal(nearest_centres(points, truth)[0], whole[0])
    assert torch.equal(whole[0], torch.cdist(points, truth).argmin(1))
