"""Memory in use: VRAM when the work is on a GPU, resident memory otherwise. Imports torch only if it is loaded."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class MemoryUse:
    """Memory at one moment: `kind` "VRAM" or "RSS", bytes in use, at most so far, still free."""

    kind: str
    used_bytes: int
    peak_bytes: int
    free_bytes: int


def memory(device: str = "cpu") -> MemoryUse:
    """Memory of this process on `device`."""
    if device.startswith("cuda") and "torch" in sys.modules:
        return _vram(device)
    return _rss()


def size(count: float) -> str:
    """Bytes in words: "512 MB", "3.4 GB"."""
    if count < 1e9:
        return f"{count / 1e6:.0f} MB"
    return f"{count / 1e9:.1f} GB"


def _vram(device: str) -> MemoryUse:
    import torch

    from sovits_cli.training import resident

    free, _total = torch.cuda.mem_get_info(device)
    return MemoryUse("VRAM", torch.cuda.memory_reserved(device), resident.most_reserved(device), free)


def _rss() -> MemoryUse:
    import psutil

    used = psutil.Process().memory_info()
    return MemoryUse("RSS", used.rss, max(_peak_rss_bytes(used), used.rss), psutil.virtual_memory().available)


def _peak_rss_bytes(used: object) -> int:
    """The most so far. Linux and Windows count it exactly; elsewhere getrusage, which a parent process can raise."""
    if (peak := getattr(used, "peak_wset", None)) is not None:
        return int(peak)
    from sovits_cli.training import resident

    if (peak := resident.most()) is not None:
        return peak
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
