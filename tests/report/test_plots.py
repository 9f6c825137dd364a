from __future__ import annotations

from sovits_cli.data.length_bins import LengthBin
from sovits_cli.report import plots
from tests.differences import every_case


def test_the_histogram_counts_everything_and_tells_the_limit() -> None:
    lines = plots.length_histogram([4.5, 5.0, 54.0], limit_s=54.0).splitlines()
    assert lines[0].split() == ["4-6", "s", "#####", "2", "clips", "10", "s"]
    assert lines[-2].split() == ["40-54", "s", "#" * 30, "1", "clips", "54", "s"]
    assert lines[-1] == "3 clips, 64 s: shortest 4.5 s, middle 5.0 s, longest 54.0 s, limit 54 s"


def test_columns_stand_below_each_other() -> None:
    lines = plots.length_histogram([1.0] * 12345 + [9.0, 500.0]).splitlines()[:-1]
    assert len({line.index(" clips") for line in lines}) == 1
    assert len({len(line) for line in lines}) == 1
    assert lines[-1].split()[:3] == ["over", "120", "s"]


def test_nothing_and_a_bucket_of_silence_are_drawn() -> None:
    assert plots.length_histogram([]) == "no clips"
    assert plots.draw([]) == ""
    assert "#" not in plots.draw([LengthBin(0, 5, 0, 0.0), LengthBin(5, None, 0, 0.0)])


def test_a_single_short_clip_still_shows() -> None:
    lines = plots.length_histogram([0.1] + [50.0] * 500).splitlines()
    assert "#" in lines[0]
    assert "#" not in lines[1]


@every_case(("seconds", "text"), [(48, "48 s"), (720, "12 min"), (12240, "3.4 h")])
def test_totals(seconds: float, text: str) -> None:
    assert plots.total(seconds) == text


def test_it_is_ascii() -> None:
    assert plots.length_histogram([1.0, 30.0], limit_s=54).isascii()
