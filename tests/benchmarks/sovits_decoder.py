"""Seconds for some speech from the official-size v2 acoustic model, on a CPU, by hand:

    OMP_NUM_THREADS=2 python -m tests.benchmarks.sovits_decoder [seconds of speech] [rounds]

The forms alternate within a round, so that a busy machine slows all of them alike: compare the medians of one run,
and on a busy machine the processor seconds rather than those of the clock.
`plain` is the generator as ordinary 1-D convolutions with weight norm folded; `prepared` is what inference uses.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import torch

from sovits_cli.models.layers.weight_norm import fold_weight_norm
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.vits import VitsModel
from sovits_cli.terms import SEMANTIC_RATE_HZ
from tests.parity.acoustic import fill

PHONES = 60
SEED = 1234


@dataclass
class Times:
    """Seconds of one form, a number for each round."""

    clock_s: list[float] = field(default_factory=list)
    processor_s: list[float] = field(default_factory=list)


def main(audio_s: int = 10, rounds: int = 5) -> None:
    torch.manual_seed(SEED)
    model = fill(VitsModel(SovitsConfig(), posterior=False), SEED).eval().requires_grad_(False)
    config = model.config
    codes = torch.randint(0, config.codebook_size, (1, 1, audio_s * SEMANTIC_RATE_HZ))
    text = torch.randint(0, config.phones, (1, PHONES))
    latents = torch.randn(1, config.inter_channels, 2 * codes.shape[-1])
    spectrogram = torch.rand(1, config.spec_channels, 250)
    plain = deepcopy(model.dec)
    fold_weight_norm(plain)
    model.prepare_for_inference()
    with torch.inference_mode():
        style = model.encode_style([spectrogram])
        difference = float((plain(latents, style) - model.dec(latents, style)).abs().max())
        forms = {
            "generator_plain": lambda: plain(latents, style),
            "generator_prepared": lambda: model.dec(latents, style),
            "decode_prepared": lambda: model.decode(codes, text, style, noise_scale=0),
        }
        times = alternate(forms, rounds)
    clock = {name: round(median(taken.clock_s), 3) for name, taken in times.items()}
    processor = {name: round(median(taken.processor_s), 3) for name, taken in times.items()}
    result = {
        "audio_s": audio_s,
        "rounds": rounds,
        "clock_s_median": clock,
        "processor_s_median": processor,
        "prepared_over_plain_clock": round(clock["generator_prepared"] / clock["generator_plain"], 3),
        "prepared_over_plain_processor": round(processor["generator_prepared"] / processor["generator_plain"], 3),
        "largest_difference": difference,
        "hardware": {"cpu": cpu_name(), "threads": torch.get_num_threads(), "torch": torch.__version__},
    }
    print(json.dumps(result, indent=2))


def alternate(forms: dict[str, Callable[[], object]], rounds: int) -> dict[str, Times]:
    """Time every form once a round, after a round that does not count."""
    times = {name: Times() for name in forms}
    for turn in range(rounds + 1):
        for name, run in forms.items():
            clock, processor = time.perf_counter(), time.process_time()
            run()
            if turn:
                times[name].clock_s.append(time.perf_counter() - clock)
                times[name].processor_s.append(time.process_time() - processor)
    return times


def cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
