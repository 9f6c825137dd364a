import errno
import os
from pathlib import Path

import pytest

from sovits_cli.errors import ResourceError, UsageError
from sovits_cli.files import atomic, growing, inside, parse_json, plain_name, refuse_link
from tests.differences import every_case


def _names(folder):
    return [child.name for child in folder.iterdir()]


def _write(target, error=None):
    with atomic(target) as temporary:
        temporary.write_text("new")
        if error is not None:
            raise error


def test_appears_whole_in_a_new_folder(tmp_path):
    target = tmp_path / "new" / "a.txt"
    with atomic(target) as temporary:
        temporary.write_text("whole")
        assert not target.exists()
        assert temporary.suffix == ".txt"
    assert target.read_text() == "whole"
    assert _names(target.parent) == ["a.txt"]


def test_failure_keeps_the_old_file_and_leaves_nothing(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(KeyError):
        _write(target, KeyError())
    assert target.read_text() == "old"
    assert _names(tmp_path) == ["a.txt"]


def test_full_disk_is_a_resource_error(tmp_path):
    with pytest.raises(ResourceError, match="disk is full"):
        _write(tmp_path / "a.bin", OSError(errno.ENOSPC, "No space left on device"))
    assert _names(tmp_path) == []


@every_case("kind", [str, Path])
@pytest.mark.parametrize("writing", [atomic, growing])
def test_who_opened_the_file_may_name_it_as_text_or_path(tmp_path, writing, kind):
    with pytest.raises(ResourceError, match=r"cannot write .*a\.bin: Read-only"), writing(tmp_path / "a.bin") as place:
        raise OSError(errno.EROFS, "Read-only file system", kind(place))


def test_foreign_os_error_is_left_alone(tmp_path):
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "a.bin"):
        (tmp_path / "other").read_bytes()


def test_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="cannot write"):
        _write(tmp_path / "file" / "a.bin")


def test_name_too_long(tmp_path):
    with pytest.raises(ResourceError, match="too long"):
        _write(tmp_path / ("a" * 300))


@every_case("target", [".", "/dev/null"])
def test_no_plain_file_is_refused(tmp_path, target):
    with pytest.raises(UsageError, match="no plain file"):
        _write(tmp_path / target)


def test_link_is_followed(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    _write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_on_a_read_only_disk_the_clean_up_does_not_hide_the_reason(tmp_path, monkeypatch):
    """There, removing a file that does not exist fails as well."""

    def refuse(path, *_, **__):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr("pathlib.Path.write_text", refuse)
    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    with pytest.raises(ResourceError, match=r"cannot write .*a\.txt: Read-only file system"):
        _write(tmp_path / "a.txt")


@pytest.mark.parametrize("target", ["real", "gone"])
def test_a_link_is_replaced_where_others_may_have_made_it(tmp_path, target):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(target)
    with atomic(tmp_path / "link", follow_links=False) as temporary:
        temporary.write_text("new")
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "link").read_text() == "new"
    assert (tmp_path / "real").read_text() == "old"
    assert sorted(_names(tmp_path)) == ["link", "real"]


def test_a_link_is_not_added_to(tmp_path):
    (tmp_path / "link").symlink_to("real")
    refuse_link(tmp_path / "nothing")
    with pytest.raises(ResourceError, match="link: it is a link"):
        refuse_link(tmp_path / "link")


@every_case("written", ["a.wav", "sub/a.wav", "sub/../a.wav", "..a.wav", "a\\b.wav", "日本.wav", " "])
def test_a_path_that_stays_inside(tmp_path, monkeypatch, written):
    monkeypatch.chdir(tmp_path)
    assert inside(Path("in"), written) == Path(os.path.normpath(f"in/{written}"))
    assert inside(tmp_path, written).is_relative_to(tmp_path)


@every_case("written", ["", ".", "..", "../a.wav", "sub/../../a.wav", "/etc/passwd", "a\0b", "../input"])
@pytest.mark.parametrize("folder", ["in", "."])
def test_a_path_that_leads_out(tmp_path, monkeypatch, folder, written):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="is no file in"):
        inside(Path(folder), written)


def test_a_larger_folder_to_stay_in(tmp_path):
    assert inside(tmp_path / "models" / "v2", "../files/a", within=tmp_path / "models") == tmp_path / "models/files/a"
    with pytest.raises(ValueError, match="is no file in"):
        inside(tmp_path / "models" / "v2", "../../a", within=tmp_path / "models")


@every_case("deep", [0, 10, 60])
def test_json(deep):
    found = parse_json("[" * deep + '{"a": [1, "[[["]}' + "]" * deep)
    for _ in range(deep):
        (found,) = found
    assert found == {"a": [1, "[[["]}


@every_case("deep", [100, 900, 200_000])
@pytest.mark.parametrize("kind", ["[]", ('{"a":', "}")])
def test_json_nested_out_of_all_reason(deep, kind):
    opened, closed = kind
    with pytest.raises(ValueError, match="nested too deep"):
        parse_json(opened * deep + "1" + closed * deep)


def test_no_json():
    with pytest.raises(ValueError, match="Expecting"):
        parse_json("{")


@every_case("written", ["", ".", "..", "a/b", "/a", "a/", "./a", "a\0"])
def test_a_path_is_no_plain_name(written):
    assert plain_name("a.wav") == "a.wav"
    with pytest.raises(ValueError, match="is no file"):
        plain_name(written)
