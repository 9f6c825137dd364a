from __future__ import annotations

import pytest

from sovits_cli.report import plots


def test_the_histogram_reaches_the_limit_and_counts_everything() -> None:
    text = plots.length_histogram([4.0, 4.5, 54.0], limit_s=54.0)
    lines = text.splitlines()
    assert len(lines) == 12
    assert lines[0].split() == ["0-5", "s", "#####", "2", "clips", "8", "s"]
    assert lines[-2].split() == ["50-55", "s", "#" * 30, "1", "clips", "54", "s"]
    assert lines[-1] == "3 clips, 62 s: shortest 4.0 s, middle 4.5 s, longest 54.0 s, limit 54 s"


def test_a_clip_at_the_end_of_a_bin_is_inside() -> None:
    assert [one.clips for one in plots.binned([5.0, 10.0, 10.001], 5.0)] == [1, 1, 1]
    assert [one.clips for one in plots.binned([0.0], 5.0)] == [1]


@pytest.mark.parametrize(
    ("longest_s", "step_s"), [(3, 0.5), (12, 1), (12.1, 2), (54, 5), (80, 10), (3600, 300), (86400, 7200)]
)
def test_bins_are_round_and_few(longest_s: float, step_s: float) -> None:
    assert plots.bin_width_s(longest_s, 12) == step_s
    assert len(plots.binned([longest_s], step_s)) <= 12


def test_nothing_and_a_bin_of_silence_are_drawn() -> None:
    assert plots.length_histogram([]) == "no clips"
    assert plots.draw([]) == ""
    assert plots.draw([plots.Bin(0, 5, 0, 0.0), plots.Bin(5, None, 0, 0.0)]).count("#") == 0


def test_a_single_short_clip_still_shows() -> None:
    lines = plots.length_histogram([0.1] + [50.0] * 500).splitlines()
    assert "#" in lines[0]
    assert "#" not in lines[1]


@pytest.mark.parametrize(("seconds", "text"), [(48, "48 s"), (720, "12 min"), (12240, "3.4 h")])
def test_totals(seconds: float, text: str) -> None:
    assert plots.total(seconds) == text


def test_it_is_ascii() -> None:
    assert plots.length_histogram([1.0, 30.0], limit_s=54).isascii()
