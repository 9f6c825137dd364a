"""Clip lengths in bins, and the advice about long clips."""

import pytest

from sovits_cli.cli.hints import hint_for
from sovits_cli.data.length_bins import length_bins, long_clip_shortage
from sovits_cli.events import Warned


def test_every_clip_is_counted_once():
    lengths = [0.6, 2.0, 2.1, 54.0, 54.01, 500.0]
    buckets = length_bins(lengths)
    assert sum(bucket.clips for bucket in buckets) == len(lengths)
    assert sum(bucket.seconds for bucket in buckets) == pytest.approx(sum(lengths))
    assert buckets[0].clips == 2
    assert buckets[0].to_s == 2
    assert buckets[-1].to_s is None


def test_buckets_have_no_gap():
    buckets = length_bins([1, 30])
    assert [bucket.from_s for bucket in buckets[1:]] == [bucket.to_s for bucket in buckets[:-1]]


def test_no_clip_no_bucket():
    assert length_bins([]) == ()
    assert long_clip_shortage([], 54) is None


def test_enough_long_clips():
    assert long_clip_shortage([50.0, 5.0, 5.0], 54) is None


def test_too_few_long_clips():
    advice = long_clip_shortage([5.0] * 100 + [30.0], 54)
    assert advice.long_clips == 1
    assert "1 of 101 clips" in advice.text
    assert long_clip_shortage([5.0] * 100 + [30.0], advice.fitting_sec) is None
    hint = hint_for(Warned(advice.text, **advice.advice))
    assert hint == f"train with --max-sec {advice.fitting_sec}, or make longer slices: sovits slice --target-sec 54"
