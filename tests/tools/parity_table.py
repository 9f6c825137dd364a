"""How far each version is from the recorded official program: does it load, infer, train, export?

    python -m tests.tools.parity_table [table.json]

Runs the parity tests on the files of SOVITS_GOLDEN (default: tests/golden), those of official size included, and shows
of each cell the deviation that comes nearest to its limit. 0 is exact: every key, shape, value or token.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from sovits_cli.report.tables import aligned_columns
from sovits_cli.versions import VERSIONS

FOLDER = "tests"
COLUMNS: dict[str, tuple[str, ...]] = {
    "loads": (
        "parity/test_s2_keys.py::test_acoustic_model",
        "parity/test_s2_keys.py::test_discriminator",
        "parity/test_flow_keys.py::test_whole_model",
        "parity/test_flow_keys.py::test_training_state_of_a_lora",
        "checkpoints/test_lora.py::test_verify_and_inspect",
        "parity/test_vocoders.py::test_keys",
        "parity/test_vocoders.py::test_folded_keys",
        "parity/test_speaker.py::test_keys",
        "parity/test_official_files.py::test_an_official_export_loads_whole",
        "parity/test_official_files.py::test_an_official_training_state_loads_whole",
    ),
    "infers": (
        "parity/test_s1.py",
        "parity/test_sampling.py",
        "parity/test_s2.py",
        "parity/test_flow.py::test_condition",
        "parity/test_flow.py::test_samples",
        "parity/test_flow.py::test_transformer",
        "parity/test_flow_speech.py",
        "parity/test_vocoders.py::test_wave",
        "checkpoints/test_lora.py::test_speech_of_the_merged_model",
        "parity/test_speaker.py::test_vector",
        "parity/test_hubert.py",
        "parity/test_bert.py",
        "parity/test_mel.py",
    ),
    "trains": (
        "parity/test_s1_train.py",
        "parity/test_s2_train.py",
        "parity/test_stages.py",
        "parity/test_scaled_adam.py",
        "parity/test_flow.py::test_loss_and_gradients",
        "parity/test_flow.py::test_a_lora_learns_from_the_same_loss",
    ),
    "exports": (
        "parity/test_flow_keys.py::test_exported_lora",
        "checkpoints/test_lora.py::test_convert_merges",
        "parity/test_official_files.py::test_ours_is_written_as_it_was",
    ),
}
"""The tests that fill each column."""

_VERSION = "|".join(sorted(VERSIONS, key=len, reverse=True))
ROWS = (
    (r"s1_|sampling|scaled_adam", "GPT"),
    (rf"(?:^|_)({_VERSION})_lora", r"\1 LoRA"),
    (rf"(?:^|_)({_VERSION})(?=_|$)", r"\1"),
    (r"eres2net", "speaker encoder"),
    (r"hubert", "HuBERT"),
    (r"bert", "BERT"),
    (r"^(?:sola|mel)$", "mel, joining"),
)
"""What the name of a golden file has in it, and the row it belongs to; the first that fits."""


@dataclass(frozen=True)
class Measure:
    """One deviation: of what in which file, how large, and its limit."""

    row: str
    column: str
    file: str
    what: str
    deviation: float
    limit: float

    @property
    def share(self) -> float:
        """Of its limit."""
        return self.deviation / self.limit if self.limit else (float("inf") if self.deviation else 0.0)


class Collector:
    """A pytest plugin that keeps what tests measured, and which of them failed."""

    def __init__(self) -> None:
        self.measures: list[Measure] = []
        self.failed: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)
        if report.when == "call":
            file = file_of(report.nodeid)
            self.measures += [
                Measure(row_of(file), column_of(report.nodeid), file, what, *numbers)
                for what, numbers in report.user_properties
            ]


def file_of(nodeid: str) -> str:
    """The golden file among the parameters of a test: the part that belongs to a row."""
    parts = nodeid.partition("[")[2].removesuffix("]").split("-")
    return next((part for part in parts if row_of(part)), "")


def row_of(file: str) -> str:
    """The row of a golden file; empty if it belongs to none."""
    for pattern, row in ROWS:
        if found := re.search(pattern, file):
            return found.expand(row)
    return ""


def column_of(nodeid: str) -> str:
    """The column that a test is listed in."""
    test = nodeid.removeprefix(f"{FOLDER}/").partition("[")[0]
    return next(
        column for column, tests in COLUMNS.items() if any(test == one or test.startswith(f"{one}::") for one in tests)
    )


def worst(measures: Iterable[Measure]) -> dict[str, dict[str, Measure]]:
    """Of each row and column, what comes nearest to its limit; the larger deviation where two are as near."""
    cells: dict[str, dict[str, Measure]] = defaultdict(dict)
    for one in measures:
        there = cells[one.row].get(one.column)
        if there is None or (one.share, one.deviation) > (there.share, there.deviation):
            cells[one.row][one.column] = one
    return dict(cells)


def table(measures: Sequence[Measure]) -> list[str]:
    """Rows of text: `deviation of limit`, and how many were measured."""
    cells = worst(measures)
    order = [row for name in VERSIONS for row in (name, f"{name} LoRA")] + [row for _, row in ROWS]
    lines = [
        (row, *(_cell(measures, cells[row].get(column)) for column in COLUMNS))
        for row in sorted(cells, key=order.index)
    ]
    return aligned_columns([("", *COLUMNS), *lines])


def _cell(measures: Sequence[Measure], found: Measure | None) -> str:
    if found is None:
        return "-"
    count = sum((one.row, one.column) == (found.row, found.column) for one in measures)
    said = f"{found.deviation:.1e} of {found.limit:.0e}" if found.limit else f"{found.deviation:.0f}"
    return f"{said} ({count})"


def main(place: Path | None = None) -> int:
    """Print the table, and the document behind it unless it has a place; the exit code is that of the tests."""
    collector = Collector()
    tests = [f"{FOLDER}/{test}" for column in COLUMNS.values() for test in column]
    # one process, as the models of official size are large
    code = pytest.main(["-n", "0", "-q", "--tb=short", "-m", "not gpu and not network", *tests], plugins=[collector])
    document = {
        "measured": len(collector.measures),
        "failed": collector.failed,
        "cells": {
            row: {column: asdict(one) for column, one in cells.items()}
            for row, cells in worst(collector.measures).items()
        },
    }
    print(*table(collector.measures), *(f"failed: {test}" for test in collector.failed), sep="\n")
    if place is None:
        print(json.dumps(document))
    else:
        place.write_text(json.dumps(document, indent=1), encoding="utf-8")
    return int(code)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
