"""How fast `sovits slice` is, and its memory: `python -m tests.benchmarks.slice [--hours 1 10] [--folder DIR]`.

Makes 44.1 kHz 16 bit mono recordings of bursts and pauses, slices each in a process of its own with the files written,
and prints one JSON document. Needs about 1.3 GB of disk an hour; removes what it made.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import soundfile

RATE = 44_100
GOAL_TIMES_REAL_TIME = 1000
GOAL_RSS_MB = 300


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, nargs="+", default=[1, 10])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to make the recordings, default a temporary folder")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="sovits-slice-", dir=given.folder))
    try:
        results = [measure(folder, hours, given.runs) for hours in given.hours]
    finally:
        shutil.rmtree(folder)
    goals = {"times_real_time": GOAL_TIMES_REAL_TIME, "peak_rss_mb": GOAL_RSS_MB}
    print(json.dumps({"benchmark": "slice", "hardware": hardware(), "goals": goals, "results": results}, indent=2))


def measure(folder: Path, hours: float, runs: int) -> dict[str, Any]:
    """Slice one recording a few times; every run writes all its files anew."""
    source = recording(folder / "long.wav", hours)
    timed = [run_slice(source, folder / f"slices-{run}") for run in range(runs)]
    slices = sum(1 for _ in (folder / "slices-0" / "slices.jsonl").open())
    source.unlink()
    for run in range(runs):  # not between the runs: ext4 makes new files slowly where many have just been deleted
        shutil.rmtree(folder / f"slices-{run}")
    times_s = sorted(one["wall_s"] for one in timed)
    best_s, middle_s = times_s[0], times_s[len(times_s) // 2]
    return {
        "hours": hours,
        "slices": slices,
        "wall_s": {"best": best_s, "median": middle_s, "worst": times_s[-1]},
        "times_real_time": {"best": round(hours * 3600 / best_s), "median": round(hours * 3600 / middle_s)},
        "cpu_s": [one["cpu_s"] for one in timed],
        "peak_rss_mb": max(one["peak_rss_mb"] for one in timed),
        "load_before": [one["load_before"] for one in timed],
    }


def run_slice(source: Path, out: Path) -> dict[str, float]:
    """Run the command in a process of its own, start-up included."""
    load = os.getloadavg()[0]
    command = [sys.executable, "-m", "sovits_cli", "slice", str(source), "--out", str(out), "--quiet"]
    began_s = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - began_s
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"sovits slice ended with {process.returncode}")
    return {
        "wall_s": round(wall_s, 2),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_rss_mb": round(usage.ru_maxrss / 1024, 1),
        "load_before": round(load, 1),
    }


def recording(path: Path, hours: float) -> Path:
    """Write bursts of 2-8 s and pauses of 0.1-1.5 s; every tenth minute is one burst without a pause."""
    rng = np.random.default_rng(7)
    minute = (rng.standard_normal(RATE * 60) * 3000).astype(np.int16)
    left = round(hours * 3600 * RATE)
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16", format="RF64") as out:
        while left > 0:
            seconds = 60 if rng.random() < 0.01 else rng.uniform(2, 8)
            burst = minute[: min(left, int(seconds * RATE))]
            pause = np.zeros(min(left - len(burst), int(rng.uniform(0.1, 1.5) * RATE)), np.int16)
            out.write(burst)
            out.write(pause)
            left -= len(burst) + len(pause)
    return path


def hardware() -> dict[str, Any]:
    """Name the machine."""
    return {
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "libsndfile": soundfile.__libsndfile_version__,
    }


def cpu_name() -> str:
    """What /proc says, else what Python says."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


if __name__ == "__main__":
    main()
