"""Phases of a rising limit of clip length: each its share of the run."""

from __future__ import annotations

from sovits_cli.training.curriculum import CurriculumPhase, LengthCurriculum, phase_limits_s

PHASES = [
    CurriculumPhase(limit_s, lambda epoch, n=n: [[epoch]] * n) for limit_s, n in ((10.0, 4), (32.0, 6), (54.0, 8))
]


def shapes(curriculum: LengthCurriculum, epochs: int) -> list[tuple[float, int]]:
    return [(curriculum.limit_s(epoch), len(curriculum.plan(epoch))) for epoch in range(epochs)]


def test_limits_rise_evenly_from_the_first_to_the_last() -> None:
    assert phase_limits_s(10, 54, 3) == [10.0, 32.0, 54.0]
    assert phase_limits_s(1, 2, 4) == [1.0, 1.3, 1.7, 2.0]


def test_by_epochs_each_phase_has_whole_epochs() -> None:
    curriculum = LengthCurriculum(PHASES, epochs=6, max_steps=None, batches_per_update=2)
    assert [curriculum.limit_s(epoch) for epoch in range(7)] == [10, 10, 32, 32, 54, 54, 54]
    assert [len(curriculum.plan(epoch)) for epoch in range(6)] == [4, 4, 6, 6, 8, 8]


def test_by_steps_an_epoch_is_cut_where_its_phase_ends() -> None:
    """Twelve updates of one batch: four a phase; an epoch of the first has four, of the second six, cut to four."""
    curriculum = LengthCurriculum(PHASES, epochs=1, max_steps=12, batches_per_update=1)
    assert shapes(curriculum, 3) == [
        (10, 4),
        (32, 4),
        (54, 8),
    ]


def test_a_cut_epoch_has_whole_updates() -> None:
    curriculum = LengthCurriculum(PHASES, epochs=1, max_steps=4, batches_per_update=3)
    assert shapes(curriculum, 3) == [
        (10, 4),
        (32, 3),
        (54, 8),
    ]
