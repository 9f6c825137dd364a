"""The KV cache: rows of their own lengths, moved and opened anew; what is not a row's own is hidden and finite."""

import pytest
import torch

from sovits_cli.models.t2s.cache import CacheSize, KVCache, compact_rows

CPU = torch.device("cpu")


def test_holes_are_filled_from_the_end():
    for alive in ([True], [False], [False, True], [True, False, True, True, False, True]):
        order = compact_rows(alive)
        assert sorted(order) == [row for row, living in enumerate(alive) if living]
        assert all(target == row for target, row in enumerate(order) if alive[target])


def test_cache_keeps_rows_and_refuses_to_lose_one():
    cache = KVCache(CacheSize(layers=2, rows=3, heads=2, positions=40, head_dim=4), device=CPU, dtype=torch.float32)
    for row in range(3):
        cache.open(row, 5 + 15 * row)
        for layer in range(2):
            cache.fill(layer, row, *torch.full((2, 2, 5 + 15 * row, 4), float(10 * layer + row + 1)))
    keys, _ = cache.layer(1)
    assert keys.shape[2] == 48
    cache.advance()
    cache.append(1, torch.full((3, 2, 2, 4), 99.0))
    before = cache.layer(1)[0][2].clone()
    with pytest.raises(AssertionError, match="overwrite"):
        cache.reorder([1, 0])
    cache.reorder([2, 1])
    keys, values = cache.layer(1)
    assert cache.lengths == [36, 21]
    assert torch.equal(keys[0, :, :36], before[:, :36])
    assert (keys[1, :, 20] == 99).all()
    assert (values[1, :, :20] == 12).all()
    assert (cache.bias[1, 0, 0] == 0).sum() == 21
    assert torch.isfinite(keys).all()


def test_a_row_opened_anew_hides_what_it_held():
    cache = KVCache(CacheSize(layers=1, rows=1, heads=1, positions=32, head_dim=2), device=CPU, dtype=torch.float32)
    cache.open(0, 20)
    cache.open(0, 3)
    assert cache.bias.shape[-1] == 16
    assert (cache.bias == 0).flatten().tolist() == [True] * 3 + [False] * 13


def test_cache_that_is_full_says_so():
    cache = KVCache(CacheSize(layers=1, rows=1, heads=1, positions=16, head_dim=2), device=CPU, dtype=torch.float32)
    cache.open(0, 16)
    with pytest.raises((AssertionError, IndexError)):
        cache.advance()
