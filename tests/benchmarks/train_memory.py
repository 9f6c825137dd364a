"""Memory and time of one optimisation step by clip length and batch, by hand:

    python -m tests.benchmarks.train_memory [stage=gpt,sovits] [seconds=10,20,40,54,80] [clips=1,8] [size=full|small]
        [device=cpu] [precision=32] [checkpointing=0,1] [threads=2] [steps=2] [predict=0,1]

Every cell is a process of its own. On a CPU the peak is the growth of resident memory (VmHWM) from before the network
is made, its optimiser included; on a GPU it is that of the allocator. `predict` adds what the planner says.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from functools import partial
from typing import Any

from sovits_cli.training import resident

DEFAULTS = {
    "stage": "gpt,sovits",
    "seconds": "10,20,40,54,80",
    "clips": "1,8",
    "size": "full",
    "device": "cpu",
    "precision": "32",
    "checkpointing": "0",
    "threads": "2",
    "steps": "2",
    "predict": "0",
}
GIB = 2**30


def main(*words: str) -> None:
    said = {**DEFAULTS, **dict(word.split("=", 1) for word in words)}
    if "cell" in said:
        print(json.dumps(cell(said)))
        return
    many = ("stage", "checkpointing", "clips", "seconds")
    rows = []
    for values in itertools.product(*(said[name].split(",") for name in many)):
        one = {**said, **dict(zip(many, values, strict=True)), "cell": "1"}
        command = [sys.executable, "-m", "tests.benchmarks.train_memory", *(f"{key}={one[key]}" for key in one)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        found = json.loads(done.stdout) if done.returncode == 0 else {"failed": lines[-1]}
        rows.append({**{name: one[name] for name in many}, **found})
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    print(json.dumps({**{name: said[name] for name in ("size", "device", "precision", "threads")}, "cells": rows}))


def cell(said: dict[str, str]) -> dict[str, Any]:
    import torch

    from sovits_cli.terms import Precision
    from sovits_cli.training.engine import Engine

    torch.set_num_threads(int(said["threads"]))
    torch.manual_seed(1)
    device = torch.device(said["device"])
    engine = Engine(device, Precision(said["precision"]))
    torch.randn(64, 64, requires_grad=True).matmul(torch.randn(64, 64)).sum().backward()
    before = _resident()
    prober = MAKERS[said["stage"]](engine, said["size"], said["checkpointing"] == "1")
    clips, seconds = int(said["clips"]), float(said["seconds"])
    report: dict[str, Any] = {}
    if said["predict"] == "1":
        report["predicted_gib"] = round(prober.cost.memory(clips, prober.places(clips, seconds)) / GIB, 3)
        report["predicted_s"] = round(prober.cost.time_s(prober.places(clips, seconds)), 2)
        _resident()
    stage = prober._stage()
    stage.train()
    batch = prober._batch(clips, seconds).to(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    took = [_step(stage, engine, batch) for _ in range(int(said["steps"]))]
    if device.type == "cuda":
        report["peak_gib"] = round(torch.cuda.max_memory_allocated(device) / GIB, 3)
    else:
        report["peak_gib"] = round(((resident.peak() or 0) - before) / GIB, 3)
    clock_s, busy_s = took[-1]
    return {**report, "first_step_s": round(took[0][0], 2), "step_s": round(clock_s, 2), "cpu_s": round(busy_s, 2)}


def _step(stage: Any, engine: Any, batch: Any) -> tuple[float, float]:
    """Seconds of the clock and of the processor."""
    began, busy = time.perf_counter(), time.process_time()
    for player in stage.players:
        player.set_rate(0, 0)
        player.optimizer.zero_grad(set_to_none=True)
    with engine.autocast():
        losses = stage.losses(stage.drawn(batch))
    for index, player in enumerate(stage.players):
        engine.backward(losses.totals[player.name], player.parameters, keep_graph=index < len(stage.players) - 1)
    del losses
    for player in stage.players:
        engine.clip(player.module, player.optimizer, 1.0)
        engine.step(player.optimizer)
    engine.finish_step()
    return time.perf_counter() - began, time.process_time() - busy


def _gpt(engine: Any, size: str, checkpointing: bool) -> Any:
    from sovits_cli.models.t2s.config import T2SConfig
    from sovits_cli.models.t2s.model import Text2Semantic
    from sovits_cli.training.planner import Prober, gpt_batch
    from sovits_cli.training.schedule import Schedule
    from sovits_cli.training.t2s import GptStage

    config = T2SConfig() if size == "full" else T2SConfig(width=128, heads=4, layers=6)
    model = engine.place(Text2Semantic(config))
    model.h.checkpointing = checkpointing
    stage = partial(GptStage, model, optimizer="scaled_adam", schedule=Schedule(1e-6), export=None)
    return Prober(stage, engine, partial(gpt_batch, config))


def _sovits(engine: Any, size: str, checkpointing: bool) -> Any:
    from sovits_cli.models.discriminators import Discriminators
    from sovits_cli.models.sovits.config import SovitsConfig
    from sovits_cli.models.sovits.synthesizer import Synthesizer
    from sovits_cli.training.planner import Prober, sovits_batch
    from sovits_cli.training.schedule import Schedule
    from sovits_cli.training.sovits import AdamWRule, SovitsStage, Weights
    from sovits_cli.versions import GAN_PERIODS
    from tests.training.worlds import SOVITS

    config = SovitsConfig() if size == "full" else SOVITS
    model = engine.place(Synthesizer(config))
    model.checkpointing = checkpointing
    judges = engine.place(Discriminators(GAN_PERIODS, width=1.0)) if size == "full" else None
    stage = partial(
        SovitsStage, model, judges, weights=Weights(), rule=AdamWRule(), schedule=Schedule(1e-6), export=None
    )
    return Prober(stage, engine, partial(sovits_batch, config))


MAKERS = {"gpt": _gpt, "sovits": _sovits}


def _resident() -> int:
    """Bytes of this process, with the count of its peak begun anew."""
    found = resident.begin()
    if found is None:
        raise SystemExit("resident memory is counted on Linux only")
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
