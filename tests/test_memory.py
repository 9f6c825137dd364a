from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from sovits_cli import memory


def test_resident_memory_of_this_process() -> None:
    use = memory.memory_use("cpu")
    now = psutil.Process(os.getpid()).memory_info().rss
    assert use.kind == "RSS"
    assert use.used_bytes == pytest.approx(now, rel=0.2)
    assert use.used_bytes <= use.peak_bytes < 100 * now
    assert 0 < use.free_bytes < psutil.virtual_memory().total


PEAK = """
import os
from sovits_cli import memory
before = memory.memory_use()
block = bytearray(os.urandom(1)) * 100_000_000
during = memory.memory_use()
del block
after = memory.memory_use()
assert during.used_bytes > before.used_bytes + 90_000_000, (before, during)
assert after.peak_bytes >= during.used_bytes * 0.98, (during, after)
assert after.used_bytes < during.used_bytes, (during, after)
"""


ANEW = """
import os
from sovits_cli import memory
block = bytearray(os.urandom(1)) * 100_000_000
during = memory.memory_use()
del block
if memory.reset_peak_rss() is not None:
    assert memory.peak_rss() < during.used_bytes - 90_000_000
after = memory.memory_use()
assert after.peak_bytes >= during.used_bytes * 0.98, (during, after)
"""


def test_the_peak_of_the_run_outlives_a_count_that_is_begun_anew() -> None:
    """As the planner begins one, to see what a step takes."""
    subprocess.run([sys.executable, "-c", ANEW], check=True)


def test_so_does_the_peak_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    peak = {0: 5_000, 1: 70}
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (900, 1_000))
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 40)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda of: peak[torch.device(of).index or 0])
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda of: peak.update({of.index or 0: 40}))
    monkeypatch.setattr(memory, "_earlier_peak_gpu", {})
    for device in (torch.device("cuda"), torch.device("cuda", 1)):
        memory.reset_peak_gpu(device)
    assert peak == {0: 40, 1: 40}
    assert [memory.memory_use(of).peak_bytes for of in ("cuda", "cuda:0", "cuda:1")] == [5_000, 5_000, 70]
    peak[1] = 80
    assert memory.memory_use("cuda:1").peak_bytes == 80


def test_the_peak_stays_when_memory_is_given_back() -> None:
    """In a process of its own: in a long-lived one the allocator may keep what is given back."""
    subprocess.run([sys.executable, "-c", PEAK], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="counted exactly on Linux and Windows only")
def test_the_peak_is_not_that_of_the_parent() -> None:
    block = bytes(300_000_000)
    child = "from sovits_cli import memory; print(memory.memory_use().peak_bytes)"
    peak = subprocess.run([sys.executable, "-c", child], check=True, capture_output=True, text=True).stdout
    assert int(peak) < 100_000_000 < len(block)


@pytest.mark.gpu
def test_memory_of_a_gpu() -> None:
    import torch

    block = torch.zeros(50_000_000, dtype=torch.uint8, device="cuda:0")
    use = memory.memory_use("cuda:0")
    assert use.kind == "VRAM"
    assert block.numel() <= use.used_bytes <= use.peak_bytes
    assert 0 < use.free_bytes < torch.cuda.get_device_properties(0).total_memory
