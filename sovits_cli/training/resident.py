"""Memory of this process, resident (as Linux counts it) and of a GPU, with peaks that can be begun anew.

A count that is begun anew by the planner must not make the peak of the whole run forget what was before: what is lost
by that is remembered here. Imports torch only for a GPU.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_PROCESS = Path("/proc/self")

_most_resident = 0
_most_reserved: dict[int, int] = {}
"""Peaks of the counts that were ended by `begin` and `begin_gpu`: bytes, by the number of the GPU."""


def begin(*, trim: bool = True) -> int | None:
    """Give freed memory back (`trim`), begin the count of the peak anew.

    Returns:
        Bytes that are resident now; None if nobody counts.
    """
    global _most_resident
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        if trim:
            ctypes.CDLL(None).malloc_trim(0)
    before = peak() or 0
    try:
        (_PROCESS / "clear_refs").write_text("5")
    except OSError:
        return None
    _most_resident = max(_most_resident, before)
    return _count("VmRSS")


def peak() -> int | None:
    """Most bytes that were resident since `begin`; None if nobody counts."""
    return _count("VmHWM")


def most() -> int | None:
    """Most bytes that were ever resident, whatever has been begun since; None if nobody counts."""
    now = peak()
    return None if now is None else max(now, _most_resident)


def begin_gpu(device: torch.device) -> None:
    """Begin the peaks of the allocator of a GPU anew."""
    import torch

    _most_reserved[_number(device)] = most_reserved(device)
    torch.cuda.reset_peak_memory_stats(device)


def most_reserved(device: torch.device | str) -> int:
    """Most bytes that the allocator ever took from a GPU, whatever has been begun since."""
    import torch

    return max(torch.cuda.max_memory_reserved(device), _most_reserved.get(_number(device), 0))


def _number(device: torch.device | str) -> int:
    import torch

    number = torch.device(device).index
    return torch.cuda.current_device() if number is None else number


def _count(what: str) -> int | None:
    try:
        found = re.search(rf"{what}:\s+(\d+) kB", (_PROCESS / "status").read_text())
    except OSError:
        return None
    return None if found is None else int(found[1]) * 1024
