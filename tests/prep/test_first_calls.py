"""A dataset of five languages in a fresh process: every front end is first asked for by several workers at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from sovits_cli.data.experiment import Experiment
from sovits_cli.text import reading
from sovits_cli.versions import VERSIONS
from tests.data.recordings import record

TEXTS = {
    "en": "We saw {} old lighthouses.",
    "zh": "我有{}个苹果和一支红桃。",
    "ja": "りんごを{}個食べました。",
    "ko": "사람은 {}명입니다.",
    "yue": "我哋今日食咗{}碗飯。",
}
CLIPS = 4
WORKERS = 4

PREPARE = f"""
import sys
from pathlib import Path
from tests.prep.fakes import FakeModels, RecordingReporter, run

heard = RecordingReporter()
report = run(Path(sys.argv[1]), Path(sys.argv[2]), FakeModels(version="v2"), heard, lang="en", workers={WORKERS})
print(report.clips, heard.skipped, *sorted(report.languages))
"""


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """A list of twenty clips, the languages in turn."""
    folder = tmp_path_factory.mktemp("spoken")
    rows = []
    for number in range(CLIPS):
        for lang, text in TEXTS.items():
            path = record(folder / f"{lang}{number}.wav", 1.0, seed=number)
            rows.append(f"{path}|me|{lang}|{text.format(number + 2)}\n")
    (folder / "all.list").write_text("".join(rows), encoding="utf-8")
    return folder / "all.list"


def five_languages(spoken, out):
    done = subprocess.run(
        [sys.executable, "-c", PREPARE, spoken, out],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout == f"{len(TEXTS) * CLIPS} {{}} {' '.join(sorted(TEXTS))}\n", done.stderr
    found = {name: row.phones for name, row in Experiment(out).read_text().rows.items()}
    for number in range(CLIPS):
        for lang, text in TEXTS.items():
            read = reading.read_text(text.format(number + 2), lang, VERSIONS["v2"].symbols)
            assert found[f"{lang}{number}.wav"] == tuple(read.phones)


def test_five_languages_by_four_workers(spoken, tmp_path):
    five_languages(spoken, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("run", range(10))
def test_ten_times(spoken, tmp_path, run):
    five_languages(spoken, tmp_path / "out")
