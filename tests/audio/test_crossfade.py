import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sovits_cli.audio import crossfade
from sovits_cli.audio.crossfade import ClipJoiner, overlap_add
from tests.differences import every_case

RATE = 16_000


def _joined(parts, rate=RATE):
    joiner = ClipJoiner(rate)
    blocks = [block for part in parts for block in (joiner.pause(part) if np.isscalar(part) else joiner.clip(part))]
    return np.concatenate([*blocks, np.zeros(0, np.float32)]), joiner


def test_clips_and_pauses_in_order():
    ones = np.ones(RATE, np.float32)
    wave, joiner = _joined([ones, 0.5, ones * 0.5, 0.0, ones])
    assert (wave.dtype, len(wave)) == (np.float32, joiner.samples)
    assert joiner.position_s == pytest.approx(3.5)
    np.testing.assert_array_equal(wave[80 : RATE - 80], 1.0)
    np.testing.assert_array_equal(wave[RATE : RATE + RATE // 2], 0.0)
    np.testing.assert_array_equal(wave[RATE * 3 // 2 + 80 : RATE * 5 // 2 - 80], 0.5)


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 3000), min_size=1, max_size=5),
    pause_s=st.floats(0, 0.01),
    rate=st.sampled_from([8000, 32_000, 48_000]),
)
def test_no_clicks(lengths, pause_s, rate):
    """Full-scale constants are the worst case: nothing jumps by more than the steepest step of the fade."""
    parts = [part for length in lengths for part in (np.ones(length, np.float32), pause_s)]
    wave, _ = _joined(parts, rate)
    steps = np.abs(np.diff(wave, prepend=0.0, append=0.0))
    shortest = min([0.005 * rate, *(max(length // 2, 1) for length in lengths)])
    assert steps.max(initial=0) <= max(np.pi / 2 / shortest, 1e-6)


def test_loud_clip_is_scaled_as_a_whole_and_others_are_not():
    loud = np.linspace(-3, 3, RATE).astype(np.float32)
    kept = loud.copy()
    wave, _ = _joined([loud, np.full(RATE, 0.9, np.float32)])
    assert np.abs(wave).max() <= 1.0
    np.testing.assert_allclose(wave[200 : RATE - 200], loud[200:-200] / 3, rtol=1e-6)
    assert wave[RATE + 8000] == np.float32(0.9)
    np.testing.assert_array_equal(loud, kept)


def test_blocks_equal_the_whole(monkeypatch):
    clip = np.random.default_rng(0).uniform(-1, 1, 10_000).astype(np.float32)
    whole, _ = _joined([clip])
    monkeypatch.setattr(crossfade, "_BLOCK_SAMPLES", 37)
    parts, _ = _joined([clip, 0.01])
    np.testing.assert_array_equal(parts[:10_000], whole)


@every_case("length", [0, 1, 2, 3])
def test_tiny_clips(length):
    wave, _ = _joined([np.ones(length, np.float32)])
    assert len(wave) == length
    assert np.isfinite(wave).all()


def test_negative_pause_is_none():
    assert len(_joined([-1.0])[0]) == 0


OVERLAP = 200


def tone(samples, start=0):
    return np.sin(2 * np.pi * 0.0123 * (start + np.arange(samples))).astype(np.float32)


def test_pieces_of_one_sound_give_it_back():
    whole = tone(1000)
    pieces = [whole[:600], whole[600 - OVERLAP :]]
    assert np.abs(overlap_add(pieces, OVERLAP, search=0) - whole).max() < 1e-5


def test_a_piece_that_comes_late_is_moved():
    late = 17
    pieces = [tone(600), tone(700, 600 - OVERLAP - late)]
    got = overlap_add(pieces, OVERLAP, search=40)
    assert len(got) == 600 + 700 - OVERLAP - late
    assert np.abs(got - tone(len(got))).max() < 1e-4


def test_silence_joins_without_numbers_going_wrong():
    got = overlap_add([np.zeros(500, np.float32), np.zeros(500, np.float32)], OVERLAP)
    assert len(got) == 800
    assert not got.any()


def test_one_piece_is_left_alone():
    assert np.array_equal(overlap_add([tone(300)], OVERLAP), tone(300))
