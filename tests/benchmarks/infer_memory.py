"""What memory `sovits infer` needs for a short and for a long text. By hand: the long one takes a minute or more.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.infer_memory [times] [-- flags of sovits infer]

The built-in story, and the same `times` (5) over, each in a process of its own. Prints one JSON document: seconds of
audio, the peak of resident memory, and how much more of it each further minute of audio takes.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import torch

from sovits_cli import paths
from tests.benchmarks.infer import VOICE, cost

GOAL_MB_A_MINUTE = 4.0


def main(times: int, flags: tuple[str, ...]) -> None:
    story = paths.resolve_example("builtin:story", paths.TEXT_SUFFIX).read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as place:
        text, out = Path(place) / "text.txt", Path(place) / "out.wav"
        costs = []
        for count in (1, times):
            text.write_text("\n\n".join([story] * count), encoding="utf-8")
            costs.append(cost(*VOICE, "-t", str(text), "-o", str(out), *flags))
    short, long = costs
    more_minutes = (long.audio_s - short.audio_s) / 60
    document = {
        "short": asdict(short),
        "long": asdict(long),
        "mb_a_minute": round((long.peak_mb - short.peak_mb) / more_minutes, 2),
        "goal": GOAL_MB_A_MINUTE,
        "machine": {"cores": os.cpu_count(), "load": os.getloadavg()[0], "torch": torch.__version__},
    }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    own = sys.argv[1:]
    cut = own.index("--") if "--" in own else len(own)
    main(int((own[:cut] or ["5"])[0]), tuple(own[cut + 1 :]))
