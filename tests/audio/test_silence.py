"""RMS levels of a stream, and the quietest of the latest."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sovits_cli.audio import silence
from sovits_cli.audio.silence import RmsHistory, RmsMeter


@pytest.fixture(params=[1000, 1 << 17], ids=["small-chunks", "real-chunks"])
def chunks(request, monkeypatch):
    """Levels are computed chunk by chunk: what comes out must not depend on that either."""
    monkeypatch.setattr(silence, "_CHUNK_SAMPLES", request.param)


_FIXED = [HealthCheck.function_scoped_fixture]  # the chunks stay the same for all examples


@pytest.mark.usefixtures("chunks")
@settings(max_examples=30, deadline=None, suppress_health_check=_FIXED)
@given(
    length=st.integers(1, 200_000),
    cuts=st.lists(st.integers(0, 200_000), max_size=5),
    shape=st.sampled_from([(10, 40), (10, 13), (40_000, 40_000), (1, 1)]),
)
def test_levels_do_not_depend_on_the_blocks(length, cuts, shape):
    wave = np.random.default_rng(length).uniform(-1, 1, length).astype(np.float32)
    whole, parts = RmsMeter(*shape), RmsMeter(*shape)
    expected = [*whole.feed(wave), *whole.flush()]
    got = [some for part in np.split(wave, sorted(cuts)) for some in parts.feed(part)] + list(parts.flush())
    np.testing.assert_array_equal(np.concatenate([*got, []]), np.concatenate([*expected, []]))


def history(*levels):
    made = RmsHistory()
    made.append(np.array(levels))
    return made


def test_the_curve_is_the_definition():
    wave = np.random.default_rng(0).uniform(-1, 1, 1000)
    meter = RmsMeter(30, 120)
    got = np.concatenate([*meter.feed(wave), *meter.flush()])
    padded = np.pad(wave, 60)
    windows = [padded[start : start + 120] for start in range(0, len(padded) - 119, 30)]
    np.testing.assert_allclose(got, [np.sqrt(np.mean(window**2)) for window in windows])


def test_the_quietest_frame_is_the_first_of_equals():
    assert history(3, 1, 2, 1, 5).quietest_frame(0, 4) == 1
    assert history(3, 1, 2, 1, 5).quietest_frame(2, 4) == 3


def test_the_quietest_pause_goes_before_a_deeper_instant():
    assert history(9, 9, 0, 9, 9, 1, 2, 2, 9).quietest_pause(0, 8, 3) == 5
    assert history(2, 1).quietest_pause(0, 1, 3) == 1


def test_what_is_forgotten_does_not_move_the_rest():
    made = history(5, 4, 3, 2, 1)
    made.forget(3)
    made.append(np.array([0.5]))
    assert made.end == 6
    assert made.quietest_frame(3, 5) == 5
    made.forget(100)
    assert made.end == 6
