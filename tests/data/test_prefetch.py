"""Batches come in order whatever reads them; errors come out where their batch would; nothing runs on afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
import torch

from sovits_cli.data.prefetch import AHEAD_PER_WORKER, Prefetcher
from sovits_cli.errors import DatasetError

PLAN = [[number] for number in range(20)]


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_order(workers: int) -> None:
    def slow_first(numbers: list[int]) -> int:
        time.sleep(0.02 if numbers[0] == 0 else 0)
        return numbers[0]

    assert list(Prefetcher(slow_first, workers).batches(PLAN)) == list(range(20))


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_comes_in_its_place(workers: int) -> None:
    def load(numbers: list[int]) -> int:
        if numbers[0] == 3:
            raise DatasetError("broken")
        return numbers[0]

    batches = Prefetcher(load, workers).batches(PLAN)
    assert [next(batches) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(DatasetError):
        next(batches)


def test_reads_ahead_but_not_everything() -> None:
    loaded: list[int] = []
    with closing(Prefetcher(lambda numbers: loaded.append(numbers[0]), 2).batches(PLAN)) as batches:
        next(batches)
        time.sleep(0.1)
        assert 1 < len(loaded) <= 2 * AHEAD_PER_WORKER + 1
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]


def threads_of_a_new_thread() -> int:
    """What torch computes with in a thread that has just begun, as one of a program around us would."""
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    return seen[0]


@pytest.fixture
def three_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("three_threads")
def test_readers_take_one_thread_and_leave_those_of_all_others_alone() -> None:
    def load(_: list[int]) -> int:
        torch.ones(100_000).add(1)  # sets the thread up, if it is not
        return torch.get_num_threads()

    with closing(Prefetcher(load, 2).batches(PLAN)) as batches:
        assert next(batches) == 1
        assert (torch.get_num_threads(), threads_of_a_new_thread()) == (3, 3)
        assert set(batches) == {1}
    assert (torch.get_num_threads(), threads_of_a_new_thread()) == (3, 3)


def test_without_workers_nothing_runs_in_the_background() -> None:
    names = set(Prefetcher(lambda _: threading.current_thread().name, 0).batches(PLAN))
    assert names == {threading.current_thread().name}
