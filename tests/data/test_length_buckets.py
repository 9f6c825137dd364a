"""Clip lengths in buckets, and the advice about long samples."""

import numpy as np
import pytest

from sovits_cli.data.length_buckets import LengthBucketSampler, length_bins, long_clip_shortage


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
    assert f"--max-sec {advice.fitting_sec}" in advice.hint


LENGTHS = np.random.default_rng(0).uniform(0.6, 54, 503).tolist()


@pytest.mark.parametrize("batch_size", [1, 3, 8, 1000])
@pytest.mark.parametrize("batch_s", [None, 5.0, 120.0])
def test_every_item_exactly_once(batch_size, batch_s):
    batches = LengthBucketSampler(LENGTHS, batch_size, 1, batch_s=batch_s).epoch(4)
    assert sorted(item for batch in batches for item in batch) == list(range(len(LENGTHS)))
    assert max(map(len, batches)) <= batch_size


def test_deterministic_and_different():
    first, again = (LengthBucketSampler(LENGTHS, 8, 7).epoch(2) for _ in range(2))
    assert first == again
    assert first != LengthBucketSampler(LENGTHS, 8, 7).epoch(3)
    assert first != LengthBucketSampler(LENGTHS, 8, 8).epoch(2)


def test_neighbours_change_between_epochs():
    sampler = LengthBucketSampler([1.0] * 40, 4, 0)
    assert {frozenset(batch) for batch in sampler.epoch(0)} != {frozenset(batch) for batch in sampler.epoch(1)}


def test_short_clips_do_not_pay_for_long_ones():
    batches = LengthBucketSampler(LENGTHS, 8, 0).epoch(0)
    padded = sum(max(LENGTHS[item] for item in batch) * len(batch) for batch in batches)
    assert padded < 1.12 * sum(LENGTHS)


def test_batches_by_padded_seconds():
    batches = LengthBucketSampler(LENGTHS, 1000, 0, batch_s=60.0).epoch(0)
    assert all(len(batch) == 1 or max(LENGTHS[item] for item in batch) * len(batch) <= 60 for batch in batches)
    assert max(map(len, batches)) > 8


def test_long_and_short_epochs_are_mixed():
    means = [np.mean([LENGTHS[item] for item in batch]) for batch in LengthBucketSampler(LENGTHS, 8, 0).epoch(0)]
    assert abs(np.corrcoef(means, range(len(means)))[0, 1]) < 0.4


@pytest.mark.parametrize("lengths", [[], [3.0], [0.0, 0.0]])
def test_small_sets(lengths):
    batches = LengthBucketSampler(lengths, 8, 0).epoch(0)
    assert [sorted(batch) for batch in batches] == ([list(range(len(lengths)))] if lengths else [])
