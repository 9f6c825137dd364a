"""How fast each language becomes phones: `python -m tests.benchmarks.languages [--sentences 300] [--runs 3]`.

Prints one JSON document. For each language: CPU seconds to import its front end and to read a first sentence in a fresh
process (the quickest of some), then phones a CPU second over sentences with numbers, none like another.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time

from sovits_cli.text import reading
from sovits_cli.versions import SymbolTable

SENTENCES = {
    "en": "On day {0} the old lighthouse opened its doors, and {0} people paid $4.50 to see the lamp.",
    "zh": "第{0}天，老灯塔又开门了，{0}个人花了三十五块钱去看那盏灯，大家都很高兴。",
    "ja": "{0}日目に古い灯台がまた開いて、{0}人が五百円を払って明かりを見に行きました。",
    "ko": "{0}일째에 오래된 등대가 다시 문을 열었고, {0}명이 오백 원을 내고 등불을 보러 갔습니다.",
    "yue": "第{0}日，舊燈塔又開門喇，{0}個人畀咗三十五蚊去睇嗰盞燈，大家都好開心。",
}

_FIRST = """
import sys, time
start = time.process_time()
from sovits_cli.text import reading
from sovits_cli.text.frontend import load_frontend
from sovits_cli.versions import SymbolTable
load_frontend(sys.argv[1])
imported = time.process_time()
reading.read_text(sys.argv[2], sys.argv[1], SymbolTable.V2)
print(imported - start, time.process_time() - imported)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=300)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    report = {
        "benchmark": "languages",
        "hardware": {"machine": platform.machine(), "python": platform.python_version()},
        "languages": {lang: {**cold(lang, given.runs), **warm(lang, given.sentences)} for lang in SENTENCES},
    }
    print(json.dumps(report, indent=2))


def cold(lang: str, runs: int) -> dict[str, float]:
    """The quickest of several fresh processes."""
    best = [float("inf")] * 2
    for _ in range(runs):
        line = [sys.executable, "-c", _FIRST, lang, SENTENCES[lang].format(1)]
        done = subprocess.run(line, capture_output=True, text=True, check=True)
        best = [min(old, float(new)) for old, new in zip(best, done.stdout.split(), strict=True)]
    return {"import_s": round(best[0], 3), "first_sentence_s": round(best[1], 3)}


def warm(lang: str, count: int) -> dict[str, float]:
    """Phones and sentences a second once everything is loaded."""
    reading.read_text(SENTENCES[lang].format(0), lang, SymbolTable.V2)
    start = time.process_time()
    phones = sum(
        len(reading.read_text(SENTENCES[lang].format(number), lang, SymbolTable.V2).phones)
        for number in range(1, count + 1)
    )
    seconds = time.process_time() - start
    return {"phones_per_s": round(phones / seconds), "ms_per_sentence": round(1000 * seconds / count, 2)}


if __name__ == "__main__":
    main()
