"""Sampling: the official order with numbers worked out by hand, the distribution of draws, and noise per row."""

import pytest
import torch

from sovits_cli.errors import UsageError
from sovits_cli.models.t2s.sampling import (
    GumbelNoise,
    Sampling,
    apply_repetition_penalty,
    filter_top_k,
    filter_top_k_top_p,
    filter_top_p,
    sample,
)
from tests.differences import every_case

CPU = torch.device("cpu")


def test_the_worked_example_of_the_docstring():
    logits, seen = torch.tensor([[2.0, 1.0, 0.5, -1.0, 0.0]]), torch.tensor([[True, False, False, True, False]])
    penalised = apply_repetition_penalty(logits, seen, 1.35)
    torch.testing.assert_close(penalised, torch.tensor([[2 / 1.35, 1.0, 0.5, -1.35, 0.0]]))
    left = filter_top_k_top_p(penalised, Sampling(top_k=3, top_p=0.9, temperature=0.7))
    torch.testing.assert_close(left.softmax(-1)[0], torch.tensor([0.5718, 0.2874, 0.1407, 0, 0]), atol=1e-4, rtol=0)


def test_top_p_drops_what_crosses_the_limit_but_never_the_best():
    logits = torch.tensor([[0.5, 0.3, 0.2]]).log()
    assert filter_top_p(logits, 0.8 - 1e-6).isfinite().tolist() == [[True, False, False]]
    assert filter_top_p(logits, 0.8 + 1e-6).isfinite().tolist() == [[True, True, False]]
    assert filter_top_p(logits, 0.1).isfinite().tolist() == [[True, False, False]]
    assert filter_top_p(logits, 1.0) is logits


def test_top_k_keeps_ties():
    logits = torch.tensor([[3.0, 1.0, 2.0, 2.0]])
    assert filter_top_k(logits, 2).isfinite().tolist() == [[True, False, True, True]]
    assert filter_top_k(logits, None) is logits


@every_case(
    "wrong",
    [
        {"top_k": 0},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"temperature": -0.1},
        {"temperature": float("nan")},
        {"repetition_penalty": 0.0},
    ],
)
def test_wrong_sampling(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Sampling(**wrong)


def test_noise_is_the_rows_own():
    many = GumbelNoise(3, 7, CPU)
    for row in range(3):
        many.reset(row, seed=row)
    first = [many.next().clone() for _ in range(40)]
    many.reorder([2, 0])
    many.reset(1, seed=5)
    later = [many.next().clone() for _ in range(70)]
    alone = GumbelNoise(1, 7, CPU)
    alone.reset(0, seed=2)
    drawn_alone = [alone.next()[0].clone() for _ in range(110)]
    assert torch.equal(torch.stack([x[2] for x in first] + [x[0] for x in later]), torch.stack(drawn_alone))
    alone.reset(0, seed=5)
    assert torch.equal(torch.stack([x[1] for x in later]), torch.stack([alone.next()[0].clone() for _ in range(70)]))


def test_draws_follow_the_probabilities():
    logits = filter_top_k_top_p(torch.tensor([[2.0, 1.0, 0.0, -1.0, 0.5]]), Sampling(top_k=4, temperature=0.8))
    noise = GumbelNoise(1, 5, CPU)
    noise.reset(0, seed=11)
    count = 20_000
    tokens = sample(logits, torch.cat([noise.next().clone() for _ in range(count)]))
    share = torch.bincount(tokens, minlength=5) / count
    assert torch.allclose(share, logits.softmax(-1)[0], atol=0.012)
    assert share[3] == 0
