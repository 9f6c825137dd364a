"""How good the bundled model is, on sentences and references not in training: pocketsphinx hears it and its teacher.

    python -m tests.benchmarks.mini [--model NAME] [--count 61] [--seed 1] [--pictures FOLDER] [--set top_k=5 ...]

Prints one JSON document. Needs flite (the teacher), pocketsphinx and matplotlib. By hand: it takes minutes.

References: each teacher voice reads a text of its own, at its usual pitch and moved up or down by a fifth: 8 in all.
Speaker measure: mean and spread of 20 MFCCs and of their steps over loud frames, whitened by linear discriminants that
were learned from other speech of the teachers; the nearest teacher voice wins.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import tempfile
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import librosa
import numpy as np
import soundfile
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from sovits_cli import InferenceSettings, Reference, Voice
from sovits_cli.checkpoints.catalogue import find_model
from sovits_cli.inference.writer import joined
from tests.tools.recogniser import errors, hear_samples
from tests.tools.teacher_speech import RATE_HZ, VOICES, Take, record

HELD_OUT = (Path(__file__).parent.parent / "tools" / "held_out.txt").read_text(encoding="utf-8").splitlines()
WORDS = """water morning brother yellow window garden letter music paper summer doctor river children answer kitchen
mountain thousand picture evening village""".split()  # noqa: SIM905 - a block of words reads better
LONG = [
    "When the old man had finished his supper, he pushed back his chair, lit the lamp beside the window, and began to "
    "read the letter that his daughter had sent him from the other side of the country at the end of the winter.",
    "The road to the village follows the river for several miles, crosses it by a narrow stone bridge, and then climbs "
    "slowly through the woods until the fields open on both sides and you can see the church above the roofs.",
    "We had planned to leave early in the morning, but the car would not start, the telephone was out of order, and by "
    "the time my brother had found somebody who could help us it was already too late to catch the boat.",
    "She put the bread on the table, called the children in from the garden, told them to wash their hands, and then "
    "stood by the door for a moment and watched the last light of the day go down behind the hills.",
]
"""About forty words each."""
REFERENCE_TEXT = (
    "The library opens at nine, and closes when the last reader has gone home. "
    "In between it is so quiet that you can hear the pages turn."
)
SPEAKER_TEXTS = (
    "Seven old ships were lying in the bay.",
    "I think that your coat is hanging behind the door.",
    "Could anyone tell me how far it is to the castle?",
    "The bread was warm, the butter was cold, and nobody spoke a word.",
    "Her uncle used to mend clocks in a cellar under the theatre.",
    "On the last day of August the swallows left the valley.",
)
PITCHES = {"usual": 1.0, "low": 0.82, "high": 1.22}
SHIFTED = {"slt": "low", "rms": "high", "awb": "high", "kal16": "low"}
REFERENCES = [(voice, kind) for voice in VOICES for kind in ("usual", SHIFTED[voice])]
EDGE_S = 0.25
"""Silence around a sentence, which the recogniser wants."""


@dataclass(frozen=True)
class Heard:
    """One sentence: word errors of the model and of the teacher, and both waves."""

    text: str
    wrong: int
    teacher_wrong: int
    words: int
    wave: np.ndarray
    teacher: np.ndarray
    doubt: str


class Teacher:
    """Speech of flite, kept in a folder while the figures are made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def say(self, voice: str, text: str, pitch: float = 1.0) -> Path:
        """A recording of the text; the same one for the same arguments."""
        name = f"{voice}_{pitch:.2f}_{abs(hash(text))}"
        path = self._folder / f"{name}.wav"
        if not path.exists():
            record(Take(name, voice, text, VOICES[voice] * pitch, 1.0, 1.0), self._folder)
        return path

    def wave(self, voice: str, text: str, pitch: float = 1.0) -> np.ndarray:
        """The same as samples at 16 kHz."""
        samples: np.ndarray = soundfile.read(self.say(voice, text, pitch), dtype="float32")[0]
        return samples


class Ear:
    """Tells the teacher's voices apart."""

    def __init__(self, teacher: Teacher) -> None:
        said = [(voice, text, pitch) for voice in VOICES for text in SPEAKER_TEXTS for pitch in PITCHES.values()]
        prints = np.stack([voice_print(teacher.wave(*one)) for one in said])
        self._model = LinearDiscriminantAnalysis(shrinkage="auto", solver="eigen").fit(prints, [one[0] for one in said])

    def nearest(self, wave: np.ndarray) -> str:
        """The teacher voice that a wave sounds like."""
        return str(self._model.predict(voice_print(wave)[None])[0])


def voice_print(wave: np.ndarray) -> np.ndarray:
    """Mean and spread of MFCCs and of their steps, over frames within 40 dB of the loudest."""
    features = librosa.feature.mfcc(y=wave, sr=RATE_HZ, n_mfcc=20, n_fft=400, hop_length=160)
    level = librosa.feature.rms(y=wave, frame_length=400, hop_length=160)[0]
    loud = features[1:, level > level.max() * 0.01]
    steps = np.diff(loud, axis=1)
    return np.concatenate([loud.mean(1), loud.std(1), steps.std(1)])


def pitch_hz(wave: np.ndarray) -> float:
    """Median pitch of the voiced frames (pYIN, Mauch and Dixon 2014)."""
    found, voiced, _ = librosa.pyin(wave, fmin=60, fmax=400, sr=RATE_HZ, frame_length=1024)
    return float(np.median(found[voiced])) if voiced.any() else 0.0


def largest_step(wave: np.ndarray) -> float:
    """The largest step between samples, as a share of the peak."""
    return float(np.abs(np.diff(wave)).max() / np.abs(wave).max())


def longest_silence_s(wave: np.ndarray) -> float:
    """Within the speech: the longest stretch 50 dB under the peak."""
    level = librosa.feature.rms(y=wave, frame_length=400, hop_length=160)[0]
    loud = np.flatnonzero(level > level.max() * 10 ** (-50 / 20))
    return float(np.diff(loud).max() * 160 / RATE_HZ) if len(loud) > 1 else 0.0


def padded(wave: np.ndarray) -> np.ndarray:
    """With silence around it."""
    edge = np.zeros(round(EDGE_S * RATE_HZ), np.float32)
    return np.concatenate([edge, wave, edge])


@dataclass(frozen=True)
class SpokenText:
    """A text as the model said it."""

    text: str
    wave: np.ndarray
    doubt: str


def speak(voice: Voice, reference: Reference, texts: Sequence[str], settings: InferenceSettings) -> list[SpokenText]:
    """Each text as a paragraph of one: what belongs to it is told by how many sentences it has."""
    sizes = [len(voice.request(text, settings=settings).sentences) for text in texts]
    said = deque(voice.stream("\n\n".join(texts), reference, settings=settings))
    found, end = [], 0
    for text, size in zip(texts, sizes, strict=True):
        end += size
        parts = []
        while said and said[0].index < end:
            parts.append(said.popleft())
        assert parts[0].text in text
        parts[-1] = replace(parts[-1], pause_s=0.0)
        reason = "; ".join(part.verdict.reason for part in parts if not part.verdict.passed)
        found.append(SpokenText(text, joined(parts, voice.rate).samples, reason))
    return found


def misheard(text: str, wave: np.ndarray) -> tuple[int, int]:
    """Wrong words of a wave, and words."""
    return errors(text, hear_samples(padded(wave), RATE_HZ))


def listen(said: Sequence[SpokenText], teacher: Teacher, name: str, pitch: float, pool: Executor) -> list[Heard]:
    """What the recogniser makes of the model and of the teacher."""
    texts = [one.text for one in said]
    owns = [teacher.wave(name, text, pitch) for text in texts]
    ours = pool.map(misheard, texts, [one.wave for one in said])
    theirs = pool.map(misheard, texts, owns)
    return [
        Heard(text, wrong, teacher_wrong, words, one.wave, own, one.doubt)
        for text, one, own, (wrong, words), (teacher_wrong, _) in zip(texts, said, owns, ours, theirs, strict=True)
    ]


def rates(heard: Sequence[Heard]) -> dict[str, float]:
    """Word error rates of the model and of the teacher."""
    words = sum(one.words for one in heard)
    return {
        "model": round(sum(one.wrong for one in heard) / words, 3),
        "teacher": round(sum(one.teacher_wrong for one in heard) / words, 3),
    }


def figures(
    voice: Voice, teacher: Teacher, settings: InferenceSettings, count: int, pictures: Path | None, pool: Executor
) -> Any:
    """Everything, by reference and in all."""
    ear = Ear(teacher)
    chosen = random.Random(1).sample(HELD_OUT, min(count, len(HELD_OUT)))
    every: dict[str, list[Heard]] = {"sentences": [], "single words": [], "long sentences": []}
    report: dict[str, Any] = {}
    same = total = 0
    for name, kind in REFERENCES:
        source = teacher.say(name, REFERENCE_TEXT, PITCHES[kind])
        reference = voice.reference(source)
        parts = {"sentences": chosen, "single words": WORDS, "long sentences": LONG}
        heard = {
            part: listen(speak(voice, reference, texts, settings), teacher, name, PITCHES[kind], pool)
            for part, texts in parts.items()
        }
        for part, found in heard.items():
            every[part] += found
        own = heard["sentences"] + heard["long sentences"]
        right = [ear.nearest(one.wave) == name for one in own if len(one.wave)]
        same, total = same + sum(right), total + len(own)
        report[f"{name} {kind}"] = {
            **{part: rates(found) for part, found in heard.items()},
            "same voice": round(sum(right) / len(own), 3),
            "pitch_hz": round(median(pitch_hz(one.wave) for one in own[:12])),
            "reference_pitch_hz": round(pitch_hz(soundfile.read(source, dtype="float32")[0])),
            "largest step": round(max(largest_step(one.wave) for one in own), 3),
            "largest step, teacher": round(max(largest_step(one.teacher) for one in own), 3),
            "longest silence_s": round(max(longest_silence_s(one.wave) for one in own), 2),
            "length, of the teacher's": [
                round(float(value), 2)
                for value in np.percentile([len(one.wave) / len(one.teacher) for one in own], [0, 50, 100])
            ],
            "doubtful": sum(bool(one.doubt) for found in heard.values() for one in found),
        }
        if pictures is not None:
            draw(own[0], pictures / f"{name}-{kind}.png")
    reference = voice.reference(teacher.say("slt", REFERENCE_TEXT))
    by_seed = {}
    for seed in range(1, 11):
        said = speak(voice, reference, [HELD_OUT[2]], settings.model_copy(update={"seed": seed}))
        by_seed[seed] = rates(listen(said, teacher, "slt", 1.0, pool))["model"]
    return {
        "references": report,
        "word error rate": {part: rates(found) for part, found in every.items()},
        "same voice": round(same / total, 3),
        "one sentence, seeds 1 to 10": by_seed,
    }


def draw(heard: Heard, path: Path) -> None:
    """The spectrograms of the model and the teacher, one above the other."""
    from matplotlib.figure import Figure

    path.parent.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(10, 6), layout="constrained")
    for place, (title, wave) in enumerate((("model", heard.wave), ("teacher", heard.teacher)), start=1):
        axes = figure.add_subplot(2, 1, place)
        axes.specgram(wave + 1e-6, NFFT=512, Fs=RATE_HZ, noverlap=384, vmin=-130, vmax=-30)
        axes.set_title(f"{title}: {heard.text}")
    figure.savefig(path)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--count", type=int, default=len(HELD_OUT))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings of inference.")
    given = parser.parse_args()
    chosen = {key: float(value) for key, value in (one.split("=") for one in given.set)}
    settings = InferenceSettings.model_validate_json(json.dumps({"seed": given.seed, **chosen}))
    bundle = find_model(given.model)
    took_s = []
    for _ in range(3):  # the first one imports
        began = time.perf_counter()
        voice = Voice(bundle, "cpu")
        took_s.append(time.perf_counter() - began)
    spawned = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as place, ProcessPoolExecutor(mp_context=spawned) as pool:
        found = figures(voice, Teacher(Path(place)), settings, given.count, given.pictures, pool)
    size = {"megabytes": round(bundle.size_bytes / 1e6, 1), "loads_s": round(min(took_s), 2)}
    print(json.dumps({"model": bundle.name, "set": chosen, **size, **found}, indent=1))


if __name__ == "__main__":
    main()
