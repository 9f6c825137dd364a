from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from sovits_cli.report import vram


def test_resident_memory_of_this_process() -> None:
    use = vram.memory("cpu")
    resident = psutil.Process(os.getpid()).memory_info().rss
    assert use.kind == "RSS"
    assert use.used_bytes == pytest.approx(resident, rel=0.2)
    assert use.used_bytes <= use.peak_bytes < 100 * resident
    assert 0 < use.free_bytes < psutil.virtual_memory().total


PEAK = """
import os
from sovits_cli.report import vram
before = vram.memory()
block = bytearray(os.urandom(1)) * 100_000_000
during = vram.memory()
del block
after = vram.memory()
assert during.used_bytes > before.used_bytes + 90_000_000, (before, during)
assert after.peak_bytes >= during.used_bytes * 0.98, (during, after)
assert after.used_bytes < during.used_bytes, (during, after)
"""


def test_the_peak_stays_when_memory_is_given_back() -> None:
    """In a process of its own: in a long-lived one the allocator may keep what is given back."""
    subprocess.run([sys.executable, "-c", PEAK], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="counted exactly on Linux and Windows only")
def test_the_peak_is_not_that_of_the_parent() -> None:
    block = bytes(300_000_000)
    child = "from sovits_cli.report import vram; print(vram.memory().peak_bytes)"
    peak = subprocess.run([sys.executable, "-c", child], check=True, capture_output=True, text=True).stdout
    assert int(peak) < 100_000_000 < len(block)


@pytest.mark.gpu
def test_memory_of_a_gpu() -> None:
    import torch

    block = torch.zeros(50_000_000, dtype=torch.uint8, device="cuda:0")
    use = vram.memory("cuda:0")
    assert use.kind == "VRAM"
    assert block.numel() <= use.used_bytes <= use.peak_bytes
    assert 0 < use.free_bytes < torch.cuda.get_device_properties(0).total_memory


@pytest.mark.parametrize(("count", "text"), [(0, "0 MB"), (512e6, "512 MB"), (3.44e9, "3.4 GB")])
def test_sizes(count: float, text: str) -> None:
    assert vram.size(count) == text
