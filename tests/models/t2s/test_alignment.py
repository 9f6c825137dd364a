"""The alignment loss against every path written out, what it teaches, and the window that follows what was taught."""

import itertools

import torch

from sovits_cli.models.t2s.alignment import (
    BLANK,
    HEAD,
    REACH,
    MonotonicAttentionWindow,
    alignment_loss,
    diagonal_prior,
    taught_layer,
)
from sovits_cli.models.t2s.model import T2SInputs
from tests.models.t2s.small import CONFIG, small


def by_enumeration(scores, phones, tokens):
    """Minus the log of the summed probability of every path that reads all phones in order."""
    prior = diagonal_prior(torch.tensor([phones]), torch.tensor([tokens]), tokens, phones)[0]
    logits = torch.cat((torch.full((tokens, 1), BLANK), scores[:tokens, :phones] + prior), dim=1)
    log_probs = logits.log_softmax(-1)
    total = 0.0
    for path in itertools.product(range(phones + 1), repeat=tokens):
        read = [phone for phone, _ in itertools.groupby(path) if phone]
        if read == list(range(1, phones + 1)):
            total += float(sum(log_probs[token, phone] for token, phone in enumerate(path)).exp())
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


def test_teaches_a_head_its_phone():
    """Three tokens for each phone."""
    model = small().train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    phones = torch.stack([torch.randperm(CONFIG.phones)[:6] for _ in range(8)])
    tokens = phones.repeat_interleave(3, 1)
    mask, lens = torch.ones_like(phones, dtype=torch.bool), torch.full((8,), tokens.shape[1])
    losses = []
    for _ in range(40):
        found = model(T2SInputs(phones, mask, None, tokens, lens), ignore_padding=True, align=True)
        losses.append(found.alignment.item())
        optimizer.zero_grad()
        (found.loss / tokens.numel() + found.alignment).backward()
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]
    model.eval()
    for text in phones:
        right = text.repeat_interleave(3)
        assert model.text_deviation(text, None, right) < model.text_deviation(text, None, right.flip(0))


LAYERS, HEADS, WIDTH, EXTENT = 4, 2, 8, 16
TAUGHT = taught_layer(LAYERS)
PHONES = (10, 6)


def opened():
    window = MonotonicAttentionWindow(LAYERS, 2, 32, torch.device("cpu"))
    for row, phones in enumerate(PHONES):
        window.reset(row, phones)
    return window


def masked(window, wanted, *, layer=TAUGHT, strength=20.0, rows=2):
    """The bias when the taught head points most at a position of each row; the other heads point nowhere."""
    query, keys = torch.zeros(rows, HEADS, WIDTH), torch.zeros(rows, HEADS, EXTENT, WIDTH)
    query[:, HEAD, 0], keys[torch.arange(rows), HEAD, wanted, 0] = 1.0, strength
    return window.mask(layer, query, keys, torch.zeros(rows, 1, 1, EXTENT))


def seen(bias, row=0):
    return (bias[row, 0, 0] == 0).nonzero()[:, 0].tolist()


def test_a_row_sees_its_phone_the_neighbours_and_all_tokens():
    window = opened()
    bias = masked(window, 0)
    assert bias.shape == (2, 1, 1, EXTENT)
    assert seen(bias) == [*range(REACH + 1), *range(10, EXTENT)]
    assert seen(bias, 1) == [*range(REACH + 1), *range(6, EXTENT)]


def test_the_window_moves_forward_by_a_phone_at_a_time_and_never_back():
    window = opened()
    for phone in (1, 2, 3):
        masked(window, phone)
        assert seen(masked(window, phone))[:3] == [phone - 1, phone, phone + 1]
    masked(window, 9)  # out of reach
    assert seen(masked(window, 3))[:3] == [2, 3, 4]
    masked(window, 2)
    assert seen(masked(window, 3))[:3] == [2, 3, 4]
    window = opened()
    masked(window, 1, strength=-100.0)  # at no phone
    assert seen(masked(window, 1))[0] == 0
    window = opened()  # and never out of the text
    for phone in range(1, EXTENT):
        masked(window, phone)
    assert seen(masked(window, 9))[:2] == [8, 9]
    assert seen(masked(window, 5), 1)[:2] == [4, 5]


def test_blocks_before_the_taught_one_see_all_and_later_ones_what_it_saw():
    window = opened()
    assert seen(masked(window, 3, layer=0)) == list(range(EXTENT))
    found = masked(window, 1)
    nothing = torch.zeros(2, HEADS, WIDTH), torch.zeros(2, HEADS, EXTENT, WIDTH)
    assert window.mask(TAUGHT + 1, *nothing, found) is found


def test_rows_are_reordered_and_reset():
    window = opened()
    for phone in (1, 2, 3, 4):
        masked(window, torch.tensor([0, phone]))
    window.reorder([1])
    assert seen(masked(window, 4, rows=1))[:4] == [3, 4, 5, 6]  # phones 3 to 5, then tokens
    window.reset(0, 8)
    assert seen(masked(window, 0, rows=1))[0] == 0
