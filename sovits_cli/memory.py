"""Memory of this process and of its device: in use, at most so far, still free. Numbers only; `report/` draws them.

Two peaks are kept of each kind. The operating system and the allocator of a GPU count one since it was last reset, and
the planner of a training resets it before every step that it tries. The peak of the whole process must not forget what
was before, so each reset notes it here:

    bytes            .--.                .-------.
                .----'  '----.      .----'       '---      peak_rss():           since the last reset
           -----'            '------'                      lifetime_peak_rss():  the whole process
           ^ start           ^ reset_peak_rss()

On Linux the counts are exact: `VmHWM` of /proc/self/status, reset by writing 5 to /proc/self/clear_refs (man 5 proc).
Elsewhere nobody counts anew, and the functions say so with None. Imports torch only for a GPU.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

GIB = 2**30

_PROCESS = Path("/proc/self")

_earlier_peak_rss = 0
_earlier_peak_gpu: dict[int, int] = {}
"""Peaks of the counts that were ended by a reset: bytes, of a GPU by its number."""


@dataclass(frozen=True)
class MemoryUse:
    """Memory at one moment: `kind` "VRAM" or "RSS", bytes in use, at most so far, still free."""

    kind: str
    used_bytes: int
    peak_bytes: int
    free_bytes: int


def memory_use(device: str = "cpu") -> MemoryUse:
    """Memory of this process on a device: of the GPU if the work is on one, else resident memory."""
    if device.startswith("cuda") and "torch" in sys.modules:
        import torch

        free, _total = torch.cuda.mem_get_info(device)
        return MemoryUse("VRAM", torch.cuda.memory_reserved(device), lifetime_peak_gpu(device), free)
    import psutil

    used = psutil.Process().memory_info()
    return MemoryUse("RSS", used.rss, max(_peak_rss_anywhere(used), used.rss), psutil.virtual_memory().available)


def free_bytes(device: torch.device) -> int:
    """Memory that is free now, what this program already holds of a GPU included."""
    if device.type == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(device)[0]) + torch.cuda.memory_reserved(device)
    import psutil

    return int(psutil.virtual_memory().available)


def memory_gib(device: torch.device) -> float:
    """What a training logs: the peak of tensors on a GPU, or what is resident of this process now."""
    if device.type == "cuda":
        import torch

        return torch.cuda.max_memory_allocated(device) / GIB
    import psutil

    return float(psutil.Process().memory_info().rss) / GIB


def reset_peak_rss(*, trim: bool = True) -> int | None:
    """Begin the peak of resident memory anew; `trim` gives freed memory back to the system first.

    Returns:
        Bytes that are resident now; None if nobody counts.
    """
    global _earlier_peak_rss
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        if trim:
            ctypes.CDLL(None).malloc_trim(0)
    before = peak_rss() or 0
    try:
        (_PROCESS / "clear_refs").write_text("5")
    except OSError:
        return None
    _earlier_peak_rss = max(_earlier_peak_rss, before)
    return _read_status("VmRSS")


def peak_rss() -> int | None:
    """Most bytes that were resident since the last reset; None if nobody counts."""
    return _read_status("VmHWM")


def lifetime_peak_rss() -> int | None:
    """Most bytes that were ever resident, whatever was reset since; None if nobody counts."""
    now = peak_rss()
    return None if now is None else max(now, _earlier_peak_rss)


def reset_peak_gpu(device: torch.device) -> None:
    """Begin the peaks of the allocator of a GPU anew."""
    import torch

    _earlier_peak_gpu[_gpu_number(device)] = lifetime_peak_gpu(device)
    torch.cuda.reset_peak_memory_stats(device)


def lifetime_peak_gpu(device: torch.device | str) -> int:
    """Most bytes that the allocator ever took from a GPU, whatever was reset since."""
    import torch

    return max(torch.cuda.max_memory_reserved(device), _earlier_peak_gpu.get(_gpu_number(device), 0))


def _peak_rss_anywhere(used: object) -> int:
    """The most so far. Linux and Windows count it exactly; elsewhere getrusage, which a parent process can raise."""
    if (peak := getattr(used, "peak_wset", None)) is not None:
        return int(peak)
    if (peak := lifetime_peak_rss()) is not None:
        return peak
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _gpu_number(device: torch.device | str) -> int:
    import torch

    number = torch.device(device).index
    return torch.cuda.current_device() if number is None else number


def _read_status(what: str) -> int | None:
    """A count of /proc/self/status in bytes; None where there is none."""
    try:
        found = re.search(rf"{what}:\s+(\d+) kB", (_PROCESS / "status").read_text())
    except OSError:
        return None
    return None if found is None else int(found[1]) * 1024
