"""The alignment loss against every path written out, and what it teaches."""

import itertools
import math

import torch

from sovits_cli.models.t2s.alignment import BLANK, alignment_loss, diagonal_prior
from tests.models.t2s_small import CONFIG, small


def by_enumeration(scores, phones, tokens):
    """Minus the log of the summed probability of every path that reads all phones in order."""
    prior = diagonal_prior(torch.tensor([phones]), torch.tensor([tokens]), tokens, phones)[0]
    logits = torch.cat((torch.full((tokens, 1), BLANK), scores[:tokens, :phones] + prior), dim=1)
    log_probs = logits.log_softmax(-1)
    total = 0.0
    for path in itertools.product(range(phones + 1), repeat=tokens):
        said = [phone for phone, _ in itertools.groupby(path) if phone]
        if said == list(range(1, phones + 1)):
            total += float(sum(log_probs[place, phone] for place, phone in enumerate(path)).exp())
    return -torch.tensor(total).log()


def test_equals_the_sum_over_all_paths():
    scores = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(1))
    expected = by_enumeration(scores[0], 3, 6) + by_enumeration(scores[1], 2, 4)
    found = alignment_loss(scores, torch.tensor([3, 2]), torch.tensor([6, 4]))
    torch.testing.assert_close(found, expected / 10, rtol=1e-5, atol=1e-6)


def test_padding_and_rows_that_cannot_be_read_get_no_gradient():
    scores = torch.randn(2, 6, 4, requires_grad=True)
    alignment_loss(scores, torch.tensor([2, 4]), torch.tensor([5, 3])).backward()
    assert scores.grad.isfinite().all()
    assert scores.grad[0, :5, :2].abs().sum() > 0
    assert not scores.grad[0, 5:].any()
    assert not scores.grad[0, :, 2:].any()
    assert not scores.grad[1].any()


def test_the_diagonal_is_cheaper_than_its_mirror():
    right = torch.eye(4).repeat_interleave(3, 0)[None] * 8
    lens = torch.tensor([4]), torch.tensor([12])
    assert alignment_loss(right, *lens) < 0.1 < 1 < alignment_loss(right.flip(1), *lens)


def test_teaches_a_head_its_place():
    """Tokens of which three say each phone."""
    model = small().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    phones = torch.stack([torch.randperm(CONFIG.phones)[:6] for _ in range(8)])
    codes = phones.repeat_interleave(3, 1)
    keep, lens = torch.ones_like(phones, dtype=torch.bool), torch.full((8,), codes.shape[1])
    losses = []
    for _ in range(40):
        found = model(phones, keep, None, codes, lens, ignore_padding=True, align=True)
        losses.append(found.alignment.item())
        optimizer.zero_grad()
        (found.loss / codes.numel() + found.alignment).backward()
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]
    model.eval()
    for text in phones:
        right = text.repeat_interleave(3)
        assert model.text_deviation(text, None, right) < model.text_deviation(text, None, right.flip(0))


def test_fewer_tokens_than_phones_cannot_say_them():
    assert small().eval().text_deviation(torch.arange(5), None, torch.zeros(4, dtype=torch.long)) == math.inf


def test_is_not_made_unless_asked_for():
    phones, codes = torch.randint(0, CONFIG.phones, (1, 5)), torch.randint(0, CONFIG.eos, (1, 9))
    assert small()(phones, torch.ones(1, 5, dtype=torch.bool), None, codes, torch.tensor([9])).alignment is None


def test_what_is_heard_is_not_what_is_predicted():
    model = small()
    phones, codes = torch.randint(0, CONFIG.phones, (2, 5)), torch.randint(0, CONFIG.eos, (2, 9))
    keep, lens = torch.ones(2, 5, dtype=torch.bool), torch.tensor([9, 6])
    plain = model(phones, keep, None, codes, lens)
    same = model(phones, keep, None, codes, lens, input_tokens=codes)
    other = model(phones, keep, None, codes, lens, input_tokens=(codes + 1) % CONFIG.eos)
    torch.testing.assert_close(same.row_logps, plain.row_logps)
    assert not torch.allclose(other.row_logps, plain.row_logps)
