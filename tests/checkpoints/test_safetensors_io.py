"""Our own files: tensors and metadata come back as they went."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import torch

from sovits_cli.checkpoints import safetensors_io
from sovits_cli.checkpoints.restricted_unpickler import GlobalName
from sovits_cli.checkpoints.safetensors_io import (
    MAX_CONFIG_DEPTH,
    MAX_CONFIG_VALUES,
    load_safetensors,
    plain_config,
    read_metadata,
    save_safetensors,
)
from sovits_cli.errors import ModelError
from tests.differences import every_case


def test_round_trip(tmp_path):
    path = tmp_path / "folder" / "a.safetensors"
    tensors = {"a": torch.arange(6).view(2, 3).t(), "b": torch.ones(2, dtype=torch.float16, requires_grad=True)}
    metadata = {"kind": "gpt", "config": {"phones": ["é", "b"], "width": 3}, "accuracy": 0.5}
    save_safetensors(path, tensors, metadata)
    got, said = load_safetensors(path)
    assert all(torch.equal(got[key], value) for key, value in tensors.items())
    assert got["b"].dtype == torch.float16
    assert said == metadata == read_metadata(path)


def test_files_of_other_programs_have_no_metadata(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "model.safetensors"
    save_file({"a": torch.ones(1)}, path, {"format": "pt"})
    assert load_safetensors(path)[1] == {}


@every_case("text", ["[1]", "{", "[" * 100_000])
def test_metadata_that_is_no_object(tmp_path, text):
    from safetensors.torch import save_file

    path = tmp_path / "a.safetensors"
    save_file({"a": torch.ones(1)}, path, {safetensors_io.METADATA_KEY: text})
    with pytest.raises(ModelError, match="its metadata is no JSON"):
        load_safetensors(path)


def truncated(path):
    save_safetensors(path, {"a": torch.ones(1000)}, {})
    path.write_bytes(path.read_bytes()[:-100])


def huge_header(path):
    path.write_bytes(struct.pack("<Q", 2**50) + b"{}")


def header_of_any_size(path):
    path.write_bytes(struct.pack("<Q", 1 << 25) + b"{" + b" " * (1 << 25))


def huge_tensor(path):
    header = b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'
    path.write_bytes(struct.pack("<Q", len(header)) + header)


def empty(path):
    path.write_bytes(b"")


def absent(path):
    pass


@every_case("maker", [truncated, huge_header, header_of_any_size, huge_tensor, empty, absent])
def test_broken_files(tmp_path, maker):
    path = tmp_path / maker.__name__ / "a.safetensors"
    path.parent.mkdir()
    maker(path)
    with pytest.raises(ModelError, match=r"a\.safetensors (is no readable safetensors file|does not exist)") as caught:
        load_safetensors(path)
    assert caught.value.message.isprintable()


def test_metadata_larger_than_any_is_refused_unread(tmp_path):
    path = tmp_path / "a.safetensors"
    save_safetensors(path, {"a": torch.ones(1)}, {"config": [[]] * (1 << 19)})
    with pytest.raises(ModelError, match=r"its metadata has \d+ characters"):
        load_safetensors(path)


def test_more_tensors_than_any_model_has(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    save_safetensors(path, {str(number): torch.ones(1) for number in range(5)}, {})
    assert len(load_safetensors(path)[0]) == 5
    monkeypatch.setattr(safetensors_io, "MAX_ENTRIES", 4)
    with pytest.raises(ModelError, match="holds 5 tensors: expected at most 4"):
        load_safetensors(path)


SOURCE = Path("a.pth")


def test_plain_values_stay():
    config = {"a": 1, 2: (1.5, None, True), "c": {"d": ["x", GlobalName("torch.float16")]}}
    assert plain_config(config, SOURCE) == {"a": 1, "2": [1.5, None, True], "c": {"d": ["x", "torch.float16"]}}


def nested(depth):
    value = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@every_case(
    ("config", "said"),
    [
        ([1], "is a list"),
        ({"a": object()}, "holds a object"),
        ({"a": 10**30}, "holds a int"),
        (nested(MAX_CONFIG_DEPTH + 1), "larger than any model needs"),
        ({"a": [0] * MAX_CONFIG_VALUES}, "larger than any model needs"),
        ({"a": ["x" * 1000] * 2000}, "larger than any model needs"),
    ],
)
def test_everything_else_is_refused(config, said):
    with pytest.raises(ModelError, match=said):
        plain_config(config, SOURCE)


def test_the_limits_themselves_are_allowed():
    assert plain_config(nested(MAX_CONFIG_DEPTH), SOURCE)
    assert plain_config({"a": [0] * (MAX_CONFIG_VALUES - 2)}, SOURCE)
