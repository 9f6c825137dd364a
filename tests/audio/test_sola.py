"""Joining pieces where they agree: moved by the right amount, no louder, no shorter than it has to be."""

import numpy as np

from sovits_cli.audio.sola import joined

OVERLAP = 200


def tone(samples, start=0):
    return np.sin(2 * np.pi * 0.0123 * (start + np.arange(samples))).astype(np.float32)


def test_pieces_of_one_sound_give_it_back():
    whole = tone(1000)
    pieces = [whole[:600], whole[600 - OVERLAP :]]
    assert np.abs(joined(pieces, OVERLAP, search=0) - whole).max() < 1e-5


def test_a_piece_that_comes_late_is_moved():
    late = 17
    pieces = [tone(600), tone(700, 600 - OVERLAP - late)]
    got = joined(pieces, OVERLAP, search=40)
    assert len(got) == 600 + 700 - OVERLAP - late
    assert np.abs(got - tone(len(got))).max() < 1e-4


def test_silence_joins_without_numbers_going_wrong():
    got = joined([np.zeros(500, np.float32), np.zeros(500, np.float32)], OVERLAP)
    assert len(got) == 800
    assert not got.any()


def test_one_piece_is_left_alone():
    assert np.array_equal(joined([tone(300)], OVERLAP), tone(300))
