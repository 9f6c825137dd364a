"""Teacher speech for the bundled model: flite voices reading grammar-made sentences.

Writes `<out>/<name>.wav` (16 kHz), `<name>.txt` (the sentence) and `<name>.phones` (one "end_seconds phone" a line, as
flite timed them). Pitch and tempo vary by flite's own settings, formants by playing the result faster or slower.
The same arguments give the same folder.

    python -m tests.tools.teacher_speech OUT --count 4000 --seed 1

Needs the program `flite` (voices slt, rms, awb, kal16; BSD) and the package `pocketsphinx` for its word list.
"""

from __future__ import annotations

import argparse
import random
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from tests.tools.sentences import Sentences

RATE_HZ = 16_000
VOICES = {"slt": 175.0, "rms": 98.0, "awb": 128.0, "kal16": 105.0}
"""Voice -> its usual mean pitch in Hz, which the variations move."""


@dataclass(frozen=True)
class Take:
    """One utterance to record: `pace` plays it faster (pitch, formants and tempo together)."""

    name: str
    voice: str
    text: str
    pitch_hz: float
    stretch: float
    pace: float


def rare_words() -> list[str]:
    """Plain words of the recogniser's dictionary, three to nine letters."""
    import pocketsphinx

    path = Path(pocketsphinx.get_model_path()) / "en-us" / "cmudict-en-us.dict"
    words = (line.split(" ", 1)[0] for line in path.read_text(encoding="utf-8").splitlines())
    return sorted({word for word in words if word.isascii() and word.isalpha() and 3 <= len(word) <= 9})


def takes(count: int, seed: int, *, varied_share: float = 0.6) -> list[Take]:
    """The plan of a recording: voices in turn, a share of them varied in pitch, tempo and formants."""
    draw = random.Random(seed)
    source = Sentences(seed, rare_words())
    plan = []
    for index in range(count):
        voice = list(VOICES)[index % len(VOICES)]
        varied = draw.random() < varied_share
        plan.append(
            Take(
                name=f"{voice}_{seed:03d}_{index:05d}",
                voice=voice,
                text=source.next(),
                pitch_hz=VOICES[voice] * (draw.uniform(0.8, 1.3) if varied else 1.0),
                stretch=draw.uniform(0.85, 1.2) if varied else 1.0,
                pace=draw.uniform(0.88, 1.16) if varied and draw.random() < 0.5 else 1.0,
            )
        )
    return plan


def record(take: Take, out: Path) -> float:
    """Speak one take into `out`; gives its length in seconds."""
    wav = out / f"{take.name}.wav"
    command = ["flite", "-voice", take.voice, "--setf", f"int_f0_target_mean={take.pitch_hz:.1f}"]
    command += ["--setf", f"duration_stretch={take.stretch:.3f}", "-psdur", "-t", take.text, "-o", str(wav)]
    timed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    wave, _ = soundfile.read(wav, dtype="float32")
    if take.pace != 1.0:
        wave = soxr.resample(wave, RATE_HZ * take.pace, RATE_HZ)
    peak = float(np.abs(wave).max())
    soundfile.write(wav, wave * min(1.0, 0.9 / peak), RATE_HZ, subtype="PCM_16")
    lines = [f"{float(end) / take.pace:.4f} {phone}" for phone, end in (pair.rsplit(":", 1) for pair in timed.split())]
    (out / f"{take.name}.phones").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (out / f"{take.name}.txt").write_text(take.text + "\n", encoding="utf-8")
    return len(wave) / RATE_HZ


def main() -> None:
    """Record what the arguments ask for; takes already there are kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    todo = [
        take for take in takes(arguments.count, arguments.seed) if not (arguments.out / f"{take.name}.txt").exists()
    ]
    with ThreadPoolExecutor(2) as pool:
        seconds = sum(pool.map(lambda take: record(take, arguments.out), todo))
    print(f"{len(todo)} takes, {seconds / 3600:.2f} hours in {arguments.out}")


if __name__ == "__main__":
    main()
