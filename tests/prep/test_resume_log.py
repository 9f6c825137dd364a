"""What is done already: the log of finished steps, and the digests it goes by."""

from pathlib import Path

import pytest

from sovits_cli.errors import ResourceError
from sovits_cli.prep.resume_log import ResumeLog, digest_of_file, digest_of_path, digest_of_values
from tests.differences import every_case


def test_remembers(tmp_path):
    with ResumeLog(tmp_path / "j") as journal:
        journal.add("audio", "ü.wav", "k1")
        journal.add("text", "ü.wav", "k2", {"phones": ["a"]})
        journal.add("text", "b.wav", "k3", {"phones": ["b"]})
        journal.forget("text", "b.wav")
    with ResumeLog(tmp_path / "j") as journal:
        assert journal.get("audio", "ü.wav").key == "k1"
        assert journal.get("text", "ü.wav").row == {"phones": ["a"]}
        assert journal.get("text", "b.wav") is None


@every_case("cut", range(1, 40, 6), isolated=True)
def test_a_torn_line_is_cut_off(tmp_path, cut):
    with ResumeLog(tmp_path / "j") as journal:
        journal.add("audio", "a", "k1")
        journal.add("audio", "b", "k2")
    written = (tmp_path / "j").read_bytes()
    (tmp_path / "j").write_bytes(written[:-cut])
    with ResumeLog(tmp_path / "j") as journal:
        assert journal.get("audio", "a").key == "k1"
        assert journal.get("audio", "b") is None
        journal.add("audio", "b", "k2")
    assert (tmp_path / "j").read_bytes() == written


@every_case("line", [b"", b"null", b"[]", b"{}", b'{"step": 1}', b"\xff\xfe"], isolated=True)
def test_damaged_lines_are_work_to_do(tmp_path, line):
    (tmp_path / "j").write_bytes(line + b'\n{"step": "audio", "name": "a", "key": "k"}\n')
    with ResumeLog(tmp_path / "j") as journal:
        assert journal.get("audio", "a").key == "k"


def test_compacted(tmp_path):
    with ResumeLog(tmp_path / "j") as journal:
        for name in "ba":
            journal.add("text", name, "old", [1])
            journal.add("text", name, "new", [2])
            journal.add("recordings", name, "r", {"seconds": 1})
        journal.compact(["recordings", "text"], ["a", "b", "c"], {"recordings"})
        journal.add("text", "c", "k")
    lines = (tmp_path / "j").read_text().splitlines()
    assert lines[0] == '{"step": "recordings", "name": "a", "key": "r", "row": {"seconds": 1}}'
    assert lines[1] == '{"step": "text", "name": "a", "key": "new"}'
    assert len(lines) == 5


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk(tmp_path):
    with Path("/dev/full").open("ab", buffering=0) as full, ResumeLog(tmp_path / "j") as journal:
        journal._handle.close()
        journal._handle = full
        with pytest.raises(ResourceError, match="disk is full"):
            journal.add("audio", "a", "k")


def test_a_disk_that_takes_half_a_line(tmp_path):
    with ResumeLog(tmp_path / "j") as journal:
        really = journal._handle
        journal._handle = type(
            "Half", (), {"write": lambda self, line: really.write(line[:9]), "close": really.close}
        )()
        with pytest.raises(ResourceError, match="disk is full"):
            journal.add("audio", "a", "k")
    with ResumeLog(tmp_path / "j") as journal:
        assert journal.get("audio", "a") is None


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ResourceError, match="cannot write"):
        ResumeLog(tmp_path / "file" / "j")


def test_digest_of_values():
    assert digest_of_values("a", 1, None, ["x"]) == digest_of_values("a", 1, None, ["x"])
    assert len({digest_of_values(*values) for values in (("a", "b"), ("ab",), ("a", ["b"]), ("a", None))}) == 4


def test_digest_of_a_folder(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(name)
    first = digest_of_path(tmp_path)
    (tmp_path / ".hidden").write_text("x")
    assert digest_of_path(tmp_path) == first
    (tmp_path / "a").rename(tmp_path / "c")
    assert digest_of_path(tmp_path) != first
    assert digest_of_path(tmp_path / "b") == digest_of_file(tmp_path / "b")
