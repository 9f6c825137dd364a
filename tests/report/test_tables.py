from __future__ import annotations

import pytest

from sovits_cli.report.tables import aligned, format_bytes


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert aligned([("a", "bb", "c"), ("aaa", "", "cc")]) == ["a    bb  c", "aaa      cc"]


def test_no_rows_are_no_lines() -> None:
    assert aligned([]) == []


def test_rows_of_unequal_length_are_a_bug() -> None:
    with pytest.raises(ValueError):
        aligned([("a",), ("a", "b")])


def test_bytes_in_words() -> None:
    assert [format_bytes(count) for count in (0, 512e6, 3.44e9)] == ["0 MB", "512 MB", "3.4 GB"]
