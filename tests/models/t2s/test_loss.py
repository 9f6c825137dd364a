"""Targets, metrics, and the preference term."""

import pytest
import torch

from sovits_cli.models.t2s.loss import (
    in_top3,
    make_rejected_tokens,
    pad_with_eos,
    preference_loss,
    share_of_tokens,
    target_logps,
)


def test_targets_end_with_eos():
    targets = pad_with_eos(torch.tensor([[1, 2, 3], [4, 40, 40]]), torch.tensor([3, 1]), 40)
    assert targets.tolist() == [[1, 2, 3, 40], [4, 40, 40, 40]]


def test_target_logps():
    logits = torch.zeros(2, 4, 41)
    logits[1, 2, 7] = 5.0
    found = target_logps(logits, torch.full((2, 4), 7))
    torch.testing.assert_close(found, logits.log_softmax(-1)[..., 7])


def test_top3_accuracy_leaves_eos_out():
    logits = torch.tensor([[[9.0, 8, 7, 0, 0], [0, 9, 8, 7, 1], [9, 8, 7, 0, 6]]])
    targets = torch.tensor([[2, 0, 4]])
    assert in_top3(logits, targets).tolist() == [[True, False, False]]
    assert share_of_tokens(in_top3(logits, targets), targets, eos=4).item() == pytest.approx(0.5)


def test_rejected_tokens_repeat_or_lose_a_stretch():
    tokens, lens = torch.arange(24).view(2, 12) % 40, torch.tensor([12, 5])
    generator = torch.Generator().manual_seed(0)
    longer, shorter = 0, 0
    for _ in range(50):
        rows, lengths = make_rejected_tokens(tokens, lens, pad=40, generator=generator)
        for row, length, real, real_length in zip(rows, lengths.tolist(), tokens, lens.tolist(), strict=True):
            assert (row[length:] == 40).all()
            got, whole = row[:length].tolist(), real[:real_length].tolist()
            stretch = length - real_length
            cuts = range(real_length + 1)
            if stretch >= 0:  # a b c d -> a b b c d
                assert any(got == whole[:end] + whole[end - stretch :] for end in cuts if end >= stretch)
            else:
                assert any(got == whole[:start] + whole[start - stretch :] for start in cuts)
            longer, shorter = longer + (stretch > 0), shorter + (stretch < 0)
    assert longer > 20
    assert shorter > 20


def test_preference_rewards_the_chosen():
    better, worse = torch.tensor([-5.0, -6.0]), torch.tensor([-9.0, -8.0])
    assert preference_loss(better, worse) < preference_loss(better, better) < preference_loss(worse, better)
    assert preference_loss(better, better).item() == pytest.approx(0.6931, abs=1e-4)
