"""Opening model files: regular files only, and nobody is waited for."""

from __future__ import annotations

import os
import pathlib
import socket

import pytest

from sovits_cli.checkpoints.bundle import read_json_object
from sovits_cli.checkpoints.inspection import verify_model
from sovits_cli.checkpoints.model_file import read_model_file
from sovits_cli.checkpoints.safetensors_io import load_safetensors, read_metadata
from sovits_cli.checkpoints.torch_files import load_torch_file, read_magic
from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import ModelError
from sovits_cli.files import open_regular_file, read_text_file
from tests.differences import differences


def fifo(path):
    os.mkfifo(path)


def device(path):
    path.symlink_to("/dev/zero")


def listening(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)  # in the working directory: the system allows 107 bytes


def looped(path):
    path.symlink_to(path)


IRREGULAR = {
    fifo: "is a named pipe",
    device: "is a device",
    listening: "is a socket",
    looped: "cannot be read",
    pathlib.Path.mkdir: "is a folder",
}
READERS = [
    load_torch_file,
    read_magic,
    load_safetensors,
    read_metadata,
    read_model_file,
    read_json_object,
    verify_model,
]


@pytest.mark.timeout(60)
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with differences() as compare:
        for make, reason in IRREGULAR.items():
            path = tmp_path / f"{make.__name__}.pth"
            make(path)
            for reader in READERS:
                with compare(f"{make.__name__}, {reader.__name__}"):
                    match = reason if reader is not verify_model else f"{reason}|has no weights"
                    with pytest.raises(ModelError, match=match) as caught:
                        reader(path)
                    assert str(path) in caught.value.message
                    assert hint_for(caught.value)


def test_a_link_counts_as_what_it_leads_to(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with open_regular_file(tmp_path / "link") as file:
        assert file.read() == b"abc"
    with pytest.raises(ModelError, match="does not exist: expected a model file"):
        open_regular_file(tmp_path / "b", "a model file")


def test_texts_are_small_and_of_utf_8(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("né", encoding="utf-8")
    assert read_text_file(path, "a text", max_bytes=3) == "né"
    with pytest.raises(ModelError, match="is larger than 2 bytes: expected a text"):
        read_text_file(path, "a text", max_bytes=2)
    path.write_bytes(b"\xff")
    with pytest.raises(ModelError, match="cannot be read"):
        read_text_file(path, "a text", max_bytes=2)
