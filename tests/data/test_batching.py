"""Padding as the official trainers pad."""

import numpy as np
import torch

from sovits_cli.data.batching import GptItem, LengthBucketSampler, SovitsItem, collate_gpt, collate_sovits
from tests.differences import every_case


def gpt_item(phones, tokens, bert=None):
    return GptItem("x", torch.arange(1, phones + 1), torch.arange(tokens), bert)


def sovits_item(frames, phones, hop=640, speaker=None):
    content, spec, wave = torch.ones(3, frames), torch.ones(5, frames), torch.ones(frames * hop)
    return SovitsItem("x", content, spec, wave, torch.arange(1, phones + 1), speaker)


def test_gpt_batch():
    batch = collate_gpt([gpt_item(2, 5), gpt_item(4, 3, torch.ones(6, 4))], pad_token=1024, bert_dim=6)
    assert batch.phones.tolist() == [[1, 2, 0, 0], [1, 2, 3, 4]]
    assert batch.phone_lens.tolist() == [2, 4]
    assert batch.phone_mask.tolist() == [[True, True, False, False], [True] * 4]
    assert batch.tokens.tolist() == [[0, 1, 2, 3, 4], [0, 1, 2, 1024, 1024]]
    assert batch.token_lens.tolist() == [5, 3]
    assert batch.bert.shape == (2, 6, 4)
    assert batch.bert.sum(dim=(1, 2)).tolist() == [0, 24]
    assert len(batch) == 2


def test_gpt_batch_of_a_model_without_bert():
    assert collate_gpt([gpt_item(2, 5)], bert_dim=0).bert is None


def test_sovits_batch_is_even_and_one_longer():
    for longest, frames in ((10, 12), (11, 12), (12, 14)):
        batch = collate_sovits([sovits_item(7, 2), sovits_item(longest, 3)])
        assert batch.content.shape == (2, 3, frames)
        assert batch.spec.shape == (2, 5, frames)
        assert batch.spec_lens.tolist() == [7, longest]
        assert batch.wave.shape == (2, 1, longest * 640)
        assert batch.wave_lens.tolist() == [7 * 640, longest * 640]
        assert batch.phones.tolist() == [[1, 2, 0], [1, 2, 3]]
        assert batch.spec.sum(dim=(1, 2)).tolist() == [35, 5 * longest]


def test_moving_keeps_every_field():
    for batch in (collate_gpt([gpt_item(2, 5)]), collate_sovits([sovits_item(4, 2, speaker=torch.ones(2))])):
        moved = batch.to("meta")
        for field, value in vars(batch).items():
            if value is None:
                assert getattr(moved, field) is None
            else:
                assert getattr(moved, field).shape == value.shape
                assert getattr(moved, field).device.type == "meta"


def test_speaker_vectors_are_stacked():
    batch = collate_sovits([sovits_item(4, 2, speaker=torch.ones(2)), sovits_item(6, 2, speaker=torch.zeros(2))])
    assert batch.speaker.tolist() == [[1, 1], [0, 0]]
    assert collate_sovits([sovits_item(4, 2)]).speaker is None
    assert collate_sovits([sovits_item(4, 2)]).to("meta").speaker is None


def test_a_part_is_what_its_items_alone_would_be():
    items = [gpt_item(2, 5), gpt_item(4, 3), gpt_item(3, 9)]
    part = collate_gpt(items).select(slice(0, 2))
    for field, value in vars(collate_gpt(items[:2])).items():
        assert value is None or torch.equal(getattr(part, field), value)
    clips = [sovits_item(*sizes, speaker=torch.ones(2)) for sizes in ((4, 2), (9, 1), (6, 5))]
    whole = collate_sovits(clips)
    part = whole.select(slice(0, 1))
    for field, value in vars(collate_sovits(clips[:1])).items():
        assert value is None or torch.equal(getattr(part, field), value)
    assert (whole.positions, part.positions) == (3 * 10, 6)


LENGTHS = np.random.default_rng(0).uniform(0.6, 54, 503).tolist()


@every_case("batch_s", [None, 5.0, 120.0])
def test_every_item_exactly_once(batch_s):
    for batch_size in (1, 3, 8, 1000):
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


@every_case("lengths", [[], [3.0], [0.0, 0.0]])
def test_small_sets(lengths):
    batches = LengthBucketSampler(lengths, 8, 0).epoch(0)
    assert [sorted(batch) for batch in batches] == ([list(range(len(lengths)))] if lengths else [])
