"""Files out: whole or not at all, or in sight while they grow."""

import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from sovits_cli.audio import writer
from sovits_cli.audio.reader import probe_audio, read_audio
from sovits_cli.audio.writer import AudioWriter
from sovits_cli.errors import AudioError, ResourceError, UsageError
from tests.audio import signals
from tests.differences import every_case


def _names(folder):
    return sorted(child.name for child in folder.iterdir())


@every_case("suffix", writer.ENCODINGS, isolated=True)
@every_case("rate", [16_000, 22_050, 96_000], isolated=True)
def test_writer_round_trip(tmp_path, suffix, rate):
    path = tmp_path / f"new/a{suffix}"
    wave = signals.noise(1.0, rate, 2, level=0.1).astype(np.float32) / 32768
    with AudioWriter(path, rate=rate, channels=2) as out:
        for part in np.array_split(wave, 7):
            out.write(part)
        assert not path.exists()
    info = probe_audio(path)
    assert info.channels == 2
    assert info.duration_s == pytest.approx(1.0, abs=0.021)
    assert _names(path.parent) == [path.name]
    if suffix in {".wav", ".flac"}:
        np.testing.assert_array_equal(read_audio(path)[0], wave)


@every_case("suffix", writer.ENCODINGS, isolated=True)
@every_case("dtype", [np.int16, np.int32, np.float32, np.float64], isolated=True)
def test_writer_takes_every_number_format(tmp_path, suffix, dtype):
    rate = 48_000
    tone = np.stack([np.sin(np.arange(rate) * step) * 0.5 for step in (0.05, 0.02)], axis=1)
    tone[rate // 3 : rate * 2 // 3] = 0
    scale = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    with AudioWriter(tmp_path / f"a{suffix}", rate=rate, channels=2) as out:
        out.write((tone * scale).astype(dtype))
    wave, _ = read_audio(tmp_path / f"a{suffix}")
    assert len(wave) == (rate if suffix != ".opus" else rate * 1.02)
    assert np.abs(wave[:rate] - tone).max() < 0.2
    assert np.abs(wave[rate:]).max(initial=0) < 0.2


def test_writer_rounds_and_clips(tmp_path):
    step = 1 / 32768
    with AudioWriter(tmp_path / "a.wav", rate=8000, channels=1) as out:
        out.write(np.array([0.4 * step, 0.6 * step, -0.6 * step, 1.5, -1.5], np.float32))
    stored, _ = soundfile.read(tmp_path / "a.wav", dtype="int16")
    assert stored.tolist() == [0, 1, -1, 32767, -32768]


def test_writer_keeps_the_old_file_on_failure(tmp_path):
    path = signals.write(tmp_path / "a.wav", signals.noise(0.1))
    before = path.read_bytes()
    with pytest.raises(AudioError, match="NaN"), AudioWriter(path, rate=8000, channels=1) as out:
        out.write(np.array([0.0, np.nan], np.float32))
    assert path.read_bytes() == before
    assert _names(tmp_path) == ["a.wav"]


@every_case("name", ["a.m4a", "a"], isolated=True)
def test_writer_refuses_other_suffixes(tmp_path, name):
    with pytest.raises(UsageError, match="must end in one of"):
        AudioWriter(tmp_path / name, rate=8000, channels=1)


def test_writer_refuses_what_the_encoder_cannot(tmp_path):
    with pytest.raises(AudioError, match="cannot write"), AudioWriter(tmp_path / "a.flac", rate=8000, channels=9):
        pass
    assert _names(tmp_path) == []


def test_wav_of_more_than_4_gib(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "_MAX_WAV_BYTES", 1000)
    with (
        pytest.raises(UsageError, match="4 GiB") as caught,
        AudioWriter(tmp_path / "a.wav", rate=8000, channels=1) as out,
    ):
        out.write(np.zeros(1000, np.int16))
    assert "flac" in caught.value.hint
    assert _names(tmp_path) == []


_FULL_DISK = """
import sys, numpy as np
from pathlib import Path
from sovits_cli.audio.writer import AudioWriter
from sovits_cli.errors import ResourceError
wave = np.random.default_rng(0).uniform(-0.5, 0.5, 400_000).astype(np.float32)
try:
    with AudioWriter(Path(sys.argv[1]), rate=48_000, channels=1) as out:
        out.write(wave)
except ResourceError as error:
    print(error.message)
"""


def _small_files_only():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


@every_case("suffix", [".wav", ".mp3"], isolated=True)
def test_full_disk_for_real(tmp_path, suffix):
    command = [sys.executable, "-B", "-c", _FULL_DISK, str(tmp_path / f"a{suffix}")]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=_small_files_only, check=False)
    assert "the disk took no more data" in done.stdout, done.stderr
    assert _names(tmp_path) == []


@every_case(("suffix", "lose"), [(".flac", signals.flac_of_unknown_length), (".ogg", signals.cut_short)], isolated=True)
def test_pages_lost_on_closing_are_noticed(tmp_path, monkeypatch, suffix, lose):
    """What the encoders do on a full disk: closing succeeds, the last pages are missing."""
    path = tmp_path / f"a{suffix}"
    close = soundfile.SoundFile.close

    def close_and_lose(self):
        close(self)
        if os.fsdecode(self.name).startswith(str(tmp_path)):  # those of other tests are collected whenever
            for partial in tmp_path.glob(".*.partial*"):
                lose(partial)

    monkeypatch.setattr(soundfile.SoundFile, "close", close_and_lose)
    with pytest.raises(ResourceError, match="took no more"), AudioWriter(path, rate=8000, channels=1) as out:
        out.write(signals.noise(5.0, 8000))
    assert _names(tmp_path) == []


@every_case("suffix", [".wav", ".flac", ".mp3", ".ogg", ".opus"], isolated=True)
def test_what_grows_can_be_played_before_it_is_whole(tmp_path, suffix):
    """As it lies there when its writer is killed."""
    path, wave = tmp_path / f"out{suffix}", 0.3 * np.sin(np.arange(16_000) / 20).astype(np.float32)
    with AudioWriter(path, rate=16_000, channels=1, grows=True) as out:
        for _ in range(20):
            out.write(wave)
            out.update_header()
        assert not path.exists()
        played = soundfile.read(tmp_path / f"out.partial{suffix}")[0]
        assert len(played) > 18.5 * 16_000
        assert np.abs(played[:16_000] - wave).max() < (1e-3 if suffix in {".wav", ".flac"} else 1)
        if suffix == ".wav":
            assert len(played) == 20 * 16_000
    assert [found.name for found in tmp_path.iterdir()] == [f"out{suffix}"]
    assert soundfile.info(path).duration == pytest.approx(20, abs=0.2)


def test_what_grows_replaces_what_an_earlier_run_left_and_follows_no_link(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "out.partial.wav").symlink_to("mine.txt")
    with AudioWriter(tmp_path / "out.wav", rate=16_000, channels=1, grows=True) as out:
        out.write(np.zeros(100, np.float32))
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert soundfile.info(tmp_path / "out.wav").frames == 100
