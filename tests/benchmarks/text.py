"""How fast English text becomes phones: `python -m tests.benchmarks.text [--characters 200000]`.

Prints one JSON document: seconds to import and to read a first sentence in a fresh process, phones a second over a long
text of known and unknown words, and the size of the tables.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from typing import Any

from sovits_cli.text.frontend import pronounce
from sovits_cli.text.resources import TABLES
from sovits_cli.text.split import split_sentences
from sovits_cli.versions import SymbolTable

GOAL_FIRST_SENTENCE_S = 0.5
_KNOWN = "After 3 years of careful work, Dr. Smith read the old records and paid $4.50 for a live concert at 10 a.m. "
_UNKNOWN = "The zorbifax {0}en of Quabblethorpe{0} greeted the fluzendian {0}osk. "
_FIRST = """
import time
start = time.perf_counter()
from sovits_cli.text.frontend import pronounce
from sovits_cli.versions import SymbolTable
imported = time.perf_counter()
pronounce("The old lighthouse opened its doors in 1999.", "en", SymbolTable.V2)
known = time.perf_counter()
pronounce("The zorbifax greeted everyone.", "en", SymbolTable.V2)
print(imported - start, known - imported, time.perf_counter() - known)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--characters", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    known = _KNOWN * (given.characters // len(_KNOWN))
    unknown = "".join(_UNKNOWN.format(_name(number)) for number in range(given.characters // len(_UNKNOWN) // 10))
    report = {
        "benchmark": "text",
        "hardware": {"machine": platform.machine(), "python": platform.python_version()},
        "goals": {"first_sentence_s": GOAL_FIRST_SENTENCE_S},
        "cold": cold(given.runs),
        "known_words": speed(known),
        "unknown_words": speed(unknown),
        "tables_bytes": {path.name: path.stat().st_size for path in sorted(TABLES.iterdir())},
    }
    print(json.dumps(report, indent=2))


def cold(runs: int) -> dict[str, float]:
    """The quickest of several fresh processes."""
    best = [float("inf")] * 3
    for _ in range(runs):
        done = subprocess.run([sys.executable, "-c", _FIRST], capture_output=True, text=True, check=True)
        best = [min(old, float(new)) for old, new in zip(best, done.stdout.split(), strict=True)]
    return {"import_s": best[0], "first_sentence_s": best[1], "first_unknown_word_s": best[2]}


def speed(text: str) -> dict[str, Any]:
    """Cutting and reading a text, one after the other."""
    start = time.perf_counter()
    pieces = split_sentences(text, "en")
    cut = time.perf_counter()
    phones = sum(len(pronounce(piece.text, "en", SymbolTable.V2).phones) for piece in pieces)
    read = time.perf_counter() - cut
    return {
        "characters": len(text),
        "sentences": len(pieces),
        "cut_s": cut - start,
        "read_s": read,
        "phones_per_s": phones / read,
    }


def _name(number: int) -> str:
    """A made-up stem that no cache has seen."""
    return "".join("bdfglmnprstvz"[number // 13**place % 13] + "aeiou"[number // 5**place % 5] for place in range(4))


if __name__ == "__main__":
    main()
