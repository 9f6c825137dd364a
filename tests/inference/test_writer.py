import tracemalloc
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import soundfile

from sovits_cli.audio.writer import AudioWriter
from sovits_cli.errors import ResourceError, UnforeseenError
from sovits_cli.events import Doubtful, Progress, Warned
from sovits_cli.inference.checks import PASSED, failed
from sovits_cli.inference.synthesizer import SpokenUtterance
from sovits_cli.inference.writer import DoubtfulSentence, SrtWriter, clock, joined, write_speech
from sovits_cli.locks import held_output
from sovits_cli.text.utterances import Utterance

RATE = 16_000
TEXTS = ("Hello there, my old friend.", "How are you on this fine day?", "I am well, thank you very much.")


def part(index, text="Hello.", seconds=1.5, pause_s=0.3, verdict=PASSED, tries=1, cause=None):
    utterance = Utterance(index, text, (0, len(text)), "en", (), pause_s)
    samples = (0.3 * np.sin(np.arange(round(seconds * RATE)))).astype(np.float32)
    return SpokenUtterance(utterance, samples, RATE, pause_s, verdict, tries, cause)


def parts(count=3):
    return [part(index, TEXTS[index % 3], pause_s=0.3 if index < count - 1 else 0.0) for index in range(count)]


@pytest.fixture
def write(empty_folder, heard):
    """Writes utterances to out.wav, or elsewhere."""

    def run(found=None, out="out.wav", srt=None, total=3):
        return write_speech(found or parts(), empty_folder / out, rate=RATE, srt=srt, total=total, reporter=heard)

    return run


def moments(srt):
    """Beginning and end of each cue, in seconds."""

    def moment(text):
        hours, minutes, seconds = text.replace(",", ".").split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)

    return [tuple(map(moment, line.split(" --> "))) for line in srt.read_text().splitlines() if "-->" in line]


def test_utterances_are_joined_with_their_pauses(write, empty_folder, heard):
    found = [part(0, pause_s=0.3), part(1, pause_s=2.0), part(2, pause_s=0.0)]
    written = write(found, srt=empty_folder / "out.srt")
    spans = moments(empty_folder / "out.srt")
    assert [end - start for start, end in spans] == pytest.approx([1.5] * 3, abs=0.002)
    gaps = [later[0] - sooner[1] for sooner, later in pairwise(spans)]
    assert gaps == pytest.approx([0.3, 2.0], abs=0.002)
    assert (written.seconds, written.sentences, written.retries, written.doubtful) == (pytest.approx(6.8), 3, 0, ())
    assert [(event.done, event.total) for event in heard.of(Progress)] == [(1, 3), (2, 3), (3, 3)]
    audio = joined(found, RATE)
    whole, rate = soundfile.read("out.wav", dtype="float32")
    assert np.abs(audio.samples - whole).max() <= 2**-15, "in memory as in the file, which has 16 bits"
    assert (audio.rate, audio.parts) == (rate, tuple(found))


def test_formats(write, empty_folder):
    for suffix in ("flac", "mp3", "ogg", "opus"):
        written = write(out=f"out.{suffix}")
        assert soundfile.info(f"out.{suffix}").duration == pytest.approx(written.seconds, abs=0.2)


def test_a_doubtful_utterance_is_named(write, heard):
    verdict = failed("it did not end within 2 s", 10.0)
    written = write([replace(part(0, TEXTS[0]), verdict=verdict, tries=3), replace(part(1), verdict=verdict)])
    assert written.doubtful[0] == DoubtfulSentence(1, TEXTS[0], 0.0, 1.5, "it did not end within 2 s")
    assert (len(written.doubtful), written.retries) == (2, 2)
    first, second = heard.of(Doubtful)
    assert first.item == "sentence 1 at 0.0 s, 'Hello there, my old friend.',"
    assert first.reason == "it did not end within 2 s (after 3 tries)"
    assert (first.code, second.code) == ("inference.doubtful", ""), "what to do is said once"


@pytest.mark.parametrize(
    ("failure", "kind"),
    [(KeyboardInterrupt(), KeyboardInterrupt), (ResourceError("the disk is full"), ResourceError)],
)
def test_what_fails_in_the_middle_keeps_what_was_spoken(write, heard, monkeypatch, empty_folder, failure, kind):
    def failing():
        yield from parts()[:2]
        raise failure

    with pytest.raises(kind):
        write(failing(), srt=empty_folder / "out.srt")
    assert sorted(path.name for path in empty_folder.iterdir()) == ["out.partial.srt", "out.partial.wav"]
    (told,) = heard.of(Warned)
    places = [empty_folder / f"out.partial.{suffix}" for suffix in ("wav", "srt")]
    assert told.text == "4 s of speech are kept in {}, their subtitles in {}".format(*places)
    assert soundfile.info("out.partial.wav").duration == pytest.approx(3.6)
    write(srt=empty_folder / "out.srt")
    assert sorted(path.name for path in empty_folder.iterdir()) == ["out.srt", "out.wav"]


def test_before_anything_was_spoken_nothing_is_left_and_what_was_there_stays(write, heard, monkeypatch, empty_folder):
    (empty_folder / "out.wav").write_text("before")

    def write_block(self, block):
        raise KeyboardInterrupt

    monkeypatch.setattr(AudioWriter, "write", write_block)
    with pytest.raises(KeyboardInterrupt):
        write(srt=empty_folder / "out.srt")
    assert [path.name for path in empty_folder.iterdir()] == ["out.wav"]
    assert (empty_folder / "out.wav").read_text() == "before"
    assert heard.of(Warned) == []


def test_subtitles_that_cannot_be_written_cost_no_speech(write, monkeypatch, empty_folder):
    def cue(self, start_s, end_s, text):
        self._fail(OSError(28, "No space left on device"))

    monkeypatch.setattr(SrtWriter, "cue", cue)
    with pytest.raises(ResourceError, match=r"out.srt: the disk is full; the speech is whole: .*out.wav"):
        write(srt=empty_folder / "out.srt")
    assert sorted(path.name for path in empty_folder.iterdir()) == ["out.wav"]


def test_an_utterance_that_is_not_heard_is_named_and_the_others_are_written(write, heard, empty_folder):
    broken = replace(part(0, seconds=0), verdict=failed("it could not be spoken", np.inf), cause=RuntimeError("odd"))
    written = write([broken, *parts()[1:]], srt=empty_folder / "out.srt")
    assert (written.sentences, [one.sentence for one in written.doubtful]) == (3, [1])
    assert str(heard.of(Doubtful)[0].cause) == "odd"
    assert (empty_folder / "out.srt").read_text().count("-->") == 2
    for nothing in (lambda: write([broken], out="none.wav"), lambda: joined([broken], RATE)):
        with pytest.raises(UnforeseenError, match="odd"):
            nothing()
    assert not list(empty_folder.glob("none*"))


def test_two_at_once_do_not_write_one_file(write, empty_folder):
    with held_output(empty_folder / "out.wav"):
        with pytest.raises(ResourceError, match=r"out.wav: another sovits .* works here"):
            write()
        write(out="b.wav")
    write()
    assert sorted(path.name for path in empty_folder.iterdir()) == ["b.wav", "out.wav"]


def test_a_long_text_takes_no_more_memory(write, heard):
    write()
    peaks = []
    for count in (50, 400):
        tracemalloc.start()
        assert write((part(index, seconds=0.5) for index in range(count)), total=count).sentences == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        heard.events.clear()
    assert peaks[1] < 1.2 * peaks[0] + 1e6


def test_cues(tmp_path):
    path = tmp_path / "deep" / "a.srt"
    with SrtWriter(path) as subtitles:
        subtitles.cue(0.0, 1.25, " Hello\n there. ")
        subtitles.cue(1.5, 3661.0005, "Été.")
    assert path.read_text(encoding="utf-8") == (
        "1\n00:00:00,000 --> 00:00:01,250\nHello there.\n\n2\n00:00:01,500 --> 01:01:01,000\nÉté.\n\n"
    )


def test_clock():
    assert [clock(seconds) for seconds in (59.9996, 360_000)] == ["00:01:00,000", "100:00:00,000"]


def write_and_fail(path, failure, cues=1):
    with SrtWriter(path) as subtitles:
        for _ in range(cues):
            subtitles.cue(0, 1, "Hello.")
        raise failure


def test_subtitles_written_so_far_are_kept(tmp_path):
    for failure in (KeyboardInterrupt, ValueError):
        with pytest.raises(failure):
            write_and_fail(tmp_path / "a.srt", failure)
        assert (tmp_path / "a.partial.srt").read_text() == "1\n00:00:00,000 --> 00:00:01,000\nHello.\n\n"
        with pytest.raises(failure):
            write_and_fail(tmp_path / "a.srt", failure, cues=0)
        assert list(tmp_path.iterdir()) == []


def test_each_cue_is_in_the_file_at_once(tmp_path):
    with SrtWriter(tmp_path / "a.srt") as subtitles:
        for count in (1, 2, 3):
            subtitles.cue(0, 1, "Hello.")
            assert (tmp_path / "a.partial.srt").read_text().count("-->") == count
    assert [path.name for path in tmp_path.iterdir()] == ["a.srt"]


def test_a_full_disk_ends_subtitles(tmp_path):
    with pytest.raises(ResourceError, match="the disk is full"):
        write_and_fail(tmp_path / "a.srt", OSError(28, "No space left on device"))


def test_a_failure_to_write_is_kept_and_stops_nothing(tmp_path):
    with SrtWriter(tmp_path / "a.srt") as subtitles:
        subtitles.cue(0, 1, "Hello.")
        subtitles._file = Full()
        subtitles.cue(1, 2, "there.")
        subtitles.cue(2, 3, "you.")
    assert "the disk is full" in subtitles.failure.message
    assert [path.name for path in tmp_path.iterdir()] == ["a.partial.srt"]


class Full:
    def write(self, text):
        raise OSError(28, "No space left on device")


def test_what_has_no_utf8_is_written_all_the_same(tmp_path):
    with SrtWriter(tmp_path / "a.srt") as subtitles:
        subtitles.cue(0, 1, "odd \udcff letter")
    assert "odd ? letter" in (tmp_path / "a.srt").read_text()
    assert subtitles.failure is None
