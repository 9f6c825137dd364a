"""How much of a model's speech an independent recogniser understands: word error rate on sentences not in training.

    python -m tests.tools.intelligibility [--model NAME] [--ref builtin:slt ...] [--count 60] [--set temperature=0.7]

Speaks tests/tools/held_out.txt as `sovits infer` does, each sentence by itself, and prints one JSON document.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sovits_cli.checkpoints import bundle
from sovits_cli.config.schema import InferenceSettings
from sovits_cli.events import Silent
from sovits_cli.inference import examples, reference
from sovits_cli.inference.engine import Speaker
from sovits_cli.inference.longform import manner
from sovits_cli.inference.script import lines
from sovits_cli.inference.voice import NO_PROMPT, Voice
from sovits_cli.text.split import Sentence
from tests.tools.recogniser import errors, hear_samples

HELD_OUT = Path(__file__).with_name("held_out.txt")
EDGE_S = 0.25
"""Silence around a sentence, which the recogniser wants."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--ref", nargs="+", default=[f"builtin:{name}" for name in examples.names(".flac")])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings of inference.")
    parser.add_argument("--show", action="store_true", help="what was said and heard")
    given = parser.parse_args()
    torch.set_num_threads(1)
    chosen = dict(one.split("=") for one in given.set)
    settings = InferenceSettings.model_validate_json(
        json.dumps({"seed": 1, **{k: float(v) for k, v in chosen.items()}})
    )
    voice = Voice(bundle.find(given.model), "cpu")
    texts = [text for text in HELD_OUT.read_text(encoding="utf-8").splitlines() if text.strip()][: given.count]
    results = {ref: measure(voice, ref, texts, settings, show=given.show) for ref in given.ref}
    rate = sum(one["errors"] for one in results.values()) / sum(one["words"] for one in results.values())
    print(json.dumps({"model": voice.bundle.name, "set": chosen, "word_error_rate": rate, "voices": results}))


def measure(voice: Voice, ref: str, texts: list[str], settings: InferenceSettings, *, show: bool) -> dict[str, Any]:
    """Speak the texts in one voice and count what was misheard."""
    style = voice.style(reference.find(examples.resolve(ref, examples.VOICE_SUFFIX)))
    speaker = Speaker(voice, style, NO_PROMPT, manner(settings, seed=settings.seed or 0))
    script = lines([Sentence(text, 0.0) for text in texts], "en", voice.spoken, Silent())
    wrong = words = tries = doubtful = 0
    for said in speaker.say(script):
        edge = np.zeros(round(EDGE_S * voice.rate), np.float32)
        heard = hear_samples(np.concatenate([edge, said.wave, edge]), voice.rate)
        missed, spoken = errors(said.line.text, heard)
        wrong, words, tries, doubtful = (
            wrong + missed,
            words + spoken,
            tries + said.tries - 1,
            doubtful + bool(said.doubt),
        )
        if show:
            print(f"{missed}/{spoken} {said.line.text} -> {heard} {said.doubt}")
    return {"errors": wrong, "words": words, "rate": wrong / words, "retries": tries, "doubtful": doubtful}


if __name__ == "__main__":
    main()
