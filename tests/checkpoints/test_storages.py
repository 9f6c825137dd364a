"""Tensors on mapped bytes: no index outside of a storage, no more tensors than the file accounts for."""

from __future__ import annotations

import mmap

import pytest
import torch

from sovits_cli.checkpoints.restricted_unpickler import GlobalName, PickleBudget, UnsafePickleError
from sovits_cli.checkpoints.storages import StorageId, TensorRebuilder, parse_storage_id, view_storage
from tests.checkpoints.hostile import CONSTRUCTORS, all_are_refused
from tests.differences import every_case

FLOAT = GlobalName("torch.FloatStorage")


def test_hostile_constructors_are_refused(tmp_path):
    all_are_refused(CONSTRUCTORS, tmp_path)


def test_a_storage_id_is_checked():
    assert parse_storage_id(("storage", FLOAT, "0", "cuda:3", 8)) == StorageId("0", torch.float32, 8)
    assert parse_storage_id(("storage", FLOAT, "0", "cpu", 8, None)).size_bytes == 32


@every_case(
    "saved",
    [
        None,
        ("module", FLOAT, "0", "cpu", 8),
        ("storage", FLOAT, "0", "cpu"),
        ("storage", GlobalName("torch.UntypedStorage"), "0", "cpu", 8),
        ("storage", "torch.FloatStorage", "0", "cpu", 8),
        ("storage", FLOAT, 0, "cpu", 8),
        ("storage", FLOAT, "0", "cpu", -1),
        ("storage", FLOAT, "0", "cpu", True),
        ("storage", FLOAT, "0", "cpu", 8, ("0", 0, 8)),
    ],
)
def test_any_other_id_is_refused(saved):
    with pytest.raises(UnsafePickleError):
        parse_storage_id(saved)


@every_case("offset", [0, 4, 3])
def test_a_view_has_the_bytes_of_the_file(offset):
    """Aligned or not."""
    with mmap.mmap(-1, 64) as data:
        wanted = torch.arange(5.0)
        data[offset : offset + 20] = wanted.numpy().tobytes()
        got = view_storage(data, offset, StorageId("0", torch.float32, 5)).clone()
    assert torch.equal(got, wanted)


@every_case(
    "offset, shape, stride, fits",
    [
        (1, (2, 3), (3, 1), True),
        (2, (2, 3), (3, 1), True),
        (3, (2, 3), (3, 1), False),
        (0, (2, 3), (6, 1), False),
        (7, (1,), (10**9,), True),
        (8, (1,), (1,), False),
        (10**9, (0, 3), (3, 1), True),
        (0, (3, 3), (0, 1), False),
        (-1, (1,), (1,), False),
        (0, (2,), (-1,), False),
        (0, (2, 2), (1,), False),
        (0, (True,), (1,), False),
    ],
)
def test_every_index_lies_in_the_storage(offset, shape, stride, fits):
    rebuilder = TensorRebuilder(file_bytes=32, budget=PickleBudget.of(1000))
    storage = torch.arange(8.0)
    if fits:
        wanted = storage.as_strided(shape, stride, offset if 0 not in shape else 0)
        assert torch.equal(rebuilder.rebuild_tensor(storage, offset, shape, stride, False, {}), wanted)
    else:
        with pytest.raises(UnsafePickleError):
            rebuilder.rebuild_tensor(storage, offset, shape, stride, False, {})


def test_tensors_cover_the_file_a_few_times_at_most():
    rebuilder = TensorRebuilder(file_bytes=32, budget=PickleBudget.of(100_000))
    for _ in range(4):
        rebuilder.rebuild_tensor(torch.ones(8), 0, (8,), (1,))
    with pytest.raises(UnsafePickleError, match="more than 4 times its size"):
        rebuilder.rebuild_tensor(torch.ones(8), 0, (8,), (1,))
