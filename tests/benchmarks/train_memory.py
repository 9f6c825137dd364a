"""Memory and time of one training step by clip length and batch: what the planner says against what it takes, by hand:

    python -m tests.benchmarks.train_memory [stage=gpt,sovits] [seconds=10,20,30,54,80] [clips=1,4,8] [size=full|small]
        [device=cpu] [precision=32] [checkpointing=0,1] [threads=2] [steps=2] [predict=1]

    python -m tests.benchmarks.train_memory device=cuda precision=16-mixed        the same on a GPU

Every cell is measured in a process of its own, and another one, which has run no such step, says what it takes. On a
CPU the peak is the growth of resident memory (VmHWM) from before the network is made, its optimiser included; on a GPU
it is that of the allocator. The last lines are the least and the greatest ratio of prediction to measurement: of the
memory it should be from 1.0 to 1.1 (never under), of the seconds from 0.85 to 1.15 on an idle machine.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from functools import partial
from typing import Any

from sovits_cli import memory

DEFAULTS = {
    "stage": "gpt,sovits",
    "seconds": "10,20,30,54,80",
    "clips": "1,4,8",
    "size": "full",
    "device": "cpu",
    "precision": "32",
    "checkpointing": "0",
    "threads": "2",
    "steps": "2",
    "predict": "1",
}
GIB = 2**30


def main(*words: str) -> None:
    said = {**DEFAULTS, **dict(word.split("=", 1) for word in words)}
    if "cell" in said:
        print(json.dumps(CELLS[said["cell"]](said)))
        return
    rows = []
    for stage, checkpointing in itertools.product(said["stage"].split(","), said["checkpointing"].split(",")):
        of = {**said, "stage": stage, "checkpointing": checkpointing}
        told = _child({**of, "cell": "predict"}) if said["predict"] == "1" else {}
        print(json.dumps({name: value for name, value in told.items() if name != "cells"}), file=sys.stderr, flush=True)
        for clips, seconds in itertools.product(said["clips"].split(","), said["seconds"].split(",")):
            found = _child({**of, "clips": clips, "seconds": seconds, "cell": "measure"})
            found |= told.get("cells", {}).get(f"{clips}x{seconds}", {})
            rows.append({"stage": stage, "checkpointing": checkpointing, "clips": clips, "seconds": seconds, **found})
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
        for what, name in (("gib", "memory"), ("s", "seconds")):
            both = [
                row for row in rows if row["stage"] == stage and f"predicted_{what}" in row and f"took_{what}" in row
            ]
            ratios = [row[f"predicted_{what}"] / row[f"took_{what}"] for row in both]
            if ratios:
                print(f"{stage}: {name} predicted / measured: {min(ratios):.3f} to {max(ratios):.3f}", file=sys.stderr)
    print(json.dumps({**{name: said[name] for name in ("size", "device", "precision", "threads")}, "cells": rows}))


def _child(said: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.train_memory", *(f"{key}={said[key]}" for key in said)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    found: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {"failed": lines[-1]}
    return found


def predict(said: dict[str, str]) -> dict[str, Any]:
    """What the planner says of every cell, and the coefficients that it found."""
    profiler, _ = _prober(said)
    began = time.perf_counter()
    cost = profiler.cost
    report = {
        "probing_s": round(time.perf_counter() - began, 1),
        "bytes": [float(f"{one:.4g}") for one in cost.bytes],
        "computing": [float(f"{one:.4g}") for one in cost.computing],
        "starting": [float(f"{one:.4g}") for one in cost.starting],
        "step_s": round(cost.step_s, 4),
        "step_gib": round(cost.step_bytes / GIB, 3),
        "tried": {
            f"{clips} x {positions // clips}": round(peak / GIB, 3) for (clips, positions), peak in cost.tried.items()
        },
        "margin": round(cost.margin, 4),
    }
    cells = {}
    for clips, seconds in itertools.product(said["clips"].split(","), said["seconds"].split(",")):
        positions = profiler.positions(int(clips), float(seconds))
        bytes_, seconds_ = cost.memory(int(clips), positions), cost.time_s(int(clips), positions)
        cells[f"{clips}x{seconds}"] = {"predicted_gib": round(bytes_ / GIB, 3), "predicted_s": round(seconds_, 3)}
    return {**report, "cells": cells}


def measure(said: dict[str, str]) -> dict[str, Any]:
    """What a few steps of one cell take."""
    import torch

    profiler, before = _prober(said)
    device, engine = profiler.device, profiler._engine
    stage = profiler._stage()
    stage.train()
    batch = profiler._batch(int(said["clips"]), float(said["seconds"])).to(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    took = [_step(stage, engine, batch) for _ in range(int(said["steps"]))]
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else (memory.peak_rss() or 0) - before
    clock_s, busy_s = min(took[1:] or took)
    return {
        "took_gib": round(peak / GIB, 3),
        "first_step_s": round(took[0][0], 3),
        "took_s": round(clock_s, 3),
        "cpu_s": round(busy_s, 3),
    }


CELLS = {"predict": predict, "measure": measure}


def _prober(said: dict[str, str]) -> tuple[Any, int]:
    """The networks of a stage; and the bytes of this process before they were made."""
    import torch

    from sovits_cli.terms import Precision
    from sovits_cli.training.engine import Engine

    torch.set_num_threads(int(said["threads"]))
    torch.manual_seed(1)
    engine = Engine(torch.device(said["device"]), Precision(said["precision"]))
    torch.randn(64, 64, requires_grad=True).matmul(torch.randn(64, 64)).sum().backward()
    before = _resident()
    return MAKERS[said["stage"]](engine, said["size"], said["checkpointing"] == "1"), before


def _step(stage: Any, engine: Any, batch: Any) -> tuple[float, float]:
    """Seconds of the clock, read when the device is done, and of the processor."""
    from sovits_cli.training.peak_memory import synchronize

    synchronize(engine.device)
    began, busy = time.perf_counter(), time.process_time()
    for optimized in stage.optimized_modules:
        optimized.set_learning_rate(0, 0)
        optimized.optimizer.zero_grad(set_to_none=True)
    engine.forward_backward(stage, stage.sample_noise(batch))
    for optimized in stage.optimized_modules:
        engine.clip(optimized.module, optimized.optimizer, 1.0)
        engine.step(optimized.optimizer)
    engine.finish_step()
    synchronize(engine.device)
    return time.perf_counter() - began, time.process_time() - busy


def _gpt(engine: Any, size: str, checkpointing: bool) -> Any:
    from sovits_cli.models.t2s.config import T2SConfig
    from sovits_cli.models.t2s.model import Text2Semantic
    from sovits_cli.training.memory_profiler import MemoryProfiler, synthetic_gpt_batch
    from sovits_cli.training.optim import LearningRateSchedule
    from sovits_cli.training.stages.gpt import GptStage, GptStageOptions

    config = T2SConfig() if size == "full" else T2SConfig(width=128, heads=4, layers=6)
    model = engine.place(Text2Semantic(config))
    model.h.activation_checkpointing = checkpointing
    stage = partial(GptStage, model, GptStageOptions(), schedule=LearningRateSchedule(1e-6), export=None)
    return MemoryProfiler(stage, engine, partial(synthetic_gpt_batch, config))


def _sovits(engine: Any, size: str, checkpointing: bool) -> Any:
    from sovits_cli.models.discriminators import Discriminators
    from sovits_cli.models.sovits.config import SovitsConfig
    from sovits_cli.models.sovits.vits import VitsModel
    from sovits_cli.training.memory_profiler import MemoryProfiler, synthetic_sovits_batch
    from sovits_cli.training.optim import LearningRateSchedule
    from sovits_cli.training.stages.sovits import SovitsStage, SovitsStageOptions
    from sovits_cli.versions import GAN_PERIODS
    from tests.training.worlds import SOVITS

    config = SovitsConfig() if size == "full" else SOVITS
    model = engine.place(VitsModel(config))
    model.activation_checkpointing = checkpointing
    discriminators = engine.place(Discriminators(GAN_PERIODS, width=1.0)) if size == "full" else None
    stage = partial(
        SovitsStage,
        model,
        discriminators,
        SovitsStageOptions(),
        schedule=LearningRateSchedule(1e-6),
        export=None,
    )
    return MemoryProfiler(stage, engine, partial(synthetic_sovits_batch, config))


MAKERS = {"gpt": _gpt, "sovits": _sovits}


def _resident() -> int:
    """Bytes of this process, with the count of its peak begun anew."""
    found = memory.reset_peak_rss()
    if found is None:
        raise SystemExit("resident memory is counted on Linux only")
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
