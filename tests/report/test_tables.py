from __future__ import annotations

from pathlib import Path

import pytest

from sovits_cli.data.length_bins import LengthBin
from sovits_cli.events import ClipGroup, Surveyed
from sovits_cli.report import tables
from tests.differences import every_case


def test_the_histogram_counts_everything_and_tells_the_limit() -> None:
    lines = tables.length_histogram([4.5, 5.0, 54.0], limit_s=54.0).splitlines()
    assert lines[0].split() == ["4-6", "s", "#####", "2", "clips", "10", "s"]
    assert lines[-2].split() == ["40-54", "s", "#" * 30, "1", "clips", "54", "s"]
    assert lines[-1] == "3 clips, 64 s: shortest 4.5 s, median 5.0 s, longest 54.0 s, limit 54 s"


def test_columns_stand_below_each_other() -> None:
    lines = tables.length_histogram([1.0] * 12345 + [9.0, 500.0]).splitlines()[:-1]
    assert len({line.index(" clips") for line in lines}) == 1
    assert len({len(line) for line in lines}) == 1
    assert lines[-1].split()[:3] == ["over", "120", "s"]


def test_nothing_and_a_bucket_of_silence_are_drawn() -> None:
    assert tables.length_histogram([]) == "no clips"
    assert tables.histogram_bars([]) == ""
    assert "#" not in tables.histogram_bars([LengthBin(0, 5, 0, 0.0), LengthBin(5, None, 0, 0.0)])


def test_a_single_short_clip_still_shows() -> None:
    lines = tables.length_histogram([0.1] + [50.0] * 500).splitlines()
    assert "#" in lines[0]
    assert "#" not in lines[1]


@every_case(("seconds", "text"), [(48, "48 s"), (720, "12 min"), (12240, "3.4 h")])
def test_totals(seconds: float, text: str) -> None:
    assert tables.format_audio(seconds) == text


def test_it_is_ascii() -> None:
    assert tables.length_histogram([1.0, 30.0], limit_s=54).isascii()


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert tables.aligned_columns([("a", "bb", "c"), ("aaa", "", "cc")]) == ["a    bb  c", "aaa      cc"]


def test_no_rows_are_no_lines() -> None:
    assert tables.aligned_columns([]) == []


def test_rows_of_unequal_length_are_a_bug() -> None:
    with pytest.raises(ValueError):
        tables.aligned_columns([("a",), ("a", "b")])


def test_bytes_in_words() -> None:
    assert [tables.format_bytes(count) for count in (0, 512e6, 3.44e9)] == ["0 MB", "512 MB", "3.4 GB"]


@every_case(("seconds", "text"), [(7, "0:07"), (130, "2:10"), (3723, "1:02:03"), (59.6, "1:00")])
def test_durations(seconds: float, text: str) -> None:
    assert tables.format_duration(seconds) == text


def test_the_table_of_a_training_says_what_would_keep_a_clip() -> None:
    kept = ClipGroup("kept", 2, 9.0)
    too_long = ClipGroup("over max_sec", 1, 60.0, code="data.clip_too_long")
    event = Surveyed("gpt", Path("runs/v"), kept, [too_long], [4.0, 5.0], 10.0)
    lines = tables.training_data_table(event, lambda group: "cut it" if group.code else None).splitlines()
    assert lines[:3] == ["gpt:", "  kept          2 clips  9 s", "  over max_sec  1 clips  60 s  cut it"]
    assert lines[-1].startswith("2 clips, 9 s:")
