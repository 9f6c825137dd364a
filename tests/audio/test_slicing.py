import errno
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
from sovits_cli.audio.reader import AudioReader
from sovits_cli.audio.slicing import slice_recordings
from sovits_cli.cli.hints import hint_for
from sovits_cli.config.schema import SliceSettings
from sovits_cli.errors import AudioError, DatasetError, InputError, ResourceError, SovitsError, UsageError
from sovits_cli.events import Note, Progress, Silent, Skipped, Warned
from tests.audio import signals

QUICK = SliceSettings(min_length=400, min_interval=100, max_sil_kept=80, max_sec=2.0)
SILENT = Silent()
TALK = [-0.5, 1, -0.6, 3, -0.2, 0.5, -1]
"""Seconds of sound and silence; the 3 s without a pause need a forced cut."""


def sliced(inputs, out, settings=QUICK, reporter=SILENT, **changes):
    return slice_recordings(inputs, settings.model_copy(update={"out": out, **changes}), reporter=reporter)


def _rows(folder, name="slices.jsonl"):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def _names(folder):
    return sorted(child.name for child in folder.iterdir())


def _reassemble(folder, source, dtype):
    """Slices and gaps of a source, put together again, with nothing twice and nothing missing."""
    slices = [row for row in _rows(folder) if row["source"] == str(source)]
    gaps = [row for row in _rows(folder, "gaps.jsonl") if row["source"] == str(source)]
    with AudioReader(source) as reading:
        whole = np.concatenate(list(reading.blocks()))
    if reading.info.lossy:
        whole = np.clip(np.rint(whole * 32768.0), -32768, 32767).astype(np.int16)
    result = np.zeros(whole.shape, dtype)
    end = 0
    for row in sorted(slices + gaps, key=lambda row: row["start"]):
        assert row["start"] == end
        end = row["end"]
        if "file" in row:
            part, rate = soundfile.read(folder / row["file"], dtype=dtype, always_2d=True)
            assert rate == row["rate"]
            assert row["duration_s"] == pytest.approx(len(part) / rate, abs=1e-6)
        else:
            part = whole[row["start"] : row["end"]]
        result[row["start"] : row["end"]] = part
    assert end == len(whole)
    return result, whole


@pytest.mark.parametrize(("target_s", "slices"), [(None, 10), (2.9, 5)])
def test_short_slices_may_be_joined(tmp_path, target_s, slices):
    """Ten words with short pauses; still every sample once."""
    source = signals.write(tmp_path / "talk.wav", signals.speech([1, -0.3] * 10))
    params = SliceSettings(min_length=400, min_interval=100, max_sil_kept=80, max_sec=3.0, target_sec=target_s)
    report = sliced([source], tmp_path / "out", params)
    assert len(report.lengths_s) == slices
    assert max(report.lengths_s) <= (target_s or 1.3)
    result, whole = _reassemble(tmp_path / "out", source, "int16")
    assert np.array_equal(result, whole)


def test_a_target_over_the_limit_is_refused(tmp_path):
    with pytest.raises(UsageError, match="over max_sec") as caught:
        sliced([], tmp_path, SliceSettings(max_sec=20, target_sec=30))
    assert hint_for(caught.value) == "raise --max-sec or lower --target-sec"


@pytest.mark.parametrize(
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
)
def test_slices_and_gaps_are_the_source(tmp_path, name, rate, channels, encoding, dtype):
    wave = signals.speech(TALK, rate, channels)
    wave = wave / 32769 if encoding.get("subtype") in {"FLOAT", "DOUBLE"} else wave
    source = signals.write(tmp_path / name, wave, rate, **encoding)
    report = sliced([source], tmp_path / "out", QUICK)
    result, whole = _reassemble(tmp_path / "out", source, dtype)
    np.testing.assert_array_equal(result, whole)
    rows = _rows(tmp_path / "out")
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
    result, whole = _reassemble(folder / "out", source, "int16")
    np.testing.assert_array_equal(result, whole)
    np.testing.assert_array_equal(whole, wave)


def test_official_form(tmp_path):
    source = signals.write(tmp_path / "talk.mp3", signals.speech([5, -2, 5], 44_100, 2), 44_100)
    sliced([source], tmp_path / "out", SliceSettings(rate=32_000, mono=True, max=0.9, alpha=0.25))
    first, second = _rows(tmp_path / "out")
    for row in (first, second):
        info = soundfile.info(tmp_path / "out" / row["file"])
        assert (info.samplerate, info.channels, info.subtype) == (32_000, 1, "PCM_16")
        assert info.frames == pytest.approx((row["end"] - row["start"]) * 32_000 / 44_100, abs=1)
    start, end = (round(second[key] * 32_000 / 44_100) for key in ("start", "end"))
    assert second["file"] == f"talk.mp3_{start:010d}_{end:010d}.wav"
    loud = 20 * np.log10(0.9 * 0.25 + 0.75 * 0.7)
    assert first["level"]["peak_dbfs"] == pytest.approx(loud, abs=1.5)


def test_loudness_mix_sample_by_sample(tmp_path):
    wave = (signals.speech([2, -1, 2])[:, 0] * 0.5).astype(np.int16)
    source = signals.write(tmp_path / "a.wav", wave)
    sliced([source], tmp_path / "out", QUICK, max=0.9)
    for row in _rows(tmp_path / "out"):
        plain = wave[row["start"] : row["end"]] / 32768
        mixed, _ = soundfile.read(tmp_path / "out" / row["file"])
        np.testing.assert_allclose(mixed, plain / np.abs(plain).max() * 0.225 + 0.75 * plain, atol=1.1 / 32768)


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


def test_two_sources_of_one_name(tmp_path):
    one = signals.write(_folder(tmp_path / "one") / "a.wav", signals.speech(TALK, seed=1))
    two = signals.write(_folder(tmp_path / "two") / "a.wav", signals.speech(TALK, seed=2))
    sliced([one], tmp_path / "out", QUICK)
    sliced([two], tmp_path / "out", QUICK)
    again = sliced([two, one], tmp_path / "out", QUICK)
    assert [source.replaced for source in again.sources] == [len(source.lengths_s) for source in again.sources]
    for source in (one, two):
        result, whole = _reassemble(tmp_path / "out", source, "int16")
        np.testing.assert_array_equal(result, whole)
    files = [row["file"] for row in _rows(tmp_path / "out")]
    assert len(set(files)) == len(files) == 2 * len(again.sources[0].lengths_s)


def _folder(path):
    path.mkdir()
    return path


def test_running_again_replaces_and_says_so(tmp_path, heard):
    source = signals.write(tmp_path / "a.wav", signals.speech(TALK))
    other = signals.write(tmp_path / "b.wav", signals.speech(TALK))
    out = tmp_path / "out"
    before = sliced([source, other], out, QUICK)
    manifest = out / "slices.jsonl"
    rows = _rows(out)
    rows[0]["text"] = rows[-1]["text"] = "hello"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = sliced([source], out, SliceSettings(max_sec=54), reporter=heard)
    assert len(report.lengths_s) < len(before.sources[0].lengths_s)
    listed = [row["file"] for row in _rows(out)]
    assert sorted(listed) == [name for name in _names(out) if name.endswith(".wav")]
    assert [row.get("text") for row in _rows(out)][-1] == "hello"
    (note,) = heard.of(Note)
    assert note.text == f"a.wav: {len(report.lengths_s)} slices replace {report.sources[0].replaced} of an earlier run"


def test_texts_of_unchanged_slices_are_kept(tmp_path):
    source = signals.write(tmp_path / "a.wav", signals.speech(TALK))
    out = tmp_path / "out"
    sliced([source], out, QUICK)
    rows = [{**row, "text": row["file"]} for row in _rows(out)]
    (out / "slices.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sliced([source], out, QUICK)
    assert _rows(out) == rows


def test_unlisted_slices_are_left_and_named(tmp_path, heard):
    source = signals.write(tmp_path / "a.wav", signals.speech(TALK))
    out = _folder(tmp_path / "out")
    stranger = signals.write(out / "a.wav_0000000000_0000000007.wav", signals.noise(0.1))
    sliced([source], out, QUICK, reporter=heard)
    assert stranger.exists()
    (warning,) = heard.of(Warned)
    assert "1 more files" in warning.text


def test_what_a_killed_run_left_is_cleared(tmp_path):
    source = signals.write(tmp_path / "a.wav", signals.speech(TALK))
    dead = tmp_path / "out" / ".slicing-999999999-abc"
    alive = tmp_path / "out" / f".slicing-{os.getpid()}-abc"
    for folder in (dead, alive):
        folder.mkdir(parents=True)
        (folder / "half.wav").write_bytes(b"half")
    sliced([source], tmp_path / "out", QUICK)
    assert not dead.exists()
    assert alive.exists()


def _damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) * 3 // 4 : len(data) * 3 // 4 + 2000] = bytes(2000)
    path.write_bytes(data)
    return path


def test_damage_in_the_middle_leaves_no_slices(tmp_path):
    source = _damage(signals.write(tmp_path / "a.flac", signals.speech(TALK * 3)))
    with pytest.raises(AudioError, match="damaged"):
        sliced([source], tmp_path / "out", QUICK)
    assert _names(tmp_path) == ["a.flac"]


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
    folder = _folder(tmp_path / "in")
    (folder / "a.txt").write_text("a")
    (folder / "b.txt").write_text("b")
    with pytest.raises(InputError, match="none of 2 files could be sliced; the first: cannot read"):
        sliced([folder], tmp_path / "out", QUICK, reporter=heard)
    assert len(heard.of(Skipped)) == 2
    assert _names(tmp_path) == ["in"]


@pytest.mark.parametrize("inside", [False, True])
def test_empty_folder(tmp_path, inside):
    folder = _folder(tmp_path / "in")
    if inside:
        _folder(folder / "deeper")
    with pytest.raises(AudioError, match="is a folder"):
        sliced([folder], tmp_path / "out", QUICK)


@pytest.mark.parametrize("given_as", ["folder", "file"])
def test_slices_are_not_sliced_again(tmp_path, given_as):
    out = _folder(tmp_path / "out")
    path = signals.write(out / "a.wav", signals.speech(TALK))
    with pytest.raises(UsageError, match="slices are not sliced again"):
        sliced([out if given_as == "folder" else path], out, QUICK)


def test_manifest_of_something_else(tmp_path):
    source = signals.write(tmp_path / "a.wav", signals.speech(TALK))
    (_folder(tmp_path / "out") / "slices.jsonl").write_text('{"file": "x.wav"}\n')
    with pytest.raises(DatasetError, match=r"slices\.jsonl line 1"):
        sliced([source], tmp_path / "out", QUICK)


OUTSIDE = ["../victim.txt", "../out/a.wav_0000000000_0000000001.wav", "sub/a.wav_0000000000_0000000001.wav", "", "."]
UNKNOWN = ["slices.jsonl", "notes.txt", "a.wav", ["a"], None, 7, {}, "a\0_0000000000_0000000001.wav"]


@pytest.mark.parametrize("file", [*OUTSIDE, *UNKNOWN, "absolute"])
def test_a_foreign_manifest_removes_and_writes_nothing(tmp_path, file):
    """Rows are replaced and their files removed when their source is sliced again: only what slices are called."""
    source = signals.write(tmp_path / "a.wav", signals.speech(TALK))
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    out = _folder(tmp_path / "out")
    (out / "notes.txt").write_text("notes")
    good = {"source": "other", "file": "b.wav_0000000000_0000000001.wav"}
    bad = {"source": str(source), "file": str(victim) if file == "absolute" else file}
    (out / "slices.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (good, bad)))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(DatasetError, match=r"slices\.jsonl line 2 is no row of .* file"):
        sliced([source], out, QUICK)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("line", ["[" * 200_000, '{"source": "a", "file": ' + "[" * 900 + "]" * 900 + "}", "[1]", "7"])
@pytest.mark.parametrize("name", ["slices.jsonl", "gaps.jsonl"])
def test_rows_that_are_none(tmp_path, name, line):
    source = signals.write(tmp_path / "a.wav", signals.speech(TALK))
    (_folder(tmp_path / "out") / name).write_text(line + "\n")
    with pytest.raises(DatasetError, match=r"jsonl line 1 is no row"):
        sliced([source], tmp_path / "out", QUICK)


def test_nothing_is_written_through_links(tmp_path):
    source = signals.write(tmp_path / "a.wav", signals.speech(TALK))
    out = tmp_path / "out"
    sliced([source], out, QUICK)
    rows = _rows(out)
    victims = [tmp_path / f"victim{number}" for number in range(4)]
    links = [out / rows[0]["file"], out / rows[-1]["file"], out / "slices.jsonl", out / "gaps.jsonl"]
    for link, victim in zip(links, victims, strict=True):
        victim.write_bytes(link.read_bytes())
        link.unlink()
        link.symlink_to(victim)
    before = [victim.read_bytes() for victim in victims]
    sliced([source], out, SliceSettings(min_length=400, min_interval=100, max_sil_kept=90, max_sec=2.0))
    assert [victim.read_bytes() for victim in victims] == before
    assert not any(path.is_symlink() for path in out.iterdir())
    assert sorted(row["file"] for row in _rows(out)) == [name for name in _names(out) if name.endswith(".wav")]


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


def test_full_disk_while_the_mix_waits(tmp_path, monkeypatch):
    source = signals.write(tmp_path / "a.wav", signals.speech(TALK))

    class Full:
        def __init__(self, **_):
            self.name = "spool"

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", Full)
    with pytest.raises(ResourceError, match="disk is full"):
        sliced([source], tmp_path / "out", QUICK, max=0.9)
    assert _names(tmp_path) == ["a.wav"]


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
    rows = _rows(tmp_path / "out")
    assert {row["source"] for row in rows} == {str(sources[0])}
    assert sorted(row["file"] for row in rows) == [name for name in _names(tmp_path / "out") if name.endswith(".wav")]
    assert not list((tmp_path / "out").glob(".*"))


def test_odd_names(tmp_path):
    names = ["日本語 録音.wav", 'a\'b "c".wav', "x" * 240 + ".wav", "no_suffix"]
    for name in names:
        signals.write(tmp_path / name, signals.speech(TALK), format="WAV")
    report = sliced([tmp_path / name for name in names], tmp_path / "out", QUICK)
    assert len(report.sources) == len(names)
    assert len(_rows(tmp_path / "out")) == len(report.lengths_s)


@pytest.mark.parametrize(
    "pattern", [[6, -0.5, 9, -1, 20, -0.8, 7, -2, 13.7], [-60], [60]], ids=["talk", "silence", "noise"]
)
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
@pytest.mark.parametrize(("others", "code"), [([], 1), (["bad2.wav"], 1), (["missing.wav"], 3)])
def test_nothing_but_bugs_is_our_bug(tmp_path, others, code):
    sources = [signals.write(tmp_path / f"{name}.wav", signals.speech(TALK)) for name in ("bad", "bad2")]
    with pytest.raises(SovitsError, match="KeyError") as caught:
        sliced([sources[0], *(tmp_path / name for name in others)], tmp_path / "out", QUICK)
    assert caught.value.exit_code == code
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="file names elsewhere are text")
def test_names_that_are_not_utf8_and_loops_of_links(tmp_path, heard):
    """As zips from Chinese and Japanese Windows hold. The manifest is UTF-8 all the same."""
    folder = _folder(tmp_path / "in")
    name = os.fsdecode(b"\xc4\xe3\xba\xc3.wav")
    signals.write(folder / "a.wav", signals.speech(TALK)).rename(folder / name)
    (folder / "loop.wav").symlink_to("loop.wav")
    (folder / "up").symlink_to(".")
    for _ in range(2):
        sliced([folder], tmp_path / "out", QUICK, reporter=heard)
        listed = [row["file"] for row in _rows(tmp_path / "out")]
        assert sorted(listed) == [path for path in _names(tmp_path / "out") if path.endswith(".wav")]
        assert all(file.startswith(name) for file in listed)
    (tmp_path / "out" / "slices.jsonl").read_text(encoding="utf-8")
    assert {Path(event.item).name for event in heard.of(Skipped)} == {"loop.wav"}
    with pytest.raises(AudioError, match="loop"):
        sliced([folder / "loop.wav"], tmp_path / "out", QUICK)
