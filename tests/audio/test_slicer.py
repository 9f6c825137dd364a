import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sovits_cli.audio import silence
from sovits_cli.audio.slicer import MAX_JOINED_PAUSE_S, SilenceSlicer, SliceJoiner, SlicerParams
from sovits_cli.errors import UsageError
from sovits_cli.terms import Span
from tests.audio import signals
from tests.differences import every_case

RATE = 1000
SMALL = SlicerParams(min_length_ms=400, min_interval_ms=50, hop_ms=10, max_sil_kept_ms=80, max_s=2.0)


@pytest.fixture(params=[1000, 1 << 17], ids=["small-chunks", "real-chunks"])
def chunks(request, monkeypatch):
    """Levels are computed chunk by chunk: what comes out must not depend on that either."""
    monkeypatch.setattr(silence, "_CHUNK_SAMPLES", request.param)


_FIXED = [HealthCheck.function_scoped_fixture]  # the chunks stay the same for all examples


def _slice(wave, params, rate=RATE, block=None):
    slicer = SilenceSlicer(params, rate)
    spans = []
    for start in range(0, len(wave), block or len(wave)):
        spans += slicer.feed(wave[start : start + (block or len(wave))])
    return spans + slicer.flush()


def _speech(pattern, rate=RATE):
    return signals.speech(pattern, rate)[:, 0] / np.float32(32768)


class _Whole:
    """The definition, on the whole signal at once: the official cut search, then long clips cut again."""

    def __init__(self, wave, params, rate):
        self.hop = round(rate * params.hop_ms / 1000)
        window = min(round(rate * params.min_interval_ms / 1000), 4 * self.hop)
        padded = np.pad(np.asarray(wave, np.float64), window // 2)
        count = (len(padded) - window) // self.hop + 1
        self.r = np.array([np.sqrt(np.mean(padded[k * self.hop : k * self.hop + window] ** 2)) for k in range(count)])
        self.samples, self.rate, self.params = len(wave), rate, params
        self.min_length = round(round(rate * params.min_length_ms / 1000) / self.hop)
        self.min_interval = round(rate * params.min_interval_ms / 1000 / self.hop)
        self.kept = round(round(rate * params.max_sil_kept_ms / 1000) / self.hop)

    def least(self, first, last):
        return first + int(np.argmin(self.r[first : last + 1]))

    def tags(self):
        threshold = 10 ** (self.params.threshold_db / 20)
        silence, clip, tags, m = None, 0, [], self.kept
        for i, level in enumerate(self.r):
            if level < threshold:
                silence = i if silence is None else silence
                continue
            if silence is None:
                continue
            s, silence = silence, None
            leading = s == 0 and i > m
            if not leading and not (i - s >= self.min_interval and i - clip >= self.min_length):
                continue
            if i - s <= m:
                left = right = self.least(s, i)
            else:
                left, right = self.least(s, s + m), self.least(i - m, i)
                if i - s <= 2 * m and s > 0:
                    both = self.least(i - m, s + m)
                    left, right = min(left, both), max(right, both)
            tags.append((0 if s == 0 else left, right))
            clip = right
        frames = len(self.r)
        if silence is not None and frames - silence >= self.min_interval:
            tags.append((self.least(silence, min(frames, silence + m)), frames + 1))
        return tags

    def clips(self):
        frames, begin, clips = len(self.r), 0, []
        for left, right in self.tags():
            clips += [(begin, left)] if left > begin else []
            begin = right
        return clips + ([(begin, frames)] if begin < frames else [])

    def spans(self):
        spans = []
        for begin, end in self.clips():
            for cut in self.forced(begin, end):
                spans.append((begin * self.hop, cut * self.hop))
                begin = cut
            spans.append((begin * self.hop, min(end * self.hop, self.samples)))
        return [Span(start, end) for start, end in spans if end > start]

    def forced(self, begin, end):
        if self.params.max_s is None:
            return
        limit = int(self.params.max_s * self.rate)
        most = limit // self.hop
        search = max(1, most // 4, min(most // 2, round(self.rate * 5 / self.hop)))
        crumb = max(1, min(self.min_length, search))
        lull = max(1, round(self.rate * 0.2 / self.hop))
        while min(end * self.hop, self.samples) - begin * self.hop > limit:
            first, last = begin + most - search, min(begin + most, end - crumb)
            if last - first + 1 > lull:
                power = [
                    np.convolve(self.r[k : k + lull] ** 2, np.ones(lull), "valid")[0]
                    for k in range(first, last + 2 - lull)
                ]
                first += max(k for k, value in enumerate(power) if value == min(power))
                last = first + lull - 1
            begin = self.least(first, last)
            yield begin


_PATTERN = st.lists(st.tuples(st.booleans(), st.integers(1, 180)), min_size=1, max_size=12)
_PARAMS = st.builds(
    SlicerParams,
    threshold_db=st.sampled_from([-34.0, -20.0]),
    min_length_ms=st.sampled_from([50, 300, 1000]),
    min_interval_ms=st.sampled_from([50, 35, 20]),
    hop_ms=st.sampled_from([10, 20, 7]),
    max_sil_kept_ms=st.sampled_from([20, 60, 250]),
    max_s=st.sampled_from([None, 0.3, 0.5, 1.0, 2.0]),
)


@pytest.mark.usefixtures("chunks")
@settings(max_examples=60, deadline=None, suppress_health_check=_FIXED)
@given(
    pattern=_PATTERN,
    params=_PARAMS,
    rate=st.sampled_from([1000, 1100, 441]),
    block=st.integers(1, 5000),
    hiss=st.sampled_from([0.0, 0.005]),
)
def test_stream_in_any_blocks_equals_the_definition(pattern, params, rate, block, hiss):
    """Also where silence is no digital silence, so that it is quieter in some places than in others."""
    wave = _speech([part / 50 * (1 if loud else -1) for loud, part in pattern], rate)
    wave = wave + np.random.default_rng(0).standard_normal(len(wave)).astype(np.float32) * np.float32(hiss)
    assert _slice(wave, params, rate, block) == _Whole(wave, params, rate).spans()


@settings(max_examples=30, deadline=None)
@given(pattern=_PATTERN, max_s=st.sampled_from([0.3, 0.61, 2.0]), min_length=st.sampled_from([60, 400]))
def test_limits_and_order(pattern, max_s, min_length):
    params = SlicerParams(min_length_ms=min_length, min_interval_ms=50, max_sil_kept_ms=80, max_s=max_s)
    wave = _speech([part / 50 * (1 if loud else -1) for loud, part in pattern])
    spans = _slice(wave, params)
    assert all(0 < span.samples <= max_s * RATE for span in spans)
    assert all(before.end <= after.start for before, after in pairwise(spans))
    assert not spans or spans[-1].end <= len(wave)
    # What is left out is silence: nothing loud lies outside.
    inside = np.zeros(len(wave), bool)
    for span in spans:
        inside[span.start : span.end] = True
    assert np.abs(wave[~inside]).max(initial=0) < 0.5


@every_case("rate", [8000, 11_025, 44_100, 192_000])
def test_same_places_at_every_rate(rate):
    wave = _speech([5, -2, 6, -0.4, 7, -0.1, 3], rate)
    spans = _slice(wave, SlicerParams(), rate)
    assert len(spans) == 3
    assert [span.start / rate for span in spans] == pytest.approx([0, 6.5, 13.2], abs=0.3)
    assert spans[-1].end == len(wave)


def test_a_silence_longer_than_what_is_kept_and_not_twice_as_long_is_cut_at_up_to_three_frames():
    """Quietest in its middle, where both sides may reach: there nothing is left out beyond what lies between."""
    silence = np.full(120, 0.01, np.float32)
    silence[55:65] = 0.001
    wave = np.concatenate([np.ones(600, np.float32), silence, np.ones(600, np.float32)])
    spans = _slice(wave, SMALL)
    assert spans == _Whole(wave, SMALL, RATE).spans()
    assert len(spans) == 2
    assert spans[0].end <= 680 <= spans[1].start + 80


def test_forced_cut_goes_into_the_quietest_place():
    wave = signals.noise(100, RATE)[:, 0] / np.float32(32768)
    wave[46_000:46_250] *= 0.05
    wave[51_000:51_030] *= 0.01  # deeper, but as short as the closure of a consonant
    first, *_ = _slice(wave, SlicerParams(max_s=54))
    assert 46_000 < first.end < 46_250


def test_forced_cut_leaves_no_crumb():
    wave = signals.noise(54.3, RATE)[:, 0] / np.float32(32768)
    spans = _slice(wave, SlicerParams(max_s=54))
    assert len(spans) == 2
    assert min(span.samples for span in spans) >= 4000
    assert sum(span.samples for span in spans) == len(wave)


def test_exactly_the_limit_is_one_slice():
    wave = signals.noise(54, RATE)[:, 0] / np.float32(32768)
    assert _slice(wave, SlicerParams(max_s=54)) == [Span(0, 54_000)]


@every_case("length", [1, 3, 400, 401])
def test_very_short_signals(length):
    assert _slice(np.full(length, 0.5, np.float32), SMALL) == [Span(0, length)]


def test_nothing_at_all():
    slicer = SilenceSlicer(SMALL, RATE)
    assert slicer.feed(np.zeros(0, np.float32)) == []
    assert slicer.flush() == []
    assert slicer.silent


@every_case(("pattern", "silent"), [([-3], True), ([-3, 0.1], False)])
def test_silent(pattern, silent):
    slicer = SilenceSlicer(SMALL, RATE)
    slicer.feed(_speech(pattern))
    slicer.flush()
    assert slicer.silent is silent


def test_finished_spans_come_before_the_end():
    slicer = SilenceSlicer(SMALL, RATE)
    assert slicer.feed(_speech([1, -140])) == [Span(0, 1020)]


@every_case("level", [0.0, 0.3])
@every_case("max_s", [None, 54.0])
def test_ten_hours_need_no_more_memory_than_ten_minutes(level, max_s):
    """Endless silence, and endless noise without a pause."""
    slicer = SilenceSlicer(SlicerParams(max_s=max_s, hop_ms=100), RATE)
    minute = np.full(60 * RATE, level, np.float32)
    peaks = []
    tracemalloc.start()
    for minutes in (10, 590):
        for _ in range(minutes):
            slicer.feed(minute)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.reset_peak()
    tracemalloc.stop()
    assert peaks[1] < peaks[0] + 20_000


@every_case(
    ("change", "message"),
    [
        ({"min_length_ms": 100}, r"min_length \(100 ms\) is less than min_interval \(300 ms\)"),
        ({"min_interval_ms": 5}, "min_interval .* is less than hop_size"),
        ({"max_sil_kept_ms": 5}, "max_sil_kept .* is less than hop_size"),
        ({"hop_ms": 0}, "more than 0"),
        ({"max_s": 0.02}, "max_sec"),
    ],
)
def test_parameters_that_contradict_each_other(change, message):
    with pytest.raises(UsageError, match=message):
        SlicerParams(**change)


def test_hop_below_one_sample():
    with pytest.raises(UsageError, match="less than one sample"):
        SilenceSlicer(SlicerParams(hop_ms=0.05), 8000)


JOIN_RATE = 100


def joined(spans, target_s=10.0, block=1):
    joiner = SliceJoiner(target_s, JOIN_RATE)
    found = []
    for start in range(0, len(spans), block):
        found += joiner.feed(spans[start : start + block])
    return found + joiner.flush()


def test_neighbours_are_joined_up_to_the_target():
    spans = [Span(0, 300), Span(300, 600), Span(650, 1000), Span(1000, 1400)]
    assert joined(spans) == [Span(0, 1000), Span(1000, 1400)]
    assert joined(spans, target_s=2.0) == spans


def test_over_a_long_pause_nothing_is_joined():
    assert joined([Span(0, 100), Span(200, 300)]) == [Span(0, 300)]
    assert joined([Span(0, 100), Span(201, 300)]) == [Span(0, 100), Span(201, 300)]
    assert MAX_JOINED_PAUSE_S == 1.0


@given(st.lists(st.tuples(st.integers(0, 150), st.integers(1, 1200)), max_size=30), st.integers(1, 7))
def test_every_sample_stays_in_one_span(pairs, block):
    """Whatever the blocks; spans over the target stay as they are."""
    spans, end = [], 0
    for pause, length in pairs:
        spans.append(Span(end + pause, end + pause + length))
        end = spans[-1].end
    found = joined(spans, block=block)
    assert found == joined(spans, block=30)
    assert [span for span in spans if not any(one.start <= span.start and span.end <= one.end for one in found)] == []
    assert all(one.end <= two.start for one, two in pairwise(found))
    assert all(one.samples <= 10 * JOIN_RATE or one in spans for one in found)
