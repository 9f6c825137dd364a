"""What a lexicon costs: `python -m tests.benchmarks.lexicon [--entries 10000] [--sentences 1000]`.

Prints one JSON document: processor seconds to read a lexicon of words, phones and respellings in two languages, to look
its words up in a text, and to read the same text with and without it.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sovits_cli.text import lexicon, reading, segment
from sovits_cli.text.lexicon import Lexicon
from sovits_cli.versions import SymbolTable

GOAL_READ_S = 0.2
GOAL_ENTRIES = 10_000
_FORMS = ("en|zor{name}|kube control", "en|Xi{name}|Z IY0 OW0 M AA1 R AH0", "zh|重{han}|chong2 qing4")
_SENTENCE = "We saw zor{name} and Xi{name} near the old lighthouse, and nothing else. "


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=GOAL_ENTRIES)
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    reading.read_text("Warm zorbifax 重庆.", "auto", SymbolTable.V2)
    text = [_SENTENCE.format(name=_name(number)) for number in range(given.sentences)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "words.lex"
        path.write_text("\n".join(_entries(given.entries)), encoding="utf-8")
        words = lexicon.load_lexicon(path)
        report = {
            "benchmark": "lexicon",
            "hardware": {"machine": platform.machine(), "python": platform.python_version()},
            "goals": {"entries": GOAL_ENTRIES, "read_s": GOAL_READ_S},
            "entries": given.entries,
            "characters": sum(map(len, text)),
            "read_s": _quickest(given.runs, lambda: lexicon.load_lexicon(path)),
            "looked_up_s": _quickest(given.runs, lambda: [words.text(part, segment.find_mode("en")) for part in text]),
            "text_read_with_it_s": _quickest(given.runs, lambda: _read(text, words)),
            "text_read_without_s": _quickest(given.runs, lambda: _read(text, lexicon.EMPTY_LEXICON)),
        }
    print(json.dumps(report, indent=2))


def _entries(count: int) -> Iterator[str]:
    for number in range(count):
        han = chr(0x4E00 + number % 5000) + chr(0x6000 + number // 5000)
        yield _FORMS[number % len(_FORMS)].format(name=_name(number), han=han)


def _name(number: int) -> str:
    """Four letters of their own for each number."""
    return "".join(chr(ord("a") + number // 26**place % 26) for place in range(4))


def _read(text: list[str], words: Lexicon) -> None:
    for part in text:
        reading.read_text(part, "en", SymbolTable.V2, words=words)


def _quickest(runs: int, work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(runs):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


if __name__ == "__main__":
    main()
