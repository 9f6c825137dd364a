"""Batches in order, read ahead by threads.

    plan      [3,7] [1,9] [4,0] [8,2] [5,6] …
    workers     w0    w1    w0    w1             at most AHEAD_PER_WORKER each: memory stays bounded
    caller    [3,7] ───────> [1,9] ──────> …     in the order of the plan, whichever was ready first

Threads rather than processes: reading and spectrograms release the interpreter, nothing is copied between processes,
a killed run leaves no orphans, and it works the same on every system. Order and content do not depend on their number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import torch
from threadpoolctl import ThreadpoolController

Batch = TypeVar("Batch")

AHEAD_PER_WORKER = 2
"""Batches in memory per worker, finished or being read."""


class Prefetcher(Generic[Batch]):
    """Turns lists of item numbers into batches.

    Args:
        load: item numbers to a batch, or None if none of them can be read; called from several threads at once.
        workers: threads that read ahead; 0 reads in the caller's own thread, when asked.
    """

    def __init__(self, load: Callable[[list[int]], Batch | None], workers: int) -> None:
        self._load = load
        self._workers = workers

    def batches(self, plan: Sequence[list[int]]) -> Generator[Batch | None]:
        """The batches of `plan`, in its order. An error of `load` comes out where its batch would have."""
        if not self._workers:
            yield from map(self._load, plan)
            return
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="prefetch", initializer=_one_thread_each)
        waiting: deque[Future[Batch | None]] = deque()
        try:
            for items in plan:
                waiting.append(pool.submit(self._load, items))
                if len(waiting) > self._workers * AHEAD_PER_WORKER:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _one_thread_each() -> None:
    """A reader that computes a spectrogram takes one core, not all of them from the training.

    `torch.set_num_threads` would do this to every thread that begins later, in the whole process; OpenMP, which does
    the work, keeps a number for each thread. Asking torch first makes it set this thread up, once and for all: it
    would write its own number over ours otherwise.
    """
    torch.get_num_threads()
    ThreadpoolController().select(user_api="openmp").limit(limits=1)
