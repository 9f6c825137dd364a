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


def write_and_fail(path, failure):
    with SrtWriter(path) as subtitles:
        subtitles.cue(0, 1, "Hello.")
        raise failure


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError])
def test_nothing_is_left_of_what_failed(tmp_path, failure):
    with pytest.raises(failure):
        write_and_fail(tmp_path / "a.srt", failure)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk(tmp_path):
    with pytest.raises(ResourceError, match="the disk is full"):
        write_and_fail(tmp_path / "a.srt", OSError(28, "No space left on device"))
    assert list(tmp_path.iterdir()) == []
