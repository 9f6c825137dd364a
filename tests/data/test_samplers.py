"""Every item once per epoch, similar lengths together, the same batches for the same seed and epoch."""

import numpy as np
import pytest

from sovits_cli.data.samplers import LengthBatches

LENGTHS = np.random.default_rng(0).uniform(0.6, 54, 503).tolist()


@pytest.mark.parametrize("batch_size", [1, 3, 8, 1000])
@pytest.mark.parametrize("batch_s", [None, 5.0, 120.0])
def test_every_item_exactly_once(batch_size, batch_s):
    batches = LengthBatches(LENGTHS, batch_size, 1, batch_s=batch_s).epoch(4)
    assert sorted(item for batch in batches for item in batch) == list(range(len(LENGTHS)))
    assert max(map(len, batches)) <= batch_size


def test_deterministic_and_different():
    first, again = (LengthBatches(LENGTHS, 8, 7).epoch(2) for _ in range(2))
    assert first == again
    assert first != LengthBatches(LENGTHS, 8, 7).epoch(3)
    assert first != LengthBatches(LENGTHS, 8, 8).epoch(2)


def test_neighbours_change_between_epochs():
    sampler = LengthBatches([1.0] * 40, 4, 0)
    assert {frozenset(batch) for batch in sampler.epoch(0)} != {frozenset(batch) for batch in sampler.epoch(1)}


def test_short_clips_do_not_pay_for_long_ones():
    batches = LengthBatches(LENGTHS, 8, 0).epoch(0)
    padded = sum(max(LENGTHS[item] for item in batch) * len(batch) for batch in batches)
    assert padded < 1.12 * sum(LENGTHS)


def test_batches_by_padded_seconds():
    batches = LengthBatches(LENGTHS, 1000, 0, batch_s=60.0).epoch(0)
    assert all(len(batch) == 1 or max(LENGTHS[item] for item in batch) * len(batch) <= 60 for batch in batches)
    assert max(map(len, batches)) > 8


def test_long_and_short_epochs_are_mixed():
    means = [np.mean([LENGTHS[item] for item in batch]) for batch in LengthBatches(LENGTHS, 8, 0).epoch(0)]
    assert abs(np.corrcoef(means, range(len(means)))[0, 1]) < 0.4


@pytest.mark.parametrize("lengths", [[], [3.0], [0.0, 0.0]])
def test_small_sets(lengths):
    batches = LengthBatches(lengths, 8, 0).epoch(0)
    assert [sorted(batch) for batch in batches] == ([list(range(len(lengths)))] if lengths else [])
