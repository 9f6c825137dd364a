"""Clip lengths in buckets, and the advice about long samples."""

import pytest

from sovits_cli.data.lengths import histogram, too_few_long


def test_every_clip_is_counted_once():
    lengths = [0.6, 2.0, 2.1, 54.0, 54.01, 500.0]
    buckets = histogram(lengths)
    assert sum(bucket.clips for bucket in buckets) == len(lengths)
    assert sum(bucket.seconds for bucket in buckets) == pytest.approx(sum(lengths))
    assert buckets[0].clips == 2
    assert buckets[0].to_s == 2
    assert buckets[-1].to_s is None


def test_buckets_have_no_gap():
    buckets = histogram([1, 30])
    assert [bucket.from_s for bucket in buckets[1:]] == [bucket.to_s for bucket in buckets[:-1]]


def test_no_clip_no_bucket():
    assert histogram([]) == ()
    assert too_few_long([], 54) is None


def test_enough_long_clips():
    assert too_few_long([50.0, 5.0, 5.0], 54) is None


def test_too_few_long_clips():
    advice = too_few_long([5.0] * 100 + [30.0], 54)
    assert advice.long_clips == 1
    assert "1 of 101 clips" in advice.text
    assert too_few_long([5.0] * 100 + [30.0], advice.fitting_sec) is None
    assert f"--max-sec {advice.fitting_sec}" in advice.hint
