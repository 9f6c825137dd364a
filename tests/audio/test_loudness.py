import numpy as np
import pytest

from sovits_cli.audio.loudness import LevelMeter, LoudnessMix
from sovits_cli.errors import UsageError
from tests.differences import every_case


def test_level_of_a_sine():
    meter = LevelMeter()
    wave = 0.5 * np.sin(2 * np.pi * 100 * np.arange(16_000) / 16_000).astype(np.float32)
    for part in np.array_split(wave, 5):
        meter.add(part[:, None])
    assert (meter.level.rms_dbfs, meter.level.peak_dbfs) == (-9.03, -6.02)


def test_level_of_digital_silence_is_none():
    meter = LevelMeter()
    meter.add(np.zeros((10, 2), np.float32))
    meter.add(np.zeros((0, 2), np.float32))
    assert (meter.level.rms_dbfs, meter.level.peak_dbfs) == (None, None)


@every_case("peak", [0.01, 0.5, 0.9, 1.0, 1.7])
def test_mix_is_the_official_formula(peak):
    wave = np.array([peak, -peak / 2, 0.0])
    inside = wave / max(1.0, peak)
    official = inside / np.abs(inside).max() * (0.9 * 0.25) + (1 - 0.25) * inside
    np.testing.assert_allclose(wave * LoudnessMix().gain(peak), official)


def test_mix_of_silence_is_silence():
    assert LoudnessMix().gain(0.0) == 1.0


@every_case("change", [{"max": 1.5}, {"alpha": -0.1}])
def test_mix_out_of_range(change):
    with pytest.raises(UsageError, match="expected 0 to 1"):
        LoudnessMix(**change)
