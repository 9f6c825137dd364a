"""Folders and tables that hold recordings and what is said in them."""

import os
import sys

import pytest

from sovits_cli.data.manifest_readers import read_manifest
from sovits_cli.errors import DatasetError, TextError
from tests.data.recordings import experiment, jsonl, record, spoken_folder
from tests.differences import every_case


def names(found):
    return [item.name for item in found.rows]


def test_transcripts_beside_recordings(tmp_path):
    spoken_folder(tmp_path, 2)
    record(tmp_path / "deep" / "x.flac", 0.1).with_suffix(".lab").write_bytes(b"\xef\xbb\xbfOne\r\n two \r\n")
    found = read_manifest(tmp_path, "en")
    assert names(found) == ["clip0.wav", "clip1.wav", "x.flac"]
    assert found.rows[2].text == "One two"
    assert found.rows[0].language == "en"


def test_missing_and_empty_transcripts_are_named(tmp_path):
    spoken_folder(tmp_path, 4)
    (tmp_path / "clip1.txt").unlink()
    (tmp_path / "clip2.txt").write_text(" \n")
    (tmp_path / "clip3.txt").write_text("0 1200 a\n1200 1800 b\n")
    found = read_manifest(tmp_path, "en")
    assert names(found) == ["clip0.wav"]
    reasons = {item.name: item.reason for item in found.left_out}
    assert "expected clip1.txt or clip1.lab" in reasons["clip1.wav"]
    assert reasons["clip2.wav"] == "clip2.txt is empty"
    assert "timed labels" in reasons["clip3.wav"]


def test_no_transcript_at_all_says_what_to_do(tmp_path):
    record(tmp_path / "a.wav", 0.1)
    with pytest.raises(DatasetError, match="none of the 1 recordings") as caught:
        read_manifest(tmp_path, "en")
    assert ".txt beside each recording" in caught.value.hint
    assert "--asr" not in caught.value.hint


def test_empty_folder(tmp_path):
    with pytest.raises(DatasetError, match="holds no recording"):
        read_manifest(tmp_path, "en")


def test_not_there(tmp_path):
    with pytest.raises(DatasetError, match="does not exist"):
        read_manifest(tmp_path / "none", "en")


def test_one_recording_is_no_dataset(tmp_path):
    with pytest.raises(DatasetError, match="is no dataset"):
        read_manifest(record(tmp_path / "a.wav", 0.1), "en")


def test_unknown_language(tmp_path):
    with pytest.raises(TextError, match="unknown language 'klingon'"):
        read_manifest(spoken_folder(tmp_path), "klingon")


def test_a_language_must_be_said(tmp_path):
    with pytest.raises(TextError, match="unknown language"):
        read_manifest(spoken_folder(tmp_path), "")


def test_the_texts_of_all_tell_whose_the_han_characters_are(tmp_path):
    folder = spoken_folder(tmp_path)
    (folder / "clip0.txt").write_text("大丈夫。", encoding="utf-8")
    assert read_manifest(folder, "auto").rows[0].language == "auto"
    (folder / "clip1.txt").write_text("ありがとう。", encoding="utf-8")
    assert {item.language for item in read_manifest(folder, "auto").rows} == {"auto_ja"}


def test_transcripts_in_an_older_encoding_are_told_once(tmp_path):
    folder = spoken_folder(tmp_path, 3)
    for name in ("clip0.txt", "clip2.txt"):
        (folder / name).write_bytes("大家好。".encode("gbk"))
    found = read_manifest(folder, "zh")
    assert [item.text for item in found.rows] == ["大家好。", "Hello world, number 1.", "大家好。"]
    assert found.notes == (
        f"{folder / 'clip0.txt'} (and 1 more) is not UTF-8: read as gb18030; if it is wrong, save it as UTF-8",
    )


def test_language_codes_in_any_case(tmp_path):
    assert read_manifest(spoken_folder(tmp_path), "EN").rows[0].language == "en"


def test_slices(tmp_path):
    spoken_folder(tmp_path, 3)
    rows = [
        {"file": "clip1.wav", "start": 0, "end": 5},
        {"file": "clip0.wav", "text": "Said here.", "language": "EN"},
        {"file": "gone.wav"},
        {"no": "file"},
        {"file": "clip2.wav", "language": "xx"},
    ]
    jsonl(tmp_path / "slices.jsonl", rows)
    found = read_manifest(tmp_path, "en")
    assert found.kind == "slices"
    assert [(item.name, item.text) for item in found.rows] == [
        ("clip1.wav", "Hello world, number 1."),
        ("clip0.wav", "Said here."),
    ]
    assert len(found.left_out) == 3


def test_ljspeech(tmp_path):
    for index in range(3):
        record(tmp_path / "wavs" / f"LJ{index}.wav", 0.1)
    table = "LJ0|It cost $5.|It cost five dollars.\nLJ1|Only one.|\n\nLJ2|\nLJ9|No file.|No file.\n../x|a|b\n"
    (tmp_path / "metadata.csv").write_text(table, encoding="utf-8")
    for place in (tmp_path, tmp_path / "metadata.csv"):
        found = read_manifest(place, "en")
        assert [item.text for item in found.rows] == ["It cost five dollars.", "Only one."]
        assert [item.reason for item in found.left_out] == ["no text", "no wavs/LJ9.wav", "no wavs/../x.wav"]


def test_a_list_in_a_folder(tmp_path):
    record(tmp_path / "a.wav", 0.1)
    (tmp_path / "train.list").write_text("a.wav|x|en|Hello.\n")
    assert names(read_manifest(tmp_path, "en")) == ["a.wav"]
    (tmp_path / "other.list").write_text("a.wav|x|en|Hello.\n")
    with pytest.raises(DatasetError, match=r"2 \.list files, expected one"):
        read_manifest(tmp_path, "en")


def test_an_experiment_folder(tmp_path):
    made = experiment(tmp_path, {"a.wav": 1.0, "b.mp3.wav": 1.0})
    made.wave_path("b.mp3.wav").unlink()
    found = read_manifest(tmp_path, "en")
    assert found.experiment.root == tmp_path
    assert names(found) == ["a.wav"]
    assert found.rows[0].existing.phones[0] == "HH"
    assert found.left_out[0].reason == "no 5-wav32k/b.mp3.wav"


@every_case("file", ["../outside.wav", "absolute", "", "a\0.wav"], isolated=True)
def test_slices_stay_in_their_folder(tmp_path, file):
    outside = record(tmp_path / "outside.wav", 0.1)
    spoken_folder(tmp_path / "in", 1)
    jsonl(
        tmp_path / "in" / "slices.jsonl",
        [{"file": "clip0.wav"}, {"file": str(outside) if file == "absolute" else file, "text": "x"}],
    )
    found = read_manifest(tmp_path / "in", "en")
    assert names(found) == ["clip0.wav"]
    assert len(found.left_out) == 1


@every_case(
    "line",
    ["[" * 200_000, "{}", "7", '{"file": "' + "x" * 300 + '.wav"}', '{"file": ' + "[" * 900 + "]" * 900 + "}"],
    isolated=True,
)
def test_rows_that_are_none(tmp_path, line):
    spoken_folder(tmp_path, 1)
    (tmp_path / "slices.jsonl").write_text(f'{{"file": "clip0.wav"}}\n{line}\n')
    (left_out,) = read_manifest(tmp_path, "en").left_out
    assert left_out.name == "slices.jsonl line 2" or "File name too long" in left_out.reason


@every_case("table", ["metadata.csv", "train.list"], isolated=True)
def test_paths_that_are_too_long(tmp_path, table):
    record(tmp_path / "wavs" / "a.wav", 0.1)
    (tmp_path / table).write_text(f"wavs/a.wav|x|en|Hello.\n{'x' * 300}|x|en|Hello.\n{'y/' * 3000}z|x|en|Hello.\n")
    if table == "metadata.csv":
        (tmp_path / table).write_text(f"a|Hello.\n{'x' * 300}|Hello.\n")
    found = read_manifest(tmp_path, "en")
    assert names(found) == ["a.wav"]
    assert "File name too long" in found.left_out[0].reason
    assert all(len(item.reason) < 200 for item in found.left_out)


@pytest.mark.skipif(sys.platform != "linux", reason="file names elsewhere are text")
def test_names_that_are_not_utf8_or_very_long(tmp_path):
    """As zips from Chinese and Japanese Windows hold; features and tables are keyed by a name that they can bear."""
    written = [b"\xc4\xe3\xba\xc3.wav", b"\xba\xc3\xc4\xe3.wav", "日本.wav".encode(), b"x" * 251 + b".wav"]
    for number, name in enumerate(written):
        path = tmp_path / os.fsdecode(name)
        record(tmp_path / "new.wav", 0.1, seed=number).rename(path)
        path.with_suffix(".txt").write_text(f"Hello {number}.")
    found = read_manifest(tmp_path, "en")
    assert {os.fsencode(item.path.name) for item in found.rows} == set(written)
    used = {os.fsencode(item.path.name): item.name for item in found.rows}
    assert used[written[2]] == "日本.wav"
    assert used[written[3]].startswith("xxx")
    assert len(set(used.values())) == 4
    for name in used.values():
        assert len(name.encode()) <= 251
        assert name.endswith(".wav")
    assert read_manifest(tmp_path, "en") == found


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_loops_of_links_in_a_folder(tmp_path):
    spoken_folder(tmp_path, 1)
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    (tmp_path / "up").symlink_to(".")
    (tmp_path / "one").symlink_to("other")
    (tmp_path / "other").symlink_to("one")
    (tmp_path / "clip0.lab").symlink_to("clip0.lab")
    assert names(read_manifest(tmp_path, "en")) == ["clip0.wav"]
