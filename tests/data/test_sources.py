"""Folders and tables that hold recordings and what is said in them."""

import pytest

from sovits_cli.data import sources
from sovits_cli.errors import DatasetError, TextError
from tests.data.recordings import experiment, jsonl, record, spoken_folder


def names(found):
    return [item.name for item in found.utterances]


def test_transcripts_beside_recordings(tmp_path):
    spoken_folder(tmp_path, 2)
    record(tmp_path / "deep" / "x.flac", 0.1).with_suffix(".lab").write_bytes(b"\xef\xbb\xbfOne\r\n two \r\n")
    found = sources.read(tmp_path, "en")
    assert names(found) == ["clip0.wav", "clip1.wav", "x.flac"]
    assert found.utterances[2].text == "One two"
    assert found.utterances[0].language == "en"


def test_missing_and_empty_transcripts_are_named(tmp_path):
    spoken_folder(tmp_path, 4)
    (tmp_path / "clip1.txt").unlink()
    (tmp_path / "clip2.txt").write_text(" \n")
    (tmp_path / "clip3.txt").write_text("0 1200 a\n1200 1800 b\n")
    found = sources.read(tmp_path, "en")
    assert names(found) == ["clip0.wav"]
    reasons = {item.name: item.reason for item in found.left_out}
    assert "expected clip1.txt or clip1.lab" in reasons["clip1.wav"]
    assert reasons["clip2.wav"] == "clip2.txt is empty"
    assert "timed labels" in reasons["clip3.wav"]


def test_no_transcript_at_all_says_what_to_do(tmp_path):
    record(tmp_path / "a.wav", 0.1)
    with pytest.raises(DatasetError, match="none of the 1 recordings") as caught:
        sources.read(tmp_path, "en")
    assert ".txt beside each recording" in caught.value.hint
    assert "--asr" not in caught.value.hint


def test_empty_folder(tmp_path):
    with pytest.raises(DatasetError, match="holds no recording"):
        sources.read(tmp_path, "en")


def test_not_there(tmp_path):
    with pytest.raises(DatasetError, match="does not exist"):
        sources.read(tmp_path / "none", "en")


def test_one_recording_is_no_dataset(tmp_path):
    with pytest.raises(DatasetError, match="is no dataset"):
        sources.read(record(tmp_path / "a.wav", 0.1), "en")


def test_unknown_language(tmp_path):
    with pytest.raises(TextError, match="unknown language 'klingon'"):
        sources.read(spoken_folder(tmp_path), "klingon")


def test_a_language_must_be_said(tmp_path):
    with pytest.raises(TextError, match="unknown language"):
        sources.read(spoken_folder(tmp_path), "")


def test_the_texts_of_all_tell_whose_the_han_characters_are(tmp_path):
    folder = spoken_folder(tmp_path)
    (folder / "clip0.txt").write_text("大丈夫。", encoding="utf-8")
    assert sources.read(folder, "auto").utterances[0].language == "auto"
    (folder / "clip1.txt").write_text("ありがとう。", encoding="utf-8")
    assert {item.language for item in sources.read(folder, "auto").utterances} == {"auto_ja"}


def test_transcripts_in_an_older_encoding_are_told_once(tmp_path):
    folder = spoken_folder(tmp_path, 3)
    for name in ("clip0.txt", "clip2.txt"):
        (folder / name).write_bytes("大家好。".encode("gbk"))
    found = sources.read(folder, "zh")
    assert [item.text for item in found.utterances] == ["大家好。", "Hello world, number 1.", "大家好。"]
    assert found.notes == (
        f"{folder / 'clip0.txt'} (and 1 more) is not UTF-8: read as gb18030; if it is wrong, save it as UTF-8",
    )


def test_language_codes_in_any_case(tmp_path):
    assert sources.read(spoken_folder(tmp_path), "EN").utterances[0].language == "en"


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
    found = sources.read(tmp_path, "en")
    assert found.kind == "slices"
    assert [(item.name, item.text) for item in found.utterances] == [
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
        found = sources.read(place, "en")
        assert [item.text for item in found.utterances] == ["It cost five dollars.", "Only one."]
        assert [item.reason for item in found.left_out] == ["no text", "no wavs/LJ9.wav", "no wavs/../x.wav"]


def test_a_list_in_a_folder(tmp_path):
    record(tmp_path / "a.wav", 0.1)
    (tmp_path / "train.list").write_text("a.wav|x|en|Hello.\n")
    assert names(sources.read(tmp_path, "en")) == ["a.wav"]
    (tmp_path / "other.list").write_text("a.wav|x|en|Hello.\n")
    with pytest.raises(DatasetError, match=r"2 \.list files, expected one"):
        sources.read(tmp_path, "en")


def test_an_experiment_folder(tmp_path):
    made = experiment(tmp_path, {"a.wav": 1.0, "b.mp3.wav": 1.0})
    made.wave_path("b.mp3.wav").unlink()
    found = sources.read(tmp_path, "en")
    assert found.experiment.root == tmp_path
    assert names(found) == ["a.wav"]
    assert found.utterances[0].ready.phones[0] == "HH"
    assert found.left_out[0].reason == "no 5-wav32k/b.mp3.wav"
