"""Positions, and clips that lie one after the other: each is attended as if it were alone."""

import pytest
import torch

from sovits_cli.models.t2s.layers import PackedRow, SelfAttention, sine_table
from tests.models.t2s.small import CONFIG, small


def test_sine_table():
    table = sine_table(101, 512)
    expected = torch.tensor([0.84147096, 0.54030234, 0.82185620, 0.56969506, 0.80196178, 0.59737533])
    assert torch.allclose(table[1, :6], expected, atol=1e-6)
    expected = torch.tensor([-0.50636566, 0.86231887, 0.79754597, -0.60325819, 0.01036615, 0.99994630])
    assert torch.allclose(table[100, [0, 1, 2, 3, 510, 511]], expected, atol=1e-5)


def test_positions_grow_and_stay_the_same():
    position = small().ar_text_position
    first = position.offsets(3).clone()
    assert torch.equal(position.offsets(5000)[:3], first)


@pytest.fixture(scope="module")
def attention():
    torch.manual_seed(0)
    return SelfAttention(CONFIG).eval().requires_grad_(False)


def test_packed_rows_are_attended_apart(attention):
    x = torch.randn(12, CONFIG.width)
    rows = [PackedRow(0, 3, 4, (0, 3), 4), PackedRow(7, 2, 3, (0, 2), 3)]
    alone = [attention(x[:7], [rows[0]]), attention(x[7:], [PackedRow(0, 2, 3, (0, 2), 3)])]
    torch.testing.assert_close(attention(x, rows), torch.cat(alone))


def test_padding_in_a_row_is_not_seen(attention):
    """One phone of padding before and after the phones, one token after the tokens."""
    x = torch.randn(9, CONFIG.width)
    padded = attention(x, [PackedRow(0, 5, 4, (1, 4), 3)])
    honest = attention(torch.cat((x[1:4], x[5:8])), [PackedRow(0, 3, 3, (0, 3), 3)])
    torch.testing.assert_close(torch.cat((padded[1:4], padded[5:8])), honest)
    assert padded.isfinite().all()


def test_scores_of_a_head_are_those_its_attention_uses(attention):
    x, head, width = torch.randn(1, 6, CONFIG.width), 2, CONFIG.head_dim
    q, k, _ = torch.nn.functional.linear(x, attention.in_proj_weight, attention.in_proj_bias).chunk(3, -1)
    own = slice(head * width, (head + 1) * width)
    expected = q[..., own] @ k[..., own].transpose(1, 2) / width**0.5
    torch.testing.assert_close(attention.scores(x, x, head=head), expected)
