"""The zip container: windows of the file, and no claim that its size does not bear out."""

from __future__ import annotations

import zipfile

import pytest

from sovits_cli.checkpoints.zip_archive import map_file, read_zip_entries
from sovits_cli.errors import ModelError
from tests.checkpoints.hostile import ZIP_FILES, all_are_refused, in_zip


def test_hostile_zip_files_are_refused(tmp_path):
    all_are_refused(ZIP_FILES, tmp_path)


def test_entries_are_windows_of_the_file(tmp_path):
    path = tmp_path / "a.pth"
    in_zip(path, b"}.", storages=[("a/data/0", b"first"), ("a/data/1", b"")], extra=[("elsewhere", b"not below a/")])
    data = map_file(path)
    found = read_zip_entries(data, path)
    assert {name: data[entry.offset : entry.offset + entry.size] for name, entry in found.items()} == {
        "data.pkl": b"}.",
        "version": b"3\n",
        "data/0": b"first",
        "data/1": b"",
    }


def test_wide_fields_are_read(tmp_path):
    """Zip64, as torch writes it for entries over 4 GB; here forced."""
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive, archive.open("a/data.pkl", "w", force_zip64=True) as entry:
        entry.write(b"}.")
    data = map_file(path)
    (found,) = read_zip_entries(data, path).values()
    assert data[found.offset : found.offset + found.size] == b"}."


def test_a_mapped_file_is_private(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(b"abc")
    map_file(path)[0:1] = b"x"
    assert path.read_bytes() == b"abc"
    path.write_bytes(b"")
    with pytest.raises(ModelError, match="is empty"):
        map_file(path)
