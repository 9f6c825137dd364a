"""Recordings to slices: every sample once, whatever goes wrong."""

import json
import os
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sovits_cli.audio import slicing
from sovits_cli.cli.hints import hint_for
from sovits_cli.config.schema import SliceSettings
from sovits_cli.errors import AudioError, InputError, ResourceError, SovitsError, UsageError
from sovits_cli.events import Note, Progress, Skipped
from tests.audio import signals
from tests.audio.slices import QUICK, TALK, folder_at, names_of, reassemble, rows_of, sliced
from tests.differences import every_case


@every_case(("target_s", "slices"), [(None, 10), (2.9, 5)], isolated=True)
def test_short_slices_may_be_joined(tmp_path, target_s, slices):
    """Ten words with short pauses; still every sample once."""
    source = signals.write(tmp_path / "talk.wav", signals.speech([1, -0.3] * 10))
    params = SliceSettings(min_length=400, min_interval=100, max_sil_kept=80, max_sec=3.0, target_sec=target_s)
    report = sliced([source], tmp_path / "out", params)
    assert len(report.lengths_s) == slices
    assert max(report.lengths_s) <= (target_s or 1.3)
    result, whole = reassemble(tmp_path / "out", source, "int16")
    assert np.array_equal(result, whole)


def test_a_target_over_the_limit_is_refused(tmp_path):
    with pytest.raises(UsageError, match="over max_sec") as caught:
        sliced([], tmp_path, SliceSettings(max_sec=20, target_sec=30))
    assert hint_for(caught.value) == "raise --max-sec or lower --target-sec"


@every_case(
    ("name", "rate", "channels", "encoding", "dtype"),
    [
        ("a.wav", 44_100, 1, {}, "int16"),
        ("a.wav", 16_000, 2, {"subtype": "PCM_24"}, "int32"),
        ("a.wav", 8_000, 3, {"subtype": "PCM_32"}, "int32"),
        ("a.wav", 16_000, 1, {"subtype": "FLOAT"}, "float32"),
        ("a.wav", 16_000, 1, {"subtype": "DOUBLE"}, "float64"),
        ("a.wav", 16_000, 1, {"subtype": "PCM_U8"}, "int16"),
        ("a.wav", 16_000, 1, {"subtype": "ULAW"}, "int16"),
        ("a.flac", 192_000, 2, {"subtype": "PCM_24"}, "int32"),
        ("a.mp3", 44_100, 2, {}, "int16"),
        ("a.ogg", 22_050, 1, {}, "int16"),
        ("a.opus", 48_000, 2, {"format": "OGG", "subtype": "OPUS"}, "int16"),
    ],
    isolated=True,
)
def test_slices_and_gaps_are_the_source(tmp_path, name, rate, channels, encoding, dtype):
    wave = signals.speech(TALK, rate, channels)
    wave = wave / 32769 if encoding.get("subtype") in {"FLOAT", "DOUBLE"} else wave
    source = signals.write(tmp_path / name, wave, rate, **encoding)
    report = sliced([source], tmp_path / "out", QUICK)
    result, whole = reassemble(tmp_path / "out", source, dtype)
    np.testing.assert_array_equal(result, whole)
    rows = rows_of(tmp_path / "out")
    assert [(row["end"] - row["start"]) / rate for row in rows] == list(report.lengths_s)
    assert max(report.lengths_s) <= QUICK.max_sec
    assert [row["file"] for row in rows] == [f"{name}_{row['start']:010d}_{row['end']:010d}.wav" for row in rows]
    assert all(-20 < row["level"]["rms_dbfs"] < -10 < row["level"]["peak_dbfs"] < 0.5 for row in rows)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pattern=st.lists(st.tuples(st.booleans(), st.integers(1, 60)), min_size=1, max_size=10),
    max_s=st.sampled_from([0.5, 1, 54]),
)
def test_reassembly_of_anything(tmp_path_factory, pattern, max_s):
    folder = tmp_path_factory.mktemp("any")
    wave = signals.speech([0.1, *(part / 20 * (1 if loud else -1) for loud, part in pattern)], 8000, 2)
    source = signals.write(folder / "a.wav", wave, 8000)
    params = SliceSettings(min_length=200, min_interval=100, max_sil_kept=60, max_sec=max_s)
    sliced([source], folder / "out", params)
    result, whole = reassemble(folder / "out", source, "int16")
    np.testing.assert_array_equal(result, whole)
    np.testing.assert_array_equal(whole, wave)


def test_folder_several_inputs_and_bad_ones(tmp_path, heard):
    folder = tmp_path / "in"
    (folder / "deeper").mkdir(parents=True)
    for name in ("b.wav", "a.flac", "deeper/c.wav"):
        signals.write(folder / name, signals.speech(TALK))
    (folder / "notes.txt").write_text("notes")
    (folder / ".hidden").write_text("x")
    signals.write(folder / "silent.wav", np.zeros(16_000, np.int16))
    single = signals.write(tmp_path / "d.ogg", signals.speech(TALK))
    missing = tmp_path / "missing.wav"
    report = sliced([folder, single, missing, single], tmp_path / "out", QUICK, reporter=heard)
    assert [source.source.name for source in report.sources] == ["a.flac", "b.wav", "d.ogg"]
    skipped = {Path(event.item).name: event.reason for event in heard.of(Skipped)}
    assert skipped.keys() == {"notes.txt", "silent.wav", "missing.wav"}
    assert "entirely silent" in skipped["silent.wav"]
    assert str(tmp_path) not in skipped["notes.txt"]
    assert any("deeper" in event.text for event in heard.of(Note))
    progress = heard.of(Progress)
    assert (progress[-1].done, progress[-1].total, progress[-1].unit) == (5, 6, "files")


def test_running_again_replaces_and_says_so(tmp_path, heard):
    source = signals.write(tmp_path / "a.wav", signals.speech(TALK))
    other = signals.write(tmp_path / "b.wav", signals.speech(TALK))
    out = tmp_path / "out"
    before = sliced([source, other], out, QUICK)
    manifest = out / "slices.jsonl"
    rows = rows_of(out)
    rows[0]["text"] = rows[-1]["text"] = "hello"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = sliced([source], out, SliceSettings(max_sec=54), reporter=heard)
    assert len(report.lengths_s) < len(before.sources[0].lengths_s)
    listed = [row["file"] for row in rows_of(out)]
    assert sorted(listed) == [name for name in names_of(out) if name.endswith(".wav")]
    assert [row.get("text") for row in rows_of(out)][-1] == "hello"
    (note,) = heard.of(Note)
    assert note.text == f"a.wav: {len(report.lengths_s)} slices replace {report.sources[0].replaced} of an earlier run"


def _damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4 : len(data) * 3 // 4 + 2000] = bytes(2000)
    path.write_bytes(data)
    return path


def test_damage_in_the_middle_leaves_no_slices(tmp_path):
    source = _damage(signals.write(tmp_path / "a.flac", signals.speech(TALK * 3)))
    with pytest.raises(AudioError, match="damaged"):
        sliced([source], tmp_path / "out", QUICK)
    assert names_of(tmp_path) == ["a.flac"]


def test_failed_source_keeps_its_earlier_slices(tmp_path):
    source = signals.write(tmp_path / "a.flac", signals.speech(TALK * 3))
    sliced([source], tmp_path / "out", QUICK)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    _damage(source)
    with pytest.raises(AudioError, match="damaged"):
        sliced([source], tmp_path / "out", SliceSettings())
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_single_silent_file_says_what_to_do(tmp_path):
    source = signals.write(tmp_path / "a.wav", signals.noise(3, level=0.001))
    with pytest.raises(AudioError, match="entirely silent: nothing in it is above -34 dB") as caught:
        sliced([source], tmp_path / "out", SliceSettings())
    assert hint_for(caught.value) == "lower the threshold: --threshold -49"
    assert not (tmp_path / "out").exists()


def test_nothing_could_be_sliced(tmp_path, heard):
    folder = folder_at(tmp_path / "in")
    (folder / "a.txt").write_text("a")
    (folder / "b.txt").write_text("b")
    with pytest.raises(InputError, match="none of 2 files could be sliced; the first: cannot read"):
        sliced([folder], tmp_path / "out", QUICK, reporter=heard)
    assert len(heard.of(Skipped)) == 2
    assert names_of(tmp_path) == ["in"]


@every_case("inside", [False, True], isolated=True)
def test_empty_folder(tmp_path, inside):
    folder = folder_at(tmp_path / "in")
    if inside:
        folder_at(folder / "deeper")
    with pytest.raises(AudioError, match="is a folder"):
        sliced([folder], tmp_path / "out", QUICK)


@every_case("given_as", ["folder", "file"], isolated=True)
def test_slices_are_not_sliced_again(tmp_path, given_as):
    out = folder_at(tmp_path / "out")
    path = signals.write(out / "a.wav", signals.speech(TALK))
    with pytest.raises(UsageError, match="slices are not sliced again"):
        sliced([out if given_as == "folder" else path], out, QUICK)


def test_output_folder_that_is_a_file(tmp_path):
    source = signals.write(tmp_path / "a.wav", signals.speech(TALK))
    (tmp_path / "out").write_text("x")
    with pytest.raises(ResourceError, match="cannot write"):
        sliced([source], tmp_path / "out", QUICK)


def test_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    source = signals.write(tmp_path / "a.wav", signals.speech(TALK))
    sliced([source], tmp_path / "out", QUICK)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    write = soundfile.SoundFile.write
    calls = []

    def full(self, data):
        calls.append(len(data))
        if len(calls) > 1:
            raise soundfile.LibsndfileError(2)
        write(self, data)

    monkeypatch.setattr(soundfile.SoundFile, "write", full)
    with pytest.raises(ResourceError, match="took no more data"):
        sliced([source], tmp_path / "out", SliceSettings(max_sec=1.5))
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_interrupted_run_keeps_what_is_done(tmp_path, monkeypatch):
    sources = [signals.write(tmp_path / name, signals.speech(TALK)) for name in ("a.wav", "b.wav")]
    feed = slicing.SilenceSlicer.feed

    def interrupt(self, block):
        if (tmp_path / "out" / "slices.jsonl").exists() or any(tmp_path.glob("out/a.wav_*")):
            raise KeyboardInterrupt
        return feed(self, block)

    monkeypatch.setattr(slicing.SilenceSlicer, "feed", interrupt)
    with pytest.raises(KeyboardInterrupt):
        sliced(sources, tmp_path / "out", QUICK)
    rows = rows_of(tmp_path / "out")
    assert {row["source"] for row in rows} == {str(sources[0])}
    assert sorted(row["file"] for row in rows) == [name for name in names_of(tmp_path / "out") if name.endswith(".wav")]
    assert not list((tmp_path / "out").glob(".*"))


def test_odd_names(tmp_path):
    names = ["日本語 録音.wav", 'a\'b "c".wav', "x" * 240 + ".wav", "no_suffix"]
    for name in names:
        signals.write(tmp_path / name, signals.speech(TALK), format="WAV")
    report = sliced([tmp_path / name for name in names], tmp_path / "out", QUICK)
    assert len(report.sources) == len(names)
    assert len(rows_of(tmp_path / "out")) == len(report.lengths_s)


@every_case("pattern", [[6, -0.5, 9, -1, 20, -0.8, 7, -2, 13.7], [-60], [60]], isolated=True)
def test_memory_does_not_grow_with_the_length(tmp_path, pattern, monkeypatch):
    """Growth is allowed for the lines of the manifest alone; the audio of the longer file is 3 MB more as floats."""
    monkeypatch.setattr("sovits_cli.audio.slice_writer._BLOCK_SAMPLES", 1 << 14)
    peaks = []
    for minutes in (2, 15):
        source = signals.write(tmp_path / "a.wav", np.concatenate([signals.speech(pattern, 1000)] * minutes), 1000)
        tracemalloc.start()
        if pattern[0] < 0:
            with pytest.raises(AudioError, match="silent"):
                sliced([source], tmp_path / "out", SliceSettings(max_sec=10))
            lines = 0
        else:
            lines = len(sliced([source], tmp_path / "out", SliceSettings(max_sec=10)).lengths_s)
        peaks.append(tracemalloc.get_traced_memory()[1] - 6000 * lines)
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 500_000


@pytest.fixture
def broken(monkeypatch):
    """A bug that strikes recordings whose name begins with "bad"."""
    really = slicing.SliceWriter

    def writer(path, *rest):
        if path.name.startswith("bad"):
            raise KeyError("boom")
        return really(path, *rest)

    monkeypatch.setattr(slicing, "SliceWriter", writer)


@pytest.mark.usefixtures("broken")
def test_a_bug_in_one_recording_is_named_and_the_others_are_done(tmp_path, heard):
    sources = [signals.write(tmp_path / f"{name}.wav", signals.speech(TALK)) for name in ("a", "bad", "c")]
    report = sliced(sources, tmp_path / "out", QUICK, reporter=heard)
    assert [source.source.name for source in report.sources] == ["a.wav", "c.wav"]
    (event,) = heard.of(Skipped)
    assert (event.item, event.reason) == (str(sources[1]), "internal error: KeyError: 'boom'")
    assert isinstance(event.cause, KeyError)


@pytest.mark.usefixtures("broken")
@every_case(("others", "code"), [([], 1), (["bad2.wav"], 1), (["missing.wav"], 3)], isolated=True)
def test_nothing_but_bugs_is_our_bug(tmp_path, others, code):
    sources = [signals.write(tmp_path / f"{name}.wav", signals.speech(TALK)) for name in ("bad", "bad2")]
    with pytest.raises(SovitsError, match="KeyError") as caught:
        sliced([sources[0], *(tmp_path / name for name in others)], tmp_path / "out", QUICK)
    assert caught.value.exit_code == code
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="file names elsewhere are text")
def test_names_that_are_not_utf8_and_loops_of_links(tmp_path, heard):
    """As zips from Chinese and Japanese Windows hold. The manifest is UTF-8 all the same."""
    folder = folder_at(tmp_path / "in")
    name = os.fsdecode(b"\xc4\xe3\xba\xc3.wav")
    signals.write(folder / "a.wav", signals.speech(TALK)).rename(folder / name)
    (folder / "loop.wav").symlink_to("loop.wav")
    (folder / "up").symlink_to(".")
    for _ in range(2):
        sliced([folder], tmp_path / "out", QUICK, reporter=heard)
        listed = [row["file"] for row in rows_of(tmp_path / "out")]
        assert sorted(listed) == [path for path in names_of(tmp_path / "out") if path.endswith(".wav")]
        assert all(file.startswith(name) for file in listed)
    (tmp_path / "out" / "slices.jsonl").read_text(encoding="utf-8")
    assert {Path(event.item).name for event in heard.of(Skipped)} == {"loop.wav"}
    with pytest.raises(AudioError, match="loop"):
        sliced([folder / "loop.wav"], tmp_path / "out", QUICK)
