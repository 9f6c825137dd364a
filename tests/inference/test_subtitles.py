import pytest

from sovits_cli.errors import ResourceError
from sovits_cli.inference.subtitles import SrtWriter, clock


def test_cues(tmp_path):
    path = tmp_path / "deep" / "a.srt"
    with SrtWriter(path) as subtitles:
        subtitles.cue(0.0, 1.25, " Hello\n there. ")
        subtitles.cue(1.5, 3661.0005, "Été.")
    assert path.read_text(encoding="utf-8") == (
        "1\n00:00:00,000 --> 00:00:01,250\nHello there.\n\n2\n00:00:01,500 --> 01:01:01,000\nÉté.\n\n"
    )


@pytest.mark.parametrize(("seconds", "shown"), [(59.9996, "00:01:00,000"), (360_000, "100:00:00,000")])
def test_clock(seconds, shown):
    assert clock(seconds) == shown


def write_and_fail(path, failure, cues=1):
    with SrtWriter(path) as subtitles:
        for _ in range(cues):
            subtitles.cue(0, 1, "Hello.")
        raise failure


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError])
def test_what_was_written_is_kept(tmp_path, failure):
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


def test_a_full_disk(tmp_path):
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
