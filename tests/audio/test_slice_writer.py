"""What slices are made of: another rate, mono, another loudness."""

import errno

import numpy as np
import pytest
import soundfile

from sovits_cli.config.schema import SliceSettings
from sovits_cli.errors import ResourceError
from tests.audio import signals
from tests.audio.slices import QUICK, TALK, names_of, rows_of, sliced


def test_official_form(tmp_path):
    source = signals.write(tmp_path / "talk.mp3", signals.speech([5, -2, 5], 44_100, 2), 44_100)
    sliced([source], tmp_path / "out", SliceSettings(rate=32_000, mono=True, max=0.9, alpha=0.25))
    first, second = rows_of(tmp_path / "out")
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
    for row in rows_of(tmp_path / "out"):
        plain = wave[row["start"] : row["end"]] / 32768
        mixed, _ = soundfile.read(tmp_path / "out" / row["file"])
        np.testing.assert_allclose(mixed, plain / np.abs(plain).max() * 0.225 + 0.75 * plain, atol=1.1 / 32768)


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
    assert names_of(tmp_path) == ["a.wav"]
