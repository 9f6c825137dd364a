import numpy as np
import pytest

from sovits_cli.inference.silence import loud_s, trimmed

RATE = 16_000


def wave(*parts):
    """Positive numbers are seconds of a tone, negative ones of silence."""
    return np.concatenate(
        [
            0.3 * np.sin(np.arange(round(part * RATE)) * 0.2) if part > 0 else np.zeros(round(-part * RATE))
            for part in parts
        ]
    ).astype(np.float32)


@pytest.mark.parametrize("level", [1.0, 1e-2])
def test_both_ends_are_cut_and_a_little_kept(level):
    cut = trimmed(level * wave(-0.5, 1.0, -0.4, 1.0, -0.7), RATE)
    assert len(cut) / RATE == pytest.approx(2.4 + 0.06, abs=0.011)
    assert np.abs(cut[: round(0.015 * RATE)]).max() == 0


def test_what_has_no_silence_stays_whole():
    whole = wave(1.0)
    assert np.array_equal(trimmed(whole, RATE), whole)


@pytest.mark.parametrize(
    "silent", [np.zeros(8000, np.float32), np.full(8000, 1e-5, np.float32), np.zeros(0, np.float32)]
)
def test_silence_leaves_nothing(silent):
    assert len(trimmed(silent, RATE)) == 0
    assert loud_s(silent, RATE) == 0


def test_a_faint_hum_is_no_speech():
    hum = wave(-0.5, 1.0, -0.5) + 1e-3 * wave(2.0)
    assert len(trimmed(hum, RATE)) / RATE == pytest.approx(1.06, abs=0.011)


def test_seconds_heard():
    assert loud_s(wave(-0.5, 1.0, -0.4, 0.5), RATE) == pytest.approx(1.5, abs=0.03)
