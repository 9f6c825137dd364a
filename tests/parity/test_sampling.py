"""Sampling policies against recorded official probabilities."""

import numpy as np
import pytest
import torch

from sovits_cli.models.t2s.sampling import Sampling, apply_repetition_penalty, filter_top_k, filter_top_k_top_p
from tests.parity import golden

TOLERANCE = 1e-5
FILES = golden.files("sampling")


def _probabilities(logits, prev, sampling):
    seen = torch.zeros(logits.shape, dtype=torch.bool).scatter_(1, prev, True)
    return (
        filter_top_k_top_p(apply_repetition_penalty(logits, seen, sampling.repetition_penalty), sampling)
        .softmax(-1)
        .numpy()
    )


def _sampling(row):
    top_k, top_p, temperature, penalty = (None if value == -1 else float(value) for value in row)
    return Sampling(
        top_k=None if top_k is None else int(top_k),
        top_p=1.0 if top_p is None else top_p,
        temperature=1.0 if temperature is None else temperature,
        repetition_penalty=1.0 if penalty is None else penalty,
    )


@pytest.mark.parametrize("path", FILES)
def test_grid(path, measured):
    data = golden.load(path)
    logits, prev = torch.from_numpy(data["logits"]), torch.from_numpy(data["prev"])
    for row, expected in zip(data["grid"], data["probs"], strict=True):
        actual = _probabilities(logits, prev, _sampling(row))
        assert np.array_equal(actual > 0, expected > 0), f"other tokens survive with {row}"
        measured(np.abs(actual - expected).max(), TOLERANCE, "probs")


@pytest.mark.parametrize("path", FILES)
def test_without_eos_column(path):
    data = golden.load(path)
    logits, prev = torch.from_numpy(data["logits"])[:, :-1], torch.from_numpy(data["prev"])
    actual = _probabilities(logits, prev, Sampling(top_k=15, repetition_penalty=1.35))
    np.testing.assert_allclose(actual, data["probs_1024_topk15_rp135"], atol=TOLERANCE)


@pytest.mark.parametrize("path", FILES)
def test_hidden_eos_equals_no_eos_column(path):
    data = golden.load(path)
    logits, prev = torch.from_numpy(data["logits"]).clone(), torch.from_numpy(data["prev"])
    logits[:, -1] = float("-inf")
    actual = _probabilities(logits, prev, Sampling(top_k=15, repetition_penalty=1.35))
    np.testing.assert_allclose(actual[:, :-1], data["probs_1024_topk15_rp135"], atol=TOLERANCE)


@pytest.mark.parametrize("path", FILES)
def test_penalised_logits(path):
    data = golden.load(path)
    logits, prev = torch.from_numpy(data["logits"]), torch.from_numpy(data["prev"])
    seen = torch.zeros(logits.shape, dtype=torch.bool).scatter_(1, prev, True)
    np.testing.assert_allclose(
        apply_repetition_penalty(logits, seen, 1.35), data["logits_after_call_rp135"], atol=TOLERANCE
    )


@pytest.mark.parametrize("path", FILES)
def test_ties_with_the_last_stay(path):
    data = golden.load(path)
    logits = torch.from_numpy(data["tie_logits"])
    np.testing.assert_allclose(filter_top_k(logits, 3).softmax(-1), data["tie_probs_topk3"], atol=TOLERANCE)
