"""Feature files: one plain tensor each, the same bytes each time, read without running code."""

import pickle

import pytest
import torch

from sovits_cli.data import tensors
from sovits_cli.errors import DatasetError


def test_round_trip_and_shape(tmp_path):
    features = torch.randn(4, 7).half().t()
    tensors.save(tmp_path / "a.pt", features)
    assert torch.equal(tensors.load(tmp_path / "a.pt"), features)
    assert tensors.load(tmp_path / "a.pt").dtype is torch.float16
    assert tensors.shape(tmp_path / "a.pt") == (7, 4)


def test_same_tensor_same_bytes(tmp_path):
    for name in ("a.pt", "other name.pt"):
        tensors.save(tmp_path / name, torch.arange(9.0))
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "other name.pt").read_bytes()


def test_files_of_the_official_program(tmp_path):
    torch.save(torch.ones(1, 3, 5, requires_grad=True), tmp_path / "a.pt")
    torch.save(torch.ones(2, 3), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert not tensors.load(tmp_path / "a.pt").requires_grad
    assert tensors.shape(tmp_path / "old.pt") == (2, 3)


class _Trap:
    def __reduce__(self):
        return eval, ("1/0",)


@pytest.mark.parametrize("content", [b"", b"text", pickle.dumps(_Trap()), pickle.dumps([1])])
@pytest.mark.parametrize("read", [tensors.load, tensors.shape])
def test_anything_else_is_refused(tmp_path, content, read):
    path = tmp_path / "a.pt"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"a\.pt"):
        read(path)


def test_a_dict_is_no_feature(tmp_path):
    torch.save({"weight": torch.ones(2)}, tmp_path / "a.pt")
    with pytest.raises(DatasetError, match="holds a dict, expected a tensor"):
        tensors.load(tmp_path / "a.pt")


def test_a_cut_file_is_refused(tmp_path):
    tensors.save(tmp_path / "a.pt", torch.randn(300))
    data = (tmp_path / "a.pt").read_bytes()
    (tmp_path / "a.pt").write_bytes(data[: len(data) // 2])
    with pytest.raises(DatasetError, match="no feature file"):
        tensors.load(tmp_path / "a.pt")


def test_missing(tmp_path):
    with pytest.raises(DatasetError, match="is missing"):
        tensors.load(tmp_path / "a.pt")


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("kind", [torch.float32, torch.float16])
def test_values_that_are_no_numbers_are_refused_by_name(tmp_path, value, kind):
    features = torch.zeros(1, 3, 5, dtype=kind)
    tensors.save(tmp_path / "4-cnhubert" / "a.wav.pt", features)
    assert tensors.load(tmp_path / "4-cnhubert" / "a.wav.pt").shape == (1, 3, 5)
    features[0, 1, 4] = value
    tensors.save(tmp_path / "4-cnhubert" / "a.wav.pt", features)
    with pytest.raises(DatasetError, match=r"4-cnhubert/a\.wav\.pt holds values that are no numbers"):
        tensors.load(tmp_path / "4-cnhubert" / "a.wav.pt")
