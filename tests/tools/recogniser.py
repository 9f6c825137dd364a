"""An independent ear: pocketsphinx's English recogniser, and the word error rate of what it hears."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

RATE_HZ = 16_000


@cache
def _decoder() -> Any:
    import pocketsphinx

    return pocketsphinx.Decoder(samprate=RATE_HZ, loglevel="FATAL")


def hear(path: Path) -> str:
    """The words heard in an audio file, in lower case."""
    wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return hear_samples(wave.mean(1), rate)


def hear_samples(wave: np.ndarray, rate: int) -> str:
    """The words heard in mono float samples."""
    if rate != RATE_HZ:
        wave = soxr.resample(wave, rate, RATE_HZ)
    decoder = _decoder()
    decoder.start_utt()
    decoder.process_raw((np.clip(wave, -1, 1) * 32767).astype(np.int16).tobytes(), full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return hypothesis.hypstr if hypothesis else ""


def words(text: str) -> list[str]:
    """Lower-case words without marks."""
    return re.findall(r"[a-z']+", text.lower())


def errors(spoken: str, heard: str) -> tuple[int, int]:
    """Word substitutions, insertions and deletions between the two, and the words spoken (Levenshtein)."""
    said, got = words(spoken), words(heard)
    row = list(range(len(got) + 1))
    for i, word in enumerate(said, start=1):
        previous, row[0] = row[0], i
        for j, other in enumerate(got, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (word != other))
    return row[-1], len(said)


def word_error_rate(pairs: Sequence[tuple[str, str]]) -> float:
    """Errors over words for (spoken, heard) pairs."""
    counts = [errors(spoken, heard) for spoken, heard in pairs]
    return sum(count for count, _ in counts) / max(sum(total for _, total in counts), 1)
