"""A process killed outright, at random moments: nothing lost, nothing doubled, the same files in the end."""

import os
import subprocess
import sys

import pytest

from tests.data.recordings import spoken_folder
from tests.kills import ROOT, Kills, run_and_kill
from tests.prep.fakes import contents, run

FORKS = """
import sys
from pathlib import Path
from tests.kills import report_event, serve
from tests.prep.fakes import RecordingReporter, run

class Loud(RecordingReporter):
    def emit(self, event):
        report_event()

serve(lambda: run(Path(sys.argv[1]), Path(sys.argv[2]), heard=Loud(), workers=2))
"""

CLIPS = 5
EVENTS = CLIPS * 6


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("kills", [5, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_random(tmp_path, kills):
    source = spoken_folder(tmp_path / "in", CLIPS)
    run(source, tmp_path / "undisturbed")
    count = run_and_kill(FORKS, [source, tmp_path / "killed"], Kills(kills, EVENTS, seed=5))
    assert count >= 0.7 * kills
    assert run(source, tmp_path / "killed").clips == CLIPS
    assert contents(tmp_path / "killed") == contents(tmp_path / "undisturbed")


MANY = """
import re, sys
from pathlib import Path
from tests.data.recordings import record
from tests.prep.fakes import run

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

root, count = Path(sys.argv[1]), int(sys.argv[2])
first = record(root / "in" / "0.wav", 0.7).read_bytes()
for number in range(count):
    (root / "in" / f"{number}.wav").write_bytes(first)
    (root / "in" / f"{number}.txt").write_text("Hello.")
print(run(root / "in", root / "out", workers=2).clips, peak())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("few", "many"), [(20, 120), pytest.param(500, 10_000, marks=pytest.mark.slow)])
def test_many_short_files_need_little_memory(tmp_path, few, many):
    """A few kilobytes a clip: what the tables say of it, and nothing of its audio."""
    peaks = []
    for count in (few, many):
        done = subprocess.run(
            [sys.executable, "-c", MANY, tmp_path / str(count), str(count)],
            capture_output=True, cwd=ROOT, text=True, check=True,
        )  # fmt: skip
        clips, peak = map(int, done.stdout.split())
        assert clips == count
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 20e6 + 10e3 * many
