"""A process killed outright at random moments: both sides of the tests of `prep` and `train`.

The outer side starts one process that imports what is needed once, and then forks a child for each kill.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


def report_event() -> None:
    """In the child: something happened that it may be killed after."""
    os.write(1, b"event\n")
    time.sleep(0.002)


def serve(work: Callable[[], object]) -> None:
    """In the process that forks: do the work in a new child for each line of the input."""
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            work()
            os._exit(0)
        os.write(1, b"started %d\n" % child)
        os.waitpid(child, 0)
        os.write(1, b"ended\n")


@dataclass(frozen=True)
class Kills:
    """How a process is killed.

    Args:
        times: Children that are started, one after the other.
        max_events: A child is killed after 1 to so many events.
        seed: Of the draw of that number.
        signal: What it is killed with.
    """

    times: int
    max_events: int
    seed: int
    signal: int = signal.SIGKILL


def run_and_kill(
    code: str,
    arguments: Iterable[str | Path],
    kills: Kills,
    *,
    after: Callable[[], object] = lambda: None,
    folder: Path = ROOT,
) -> int:
    """Run code that ends in `serve`, and kill its children; how many of them still ran then.

    Args:
        code: Python, given to the process that forks.
        arguments: Its `sys.argv`.
        kills: How often, and when.
        after: Called when a child has ended.
        folder: Where the code runs.
    """
    draw, count = random.Random(kills.seed), 0
    with subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder, text=True, bufsize=1,
    ) as forks:  # fmt: skip
        assert forks.stdin is not None
        assert forks.stdout is not None
        for _ in range(kills.times):
            forks.stdin.write("go\n")
            count += _kill(forks.stdout, draw.randint(1, kills.max_events), kills.signal)
            after()
        forks.stdin.close()
    return count


def _kill(lines: Iterable[str], after_events: int, number: int) -> bool:
    """Kill the run after so many events; tells whether it was still running."""
    child, events = 0, 0
    for line in lines:
        if line.startswith("started"):
            child = int(line.split()[1])
        elif line.startswith("ended"):
            return events >= after_events
        else:
            events += 1
        if child and events >= after_events:
            os.kill(child, number)
            child = 0
    return False
