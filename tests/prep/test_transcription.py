"""Hearing what recordings say: filters, the list that people correct, and what is never heard twice."""

import sys

import numpy as np
import pytest

from sovits_cli.audio.writer import AudioWriter
from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import DatasetError, ResourceError, SovitsError
from sovits_cli.events import Note
from sovits_cli.prep import transcription, whisper
from sovits_cli.prep.whisper import TranscribedSegment, Transcription
from sovits_cli.text.languages import LANGUAGES
from tests.data.recordings import record
from tests.differences import every_case
from tests.prep.fakes import RecordingReporter as Reports
from tests.text import made_up


def phrase(text, start_s=0.0, end_s=1.0, no_speech=0.0, confidence=-0.2, repetition=1.2):
    return TranscribedSegment(start_s, end_s, text, no_speech, confidence, repetition)


class Ear:
    """Hears what it is told to, one answer a recording."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def transcribe(self, wave, language):
        self.asked.append((len(wave), language))
        if not self.answers:
            raise KeyboardInterrupt
        answer = self.answers.pop(0)
        return answer if isinstance(answer, Transcription) else Transcription(language or "en", (phrase(answer),))


@pytest.fixture
def place(tmp_path):
    return tmp_path / "out" / "transcripts.list"


def heard(folder, place, *answers, lang="auto"):
    ear, reports = Ear(*answers), Reports()
    return transcription.transcribe_missing(folder, lang, place, lambda: ear, reports), ear, reports


def rows(place):
    return [line.split("|") for line in place.read_text(encoding="utf-8").splitlines()]


def recordings(folder, *names):
    for number, name in enumerate(names):
        record(folder / name, 1.0 + 0.1 * number)
    return folder


def test_what_is_heard_goes_to_a_list_that_reads_as_one(tmp_path, place):
    folder = recordings(tmp_path / "in", "a.wav", "b.wav")
    found, ear, _ = heard(folder, place, "Hello | there.", Transcription("ja", (phrase("こんにちは。"),)))
    assert [(said.name, said.language, said.text) for said in found.rows] == [
        ("a.wav", "en", "Hello | there."),
        ("b.wav", "ja", "こんにちは。"),
    ]
    assert rows(place)[1] == [str((folder / "b.wav").resolve()), "in", "JA", "こんにちは。"]
    assert [language for _, language in ear.asked] == [None, None]
    assert ear.asked[0][0] == whisper.RATE_HZ


def test_a_named_language_is_not_guessed(tmp_path, place):
    found, ear, _ = heard(recordings(tmp_path / "in", "a.wav"), place, "你好。", lang="all_zh")
    assert ear.asked[0][1] == "zh"
    assert found.rows[0].language == "zh"


def test_a_registered_language_is_heard_by_what_recognisers_call_it(tmp_path, place, monkeypatch):
    monkeypatch.setitem(LANGUAGES, made_up.ROW.code, made_up.ROW)
    folder = recordings(tmp_path / "in", "a.wav", "b.wav")
    answers = Transcription("qqq", (phrase("Miła."),)), Transcription("xx", (phrase("Hm."),))
    found, _, _ = heard(folder, place, *answers)
    assert [(said.language, said.text) for said in found.rows] == [("qq", "Miła.")]
    assert [item.reason for item in found.left_out] == ["spoken in xx, which no front end reads"]


def test_transcripts_that_are_there_stay_and_join_the_list(tmp_path, place):
    folder = recordings(tmp_path / "in", "a.wav", "b.wav")
    (folder / "a.txt").write_text("Written by hand.")
    found, ear, _ = heard(folder, place, "Transcription.", lang="en")
    assert {said.name: said.text for said in found.rows} == {"a.wav": "Written by hand.", "b.wav": "Transcription."}
    assert len(ear.asked) == 1


def test_corrections_are_kept_and_nothing_is_heard_twice(tmp_path, place):
    folder = recordings(tmp_path / "in", "a.wav", "b.wav")
    heard(folder, place, "Helo.", Transcription("en", ()))
    place.write_text(place.read_text().replace("Helo.", "Hello."))
    found, ear, _ = heard(folder, place)
    assert [said.text for said in found.rows] == ["Hello."]
    assert ear.asked == []
    assert [(item.name, item.reason) for item in found.left_out] == [
        ("b.wav", "no text in transcripts.list: write it there, or delete the row")
    ]
    place.write_text("\n".join(place.read_text().splitlines()[:1]) + "\n")
    found, ear, _ = heard(folder, place, "At last.")
    assert [said.text for said in found.rows] == ["Hello.", "At last."]


@every_case("encoding", ["gbk", "utf-16", "utf-8-sig"], isolated=True)
def test_a_list_that_an_editor_saved_otherwise(tmp_path, place, encoding):
    folder = recordings(tmp_path / "in", "a.wav")
    heard(folder, place, "我们去公园。", lang="zh")
    place.write_bytes(place.read_text(encoding="utf-8").replace("\n", "\r\n").encode(encoding))
    recordings(folder, "a.wav", "b.wav")
    found, _, _ = heard(folder, place, "他们也去。", lang="zh")
    assert [said.text for said in found.rows] == ["我们去公园。", "他们也去。"]
    assert len(found.notes) == (encoding == "gbk")


def test_an_interrupted_run_keeps_what_it_heard(tmp_path, place):
    folder = recordings(tmp_path / "in", "a.wav", "b.wav")
    ear = Ear("One.")
    with pytest.raises(KeyboardInterrupt):
        transcription.transcribe_missing(folder, "en", place, lambda: ear, Reports())
    assert [row[3] for row in rows(place)] == ["One."]
    found, ear, _ = heard(folder, place, "Two.", lang="en")
    assert [said.text for said in found.rows] == ["One.", "Two."]


@every_case(
    ("answer", "reason"),
    [
        (Transcription("en", ()), "no speech was heard"),
        (Transcription("en", (phrase("..."),)), "no speech was heard"),
        (Transcription("en", (phrase("Thanks for watching.", no_speech=0.9, confidence=-1.5),)), "no speech was heard"),
        (
            Transcription("en", (phrase("Thank you so much. " * 4),)),
            "what was heard repeats itself: 'Thank you so much'",
        ),
        (Transcription("zh", (phrase("谢谢观看" * 5),)), "what was heard repeats itself: '谢谢观看'"),
        (Transcription("en", (phrase("so " * 14),)), "what was heard repeats itself: 'so so'"),
        (Transcription("en", (phrase("on and on", repetition=3.0),)), "what was heard repeats itself: 'on and on'"),
        (Transcription("en", (phrase(" ".join(f"word{n}" for n in range(40))),)), "letters were heard in 1.0 s"),
        (Transcription("fr", (phrase("Bonjour."),)), "spoken in fr, which no front end reads"),
    ],
    isolated=True,
)
def test_what_cannot_be_right_is_left_out_by_name(tmp_path, place, answer, reason):
    found, _, _ = heard(recordings(tmp_path / "in", "a.wav", "b.wav"), place, answer, "Fine.")
    assert [said.name for said in found.rows] == ["b.wav"]
    assert [item.name for item in found.left_out] == ["a.wav"]
    assert reason in found.left_out[0].reason
    assert rows(place)[0][3] == ""


@every_case("text", ["Ha ha ha ha!", "No, no, no, no.", "very very good and very very bad"], isolated=True)
def test_people_do_say_things_twice(tmp_path, place, text):
    found, _, _ = heard(recordings(tmp_path / "in", "a.wav"), place, text)
    assert found.rows[0].text == text


def test_silence_is_not_given_to_the_model(tmp_path, place):
    folder = recordings(tmp_path / "in", "b.wav")
    with AudioWriter(folder / "a.wav", rate=16_000, channels=1) as out:
        out.write(np.full((32_000, 1), 1e-4, np.float32))
    (folder / "c.wav").write_bytes(b"no sound")
    found, ear, _ = heard(folder, place, "Fine.")
    assert len(ear.asked) == 1
    assert {item.name: item.reason.partition(":")[0] for item in found.left_out}["a.wav"] == "silent"
    assert {item.name for item in found.left_out} == {"a.wav", "c.wav"}


def test_words_made_up_over_a_long_silence_are_dropped(tmp_path, place):
    folder = tmp_path / "in"
    folder.mkdir()
    tone = np.sin(np.arange(32_000) * 0.3).astype(np.float32)[:, None] * 0.3
    with AudioWriter(folder / "a.wav", rate=16_000, channels=1) as out:
        out.write(np.concatenate([tone, np.zeros((160_000, 1), np.float32)]))
    answer = Transcription("en", (phrase("Really said.", 0.0, 2.0), phrase("Please subscribe.", 5.0, 9.0)))
    found, _, _ = heard(folder, place, answer)
    assert found.rows[0].text == "Really said."


def test_nothing_usable_at_all(tmp_path, place):
    with pytest.raises(DatasetError, match=r"can be used: 1 left out, the first: a\.wav: no speech") as failure:
        heard(recordings(tmp_path / "in", "a.wav"), place, Transcription("en", ()))
    assert hint_for(failure.value).startswith(f"write what is said into {place} and run")
    with pytest.raises(DatasetError, match="is no folder of recordings"):
        heard(tmp_path / "gone", place)


@pytest.mark.skipif(sys.platform != "linux", reason="file names elsewhere are text")
def test_names_that_no_list_can_hold(tmp_path, place):
    """What lies beside such a recording is used all the same; the others are named."""
    folder = recordings(tmp_path / "in", "a.wav", "b.wav", "c.wav")
    (folder / "b.wav").rename(folder / "\udcc4\udce3.wav")
    (folder / "c.wav").rename(folder / "\udcba.wav")
    (folder / "\udcba.txt").write_text("Told.")
    found, ear, _ = heard(folder, place, "Hello there.")
    assert sorted((said.path.name, said.text) for said in found.rows) == [
        ("a.wav", "Hello there."),
        ("\udcba.wav", "Told."),
    ]
    assert [(item.name, item.reason) for item in found.left_out] == [
        ("\udcc4\udce3.wav", "its name is not UTF-8: rename it")
    ]
    assert len(ear.asked) == len(rows(place)) == 1


def test_a_list_that_is_a_link_is_not_added_to(tmp_path, place):
    folder = recordings(tmp_path / "in", "a.wav")
    place.parent.mkdir()
    place.symlink_to(tmp_path / "victim")
    with pytest.raises(ResourceError, match=r"transcripts\.list: it is a link"):
        heard(folder, place, "Hello there.")
    assert not (tmp_path / "victim").exists()


def test_a_plan_hears_and_writes_nothing(tmp_path, place):
    folder = recordings(tmp_path / "in", "a.wav", "b.wav", "c.wav")
    (folder / "b.txt").write_text("Told.")
    reports = Reports()
    found = transcription.plan_transcription(folder, "en", place, reports)
    assert [said.text for said in found.rows] == ["Told."]
    assert "2 recordings are to be transcribed first" in reports.of(Note)[0].text
    assert not place.parent.exists()
    (folder / "b.txt").unlink()
    assert not transcription.plan_transcription(folder, "en", place, Reports()).rows
    heard(folder, place, "One.", "Two.", "Three.")
    before = place.read_bytes()
    found = transcription.plan_transcription(folder, "en", place, reports := Reports())
    assert [said.text for said in found.rows] == ["One.", "Two.", "Three."]
    assert not reports.events
    assert place.read_bytes() == before


class Deaf:
    """Has a bug, for these answers."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def transcribe(self, wave, language):
        answer = self.answers.pop(0)
        if answer is None:
            raise KeyError("boom")
        return Transcription("en", (phrase(answer),))


def test_a_bug_in_one_recording_leaves_the_others_alone(tmp_path, place):
    """It gets no row: the next run hears it."""
    folder = recordings(tmp_path / "in", "a.wav", "b.wav", "c.wav")
    found = transcription.transcribe_missing(folder, "en", place, lambda: Deaf("One.", None, "Three."), Reports())
    assert [said.text for said in found.rows] == ["One.", "Three."]
    (item,) = found.left_out
    assert (item.name, item.reason) == ("b.wav", "internal error: KeyError: 'boom'")
    assert isinstance(item.bug.__cause__, KeyError)
    assert len(rows(place)) == 2
    found, _, _ = heard(folder, place, "Two.")
    assert len(found.rows) == 3


def test_nothing_but_bugs_is_our_bug(tmp_path, place):
    folder = recordings(tmp_path / "in", "a.wav", "b.wav")
    with pytest.raises(SovitsError, match=r"no utterance that can be used.*KeyError") as caught:
        transcription.transcribe_missing(folder, "en", place, lambda: Deaf(None, None), Reports())
    assert caught.value.exit_code == 1
