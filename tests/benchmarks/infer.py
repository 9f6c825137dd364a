"""What `sovits infer` costs, as a user meets it: whole processes, imports and all. By hand, on an idle machine:

    OMP_NUM_THREADS=2 python -m tests.benchmarks.infer [rounds] [-- flags of sovits infer, such as --model NAME]

One sentence from a cold start, and the built-in story of 300 words. Prints one JSON document: medians over rounds.
`processor_s` is the time of all cores, the better number on a busy machine. Without a model a random one of the size
of `mini` speaks: it makes as much noise as the trained one makes speech.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch

from sovits_cli.checkpoints.catalogue import find_model
from sovits_cli.errors import EXIT_OK, EXIT_SOME_FAILED, ModelError
from sovits_cli.models.phonetic import PhoneticConfig
from sovits_cli.paths import HOME_VARIABLE
from tests.inference import toys

SENTENCE = ("--say", "The quick brown fox jumps over the lazy dog near the river.")
STORY = ("-t", "builtin:story")
VOICE = ("--ref", "builtin:slt", "--seed", "1234")
GOALS = {"sentence_clock_s": 5.0, "story_real_time_factor": 0.15, "story_peak_mb": 1000.0}


@dataclass(frozen=True)
class Cost:
    """One run: seconds of the clock and of all cores, of audio made, and the most memory, in MB."""

    clock_s: float
    processor_s: float
    audio_s: float
    retries: float
    peak_mb: float

    @property
    def real_time_factor(self) -> float:
        """Seconds of the clock per second of audio."""
        return self.clock_s / self.audio_s


def main(rounds: int, flags: tuple[str, ...]) -> None:
    with tempfile.TemporaryDirectory() as place:
        os.environ.setdefault(HOME_VARIABLE, place)
        name = "as chosen" if flags else _some_model()
        out = str(Path(place) / "out.wav")
        sentence = _medians([cost(*VOICE, *SENTENCE, "-o", out, *flags) for _ in range(rounds)])
        story = _medians([cost(*VOICE, *STORY, "-o", out, *flags) for _ in range(rounds)])
    figures = {
        "sentence_clock_s": sentence.clock_s,
        "story_real_time_factor": story.real_time_factor,
        "story_peak_mb": story.peak_mb,
    }
    document = {
        "model": name,
        "sentence": asdict(sentence),
        "story": asdict(story),
        "figures": figures,
        "goals": GOALS,
        "rounds": rounds,
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "load": os.getloadavg()[0],
            "threads": os.environ.get("OMP_NUM_THREADS", "default"),
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
    }
    print(json.dumps(document, indent=1))


def _some_model() -> str:
    try:
        return find_model().name
    except ModelError:
        phonetic = PhoneticConfig(phones=("a", "b"))
        return toys.install("random", gpt=toys.MINI_GPT, sovits=toys.MINI_SOVITS, content=phonetic).name


def cost(*arguments: str) -> Cost:
    """Run `sovits infer` in a process of its own; sentences in doubt are no failure here."""
    command = [sys.executable, "-m", "sovits_cli", "infer", *arguments, "--json", "-q"]
    began_s = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    clock_s = time.perf_counter() - began_s
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (EXIT_OK, EXIT_SOME_FAILED):
        raise SystemExit(f"sovits infer failed: {said}")
    report = json.loads(said)
    peak_mb = used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return Cost(clock_s, used.ru_utime + used.ru_stime, report["seconds"], report["retries"], peak_mb)


def _medians(costs: list[Cost]) -> Cost:
    return Cost(*(median(values) for values in zip(*(asdict(cost).values() for cost in costs), strict=True)))


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    own = sys.argv[1:]
    cut = own.index("--") if "--" in own else len(own)
    main(int((own[:cut] or ["3"])[0]), tuple(own[cut + 1 :]))
