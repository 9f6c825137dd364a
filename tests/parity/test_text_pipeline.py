"""Mixed text in every official mode: cut into languages, and read, as the official program does (`compat=True`)."""

import pytest

from sovits_cli.text import segment
from tests.differences import differences
from tests.parity import golden, mixed
from tests.parity.differences import HALF_WIDTH, MODEL, SEGMENTATION

CUTS, READINGS = list(mixed.cuts()), list(mixed.readings())
BY_SCRIPT = mixed.by_script()


def modes(items):
    return sorted({item.mode for item in items})


@pytest.mark.parametrize("mode", modes(CUTS))
def test_cut(mode):
    with differences() as compare:
        for item in CUTS:
            if item.mode == mode:
                with compare(item.key):
                    same_cut(item)


def same_cut(item):
    got, want, reason = mixed.read(item), mixed.recorded(item), mixed.why(item)
    if not reason:
        assert got == want
        return
    assert got != want, f"{item.text} in {item.mode} is the same now: take it out of the table"
    assert item.text in BY_SCRIPT
    if item.mode == segment.AUTO and reason not in (HALF_WIDTH, MODEL):
        assert got == BY_SCRIPT[item.text]


@pytest.mark.parametrize("mode", modes(READINGS))
def test_reading(mode):
    with differences() as compare:
        for item in READINGS:
            if item.mode == mode:
                with compare(item.key):
                    same_reading(item)


def same_reading(item):
    if lang := mixed.missing(item):
        pytest.skip(f"no sovits[{lang}]")
    reason = mixed.why(item)
    if reason in {MODEL, *SEGMENTATION.values()}:
        assert mixed.differs(item)
    elif reason:
        got, want = ["".join(piece[2] for piece in each["pieces"]) for each in (mixed.read(item), item.want)]
        assert got.lstrip(". ") == want.lstrip(". ")
    else:
        assert mixed.read(item) == mixed.recorded(item)


@pytest.mark.skipif(not golden.is_ours(), reason="another folder has other texts")
def test_table():
    assert SEGMENTATION.keys() <= {item.text for item in CUTS}
