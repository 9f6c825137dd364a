"""The guide: what a row sees of its text, how its place moves, and that decoding with it stays each row's own."""

import pytest
import torch

from sovits_cli.models.t2s.alignment import HEAD, REACH, MonotonicAttentionWindow, taught_layer
from sovits_cli.models.t2s.decode import Sampling, decode
from tests.models.t2s_small import request, small

LAYERS, HEADS, WIDTH, EXTENT = 4, 2, 8, 16
TAUGHT = taught_layer(LAYERS)
TEXTS = (10, 6)


def opened():
    guide = MonotonicAttentionWindow(LAYERS, 2, 32, torch.device("cpu"))
    for row, phones in enumerate(TEXTS):
        guide.reset(row, phones)
    return guide


def looking(guide, wanted, *, layer=TAUGHT, strength=20.0, rows=2):
    """What is seen when the taught head wants a position of each row most; the other heads say nothing."""
    query, keys = torch.zeros(rows, HEADS, WIDTH), torch.zeros(rows, HEADS, EXTENT, WIDTH)
    query[:, HEAD, 0], keys[torch.arange(rows), HEAD, wanted, 0] = 1.0, strength
    return guide.mask(layer, query, keys, torch.zeros(rows, 1, 1, EXTENT))


def seen(bias, row=0):
    return (bias[row, 0, 0] == 0).nonzero()[:, 0].tolist()


def test_a_row_sees_its_phone_the_neighbours_and_all_that_was_said():
    guide = opened()
    bias = looking(guide, 0)
    assert bias.shape == (2, 1, 1, EXTENT)
    assert seen(bias) == [*range(REACH + 1), *range(10, EXTENT)]
    assert seen(bias, 1) == [*range(REACH + 1), *range(6, EXTENT)]


def test_the_place_moves_forward_by_a_phone_at_a_time_and_never_back():
    guide = opened()
    for place in (1, 2, 3):
        looking(guide, place)
        assert seen(looking(guide, place))[:3] == [place - 1, place, place + 1]
    looking(guide, 9)  # out of reach
    assert seen(looking(guide, 3))[:3] == [2, 3, 4]
    looking(guide, 2)
    assert seen(looking(guide, 3))[:3] == [2, 3, 4]


def test_it_stays_where_the_head_wants_no_phone():
    guide = opened()
    looking(guide, 1, strength=-100.0)
    assert seen(looking(guide, 1))[0] == 0


def test_it_does_not_leave_the_text():
    guide = opened()
    for place in range(1, EXTENT):
        looking(guide, place)
    assert seen(looking(guide, 9))[:2] == [8, 9]
    assert seen(looking(guide, 5), 1)[:2] == [4, 5]


def test_blocks_before_the_taught_one_see_all_and_later_ones_what_it_saw():
    guide = opened()
    assert seen(looking(guide, 3, layer=0)) == list(range(EXTENT))
    found = looking(guide, 1)
    nothing = torch.zeros(2, HEADS, WIDTH), torch.zeros(2, HEADS, EXTENT, WIDTH)
    assert guide.mask(TAUGHT + 1, *nothing, found) is found


def test_rows_are_kept_and_opened_again():
    guide = opened()
    for place in (1, 2, 3, 4):
        looking(guide, torch.tensor([0, place]))
    guide.reorder([1])
    assert seen(looking(guide, 4, rows=1))[:4] == [3, 4, 5, 6]  # text 3 to 5, then what was said
    guide.reset(0, 8)
    assert seen(looking(guide, 0, rows=1))[0] == 0


@pytest.mark.parametrize("prepared", [False, True], ids=["plain", "prepared"])
def test_guided_tokens_do_not_depend_on_company(prepared):
    model, asked = small(prepared=prepared), [request(seed, prompt=0) for seed in range(7)]
    sampling = Sampling(top_k=20, temperature=0.9)
    together = decode(model, asked, sampling, max_tokens=40, max_rows=3, monotonic=True)
    alone = [decode(model, [one], sampling, max_tokens=40, monotonic=True)[0] for one in asked]
    assert [one.tokens.tolist() for one in together] == [one.tokens.tolist() for one in alone]
    free = decode(model, asked, sampling, max_tokens=40, max_rows=3)
    assert [one.tokens.tolist() for one in together] != [one.tokens.tolist() for one in free]
