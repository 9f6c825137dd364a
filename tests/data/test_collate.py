"""Padding as the official trainers pad."""

import torch

from sovits_cli.data.collate import GptItem, SovitsItem, collate_gpt, collate_sovits


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
