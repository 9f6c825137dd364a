"""Official `.list` files in and out."""

import pytest

from sovits_cli.data.manifest import Manifest, ManifestRow, language_code, list_line, read_list
from sovits_cli.errors import DatasetError, TextError
from tests.data.recordings import record
from tests.differences import every_case


@pytest.fixture
def folder(tmp_path):
    for name in ("a.wav", "b.wav", "sub/c.wav"):
        record(tmp_path / name, 0.1)
    return tmp_path


def listed(folder, *lines, ending="\n", start=b""):
    path = folder / "train.list"
    path.write_bytes(start + ending.join(lines).encode())
    return read_list(path, "en")


def test_four_fields(folder):
    found = listed(folder, "a.wav|amy|EN|Hello.", "sub/c.wav|amy|en| Bye. ")
    first, second = found.rows
    assert (first.path, first.speaker, first.language, first.text) == (folder / "a.wav", "amy", "en", "Hello.")
    assert (second.name, second.text) == ("c.wav", "Bye.")
    assert not found.left_out


def test_text_may_hold_bars(folder):
    assert listed(folder, "a.wav|amy|en|one | two||three").rows[0].text == "one | two||three"


def test_windows_files(folder):
    found = listed(folder, "a.wav|amy|En|Hello.", "", "sub\\c.wav|amy|EN|Bye.", ending="\r\n", start=b"\xef\xbb\xbf")
    assert [item.text for item in found.rows] == ["Hello.", "Bye."]


def test_paths_are_cleaned_and_resolved(folder, monkeypatch):
    record(folder / "elsewhere" / "d.wav", 0.1)
    monkeypatch.chdir(folder / "elsewhere")
    found = listed(folder, f'"{folder / "a.wav"}"|x|en|t', "'b.wav' |x|en|t", "\u202ad.wav|x|en|t")
    assert [item.name for item in found.rows] == ["a.wav", "b.wav", "d.wav"]


@every_case(
    ("line", "reason"),
    [
        ("gone.wav|x|en|t", "no file gone.wav"),
        ("a.wav|x|en", "3 fields, expected path|speaker|language|text"),
        ("a.wav", "1 fields"),
        ("a.wav|x|en|  ", "no text"),
        ("|x|en|t", "no path"),
        ("a.wav|x|xx|t", "unknown language 'xx'"),
        ("sub|x|en|t", "no file sub"),
    ],
)
def test_a_bad_line_is_named_and_the_rest_read(folder, line, reason):
    found = listed(folder, "b.wav|x|en|ok", line)
    assert [item.name for item in found.rows] == ["b.wav"]
    assert found.left_out[0].name == "train.list line 2"
    assert reason in found.left_out[0].reason


@every_case("code", ["", "AUTO", "auto"])
def test_no_language_takes_that_of_the_command(folder, code):
    assert listed(folder, f"a.wav|x|{code}|t").rows[0].language == "en"


def test_codes():
    assert language_code("EN", "zh") == "en"
    with pytest.raises(TextError, match="unknown language 'tlh'"):
        language_code("tlh", "en")


def test_round_trip(folder):
    rows = [
        ManifestRow(folder / "a.wav", "amy", "en", "one | two", ""),
        ManifestRow(folder / "b.wav", "", "en", "line\nbreak", ""),
    ]
    (folder / "out.list").write_text("".join(map(list_line, rows)), encoding="utf-8")
    assert (folder / "out.list").read_text() == f"{folder}/a.wav|amy|EN|one | two\n{folder}/b.wav||EN|line break\n"
    assert [item.text for item in read_list(folder / "out.list", "en").rows] == ["one | two", "line break"]


def test_unreadable_lists(tmp_path):
    with pytest.raises(DatasetError, match="cannot read"):
        read_list(tmp_path / "none.list", "en")
    (tmp_path / "bad.list").write_bytes(b"a.wav|x|en|\x81\xff\xfe\x80")
    with pytest.raises(DatasetError, match=r"not UTF-8 \(byte 12\), and its encoding cannot be told"):
        read_list(tmp_path / "bad.list", "en")


@every_case(
    ("text", "encoding", "name"),
    [
        ("今天天气很好。", "gbk", "gb18030"),
        ("今天天氣很好。", "big5", "big5"),
        ("名前はまだ無い。", "shift_jis", "shift_jis"),
        ("날씨가 좋네요.", "euc_kr", "euc_kr"),
        ("The café.", "cp1252", "cp1252"),
    ],
)
def test_lists_in_older_encodings(folder, text, encoding, name):
    place = folder / "old.list"
    place.write_bytes(f"a.wav|amy||{text}\r\nb.wav|amy||{text}\r\n".encode(encoding))
    found = read_list(place, "auto")
    assert [item.text for item in found.rows] == [text, text]
    assert found.notes == (f"{place} is not UTF-8: read as {name}; if it is wrong, save it as UTF-8",)
    place.write_text(f"a.wav|amy||{text}\n", encoding="utf-8-sig")
    assert read_list(place, "auto").notes == ()


def manifest(*paths, left_out=()):
    return Manifest(paths[0], "test", tuple(ManifestRow(path, "", "en", "t", "list:1") for path in paths), left_out)


@every_case("second", ["two/a.wav", "two/A.WAV"], isolated=True)
def test_one_name_in_two_folders_is_told_apart(tmp_path, second):
    """By a mark of their place, which does not change when the whole is moved or others come."""
    first, other, third = (item.name for item in checked(tmp_path, "one/a.wav", second, "b.wav"))
    assert (first[:2], other[:2].lower(), third) == ("a-", "a-", "b.wav")
    assert first.casefold() != other.casefold()
    assert [item.name for item in checked(tmp_path / "moved", "b.wav", second, "one/a.wav")] == [third, other, first]


def checked(root, *names):
    return manifest(*(root / name for name in names)).checked().rows


def test_one_recording_twice_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"one/a\.wav is there twice"):
        manifest(tmp_path / "one/a.wav", tmp_path / "one/a.wav").checked()


def test_names_that_would_break_the_tables_are_left_out(tmp_path):
    found = manifest(tmp_path / "a.wav", tmp_path / "b\tc.wav").checked()
    assert [item.name for item in found.rows] == ["a.wav"]
    assert "tab" in found.left_out[0].reason


def test_nothing_usable_says_why(tmp_path):
    (tmp_path / "a.list").write_text("gone.wav|x|en|t\n")
    with pytest.raises(DatasetError, match=r"1 left out, the first: a\.list line 1: no file gone\.wav"):
        read_list(tmp_path / "a.list", "en").checked()


@every_case(
    ("fields", "text", "more"),
    [
        ("Hello there.|happy|take two", "Hello there.", "happy|take two"),
        ("Hello there.|happy", "Hello there.", "happy"),
        ("Hello there.||", "Hello there.", "|"),
        ("你好。|开心|", "你好。", "开心|"),
        ("One | two.", "One | two.", ""),
        ("One| two.", "One| two.", ""),
        ("One | two.|happy", "One | two.", "happy"),
        ("Dr. [Nguyen|win] is in.", "Dr. [Nguyen|win] is in.", ""),
        ("Dr. [Nguyen|win] is in.|calm|x", "Dr. [Nguyen|win] is in.", "calm|x"),
        ("a|b|c|d", "a|b|c|d", ""),
        ("one | two||three", "one | two||three", ""),
        ("Hello.", "Hello.", ""),
    ],
)
def test_fields_after_the_text_are_not_said(folder, fields, text, more):
    found = listed(folder, f"a.wav|amy|EN|{fields}")
    assert found.rows[0].text == text
    assert len(found.notes) == bool(more)
    if more:
        assert f"1 lines have fields after the text that are not read, the first: {more!r}" in found.notes[0]


def test_fields_after_the_text_are_told_once(folder):
    lines = [f"{name}.wav|amy|EN|Hello.|happy|take {name}" for name in ("a", "b", "sub/c")]
    (note,) = listed(folder, *lines).notes
    assert "3 lines" in note
    assert not listed(folder, "a.wav|amy|EN||happy").rows


@every_case("text", ["One | two.", "One|two.", "one|two|three", "a|b|c|d|e", "[Nguyen|win] it is", "plain"])
def test_a_text_with_bars_survives_a_list(folder, text):
    (folder / "out.list").write_text(list_line(ManifestRow(folder / "a.wav", "amy", "en", text, "")), encoding="utf-8")
    found = read_list(folder / "out.list", "en")
    assert not found.notes
    assert found.rows[0].text.replace(" ", "") == text.replace(" ", "")
