"""Watching steps: the memory of what lives at once."""

from __future__ import annotations

import torch

from sovits_cli.training.peak_memory import PeakMemoryMeter
from tests.training.profilers import CPU


def test_watch_counts_what_lives_at_once() -> None:
    with PeakMemoryMeter(CPU, held_bytes=1000) as watch:
        one = torch.ones(1000)
        one = one + 1
        view = one.view(10, 100)
        del one
        torch.zeros(500)
        assert watch.lap() == 1000 + 8000
        del view
        torch.zeros(500)
        assert watch.lap() == 1000 + 4000


def test_watch_that_does_not_count() -> None:
    with PeakMemoryMeter(CPU, held_bytes=1000, counting=False) as watch:
        torch.zeros(500)
        assert watch.lap() == 1000
