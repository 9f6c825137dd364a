"""What reading model files costs: `python -m tests.benchmarks.checkpoints [--tensors 14000] [--runs 3]`.

Prints one JSON document: seconds and memory to read files of many tensors in each container, to refuse files of 200 000
tensors and those that would copy themselves for ever, and the share of loading that looking at the weights takes, at
official sizes. Each file is read in a fresh process.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from sovits_cli.checkpoints import weight_loading
from sovits_cli.checkpoints.networks import load_gpt, load_vits
from sovits_cli.checkpoints.safetensors_io import save_safetensors
from tests.benchmarks.sovits_decoder import cpu_name
from tests.checkpoints import hostile, synthetic

GOAL_REFUSED_S = 5.0
REFUSED_TENSORS = 200_000
_READ = """
import re, sys, time
from pathlib import Path
from sovits_cli.checkpoints.model_file import read_model_file
from sovits_cli.errors import ModelError
def peak_kb():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
before, start = peak_kb(), time.perf_counter()
try:
    said = f"{len(read_model_file(Path(sys.argv[1])).weight)} tensors"
except ModelError as error:
    said = error.message.removeprefix(sys.argv[1]).strip()
print(time.perf_counter() - start, (peak_kb() - before) / 1024, said)
"""
BOMBS = (
    hostile.one_text_encoded_again_and_again,
    hostile.pairs_copied_again_and_again,
    hostile.state_copied_again_and_again,
    hostile.paths_joined_again_and_again,
    hostile.tensors_without_end,
    hostile.many_objects,
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tensors", type=int, default=14_000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        report_ = {
            "benchmark": "checkpoints",
            "hardware": {"cpu": cpu_name(), "python": platform.python_version(), "torch": torch.__version__},
            "goals": {"refused_s": GOAL_REFUSED_S},
            f"{given.tensors} tensors": {
                name: reading(path, given.runs) for name, path in of_tensors(folder, given.tensors).items()
            },
            f"{REFUSED_TENSORS} tensors": {
                name: reading(path, given.runs) for name, path in of_tensors(folder, REFUSED_TENSORS).items()
            },
            "bombs": {maker.__name__: reading(bomb(folder, maker), given.runs) for maker in BOMBS},
            "loading": loading(folder, given.runs),
        }
    print(json.dumps(report_, indent=2))


def of_tensors(folder: Path, count: int) -> dict[str, Path]:
    """A file of so many tensors of one value in each container."""
    weight = {f"layer.{number}.weight": torch.zeros(1) for number in range(count)}
    paths = {name: folder / f"{count}-{name}" for name in ("safetensors", "zip", "stream")}
    save_safetensors(paths["safetensors"], weight, {})
    torch.save({"weight": weight}, paths["zip"])
    torch.save({"weight": weight}, paths["stream"], _use_new_zipfile_serialization=False)
    return paths


def bomb(folder: Path, maker: Callable[[Path, Path], None]) -> Path:
    """A hostile file."""
    path = folder / f"{maker.__name__}.pth"
    maker(path, folder / "executed")
    return path


def reading(path: Path, runs: int) -> dict[str, Any]:
    """The quickest of several fresh processes: seconds, growth of resident memory, and what was said."""
    rows = []
    for _ in range(runs):
        done = subprocess.run([sys.executable, "-c", _READ, str(path)], capture_output=True, text=True, check=True)
        seconds, grown_mb, said = done.stdout.strip().split(" ", 2)
        rows.append((float(seconds), float(grown_mb), said))
    seconds_, grown, said = min(rows)
    return {"file_mb": round(path.stat().st_size / 1e6, 2), "s": round(seconds_, 2), "mb": round(grown), "said": said}


def loading(folder: Path, runs: int) -> dict[str, dict[str, float]]:
    """Milliseconds of loading networks of official sizes, and of looking at their weights in it."""
    gpt, sovits = folder / "gpt.ckpt", folder / "sovits.pth"
    synthetic.write_gpt(gpt)
    synthetic.write_sovits(sovits)
    spent = 0.0
    real = weight_loading.check_values

    def timed(*args: Any, **kwargs: Any) -> None:
        nonlocal spent
        start = time.perf_counter()
        real(*args, **kwargs)
        spent = time.perf_counter() - start

    weight_loading.check_values = timed
    found = {}
    for name, load in (("gpt", lambda: load_gpt(gpt)), ("sovits", lambda: load_vits(sovits))):
        rows = []
        for _ in range(runs):
            start = time.perf_counter()
            load()
            rows.append((time.perf_counter() - start, spent))
        found[name] = {
            "load_ms": round(1e3 * min(row[0] for row in rows)),
            "look_ms": round(1e3 * min(row[1] for row in rows)),
        }
    weight_loading.check_values = real
    return found


if __name__ == "__main__":
    main()
