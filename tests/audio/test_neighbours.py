"""Joining slices that follow each other."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sovits_cli.audio.neighbours import LONGEST_PAUSE_S, Neighbours
from sovits_cli.terms import Span

RATE = 100


def joined(spans, target_s=10.0, block=1):
    joiner = Neighbours(target_s, RATE)
    found = []
    for start in range(0, len(spans), block):
        found += joiner.feed(spans[start : start + block])
    return found + joiner.flush()


def test_neighbours_are_joined_up_to_the_target():
    spans = [Span(0, 300), Span(300, 600), Span(650, 1000), Span(1000, 1400)]
    assert joined(spans) == [Span(0, 1000), Span(1000, 1400)]
    assert joined(spans, target_s=2.0) == spans


def test_over_a_long_pause_nothing_is_joined():
    assert joined([Span(0, 100), Span(200, 300)]) == [Span(0, 300)]
    assert joined([Span(0, 100), Span(201, 300)]) == [Span(0, 100), Span(201, 300)]
    assert LONGEST_PAUSE_S == 1.0


@given(st.lists(st.tuples(st.integers(0, 150), st.integers(1, 1200)), max_size=30), st.integers(1, 7))
def test_every_sample_stays_in_one_span(pairs, block):
    """Whatever the blocks; spans over the target stay as they are."""
    spans, end = [], 0
    for pause, length in pairs:
        spans.append(Span(end + pause, end + pause + length))
        end = spans[-1].end
    found = joined(spans, block=block)
    assert found == joined(spans, block=30)
    assert [span for span in spans if not any(one.start <= span.start and span.end <= one.end for one in found)] == []
    assert all(one.end <= two.start for one, two in pairwise(found))
    assert all(one.samples <= 10 * RATE or one in spans for one in found)
