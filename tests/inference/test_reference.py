import tracemalloc

import numpy as np
import pytest
import soundfile

from sovits_cli.audio import reader
from sovits_cli.errors import AudioError
from sovits_cli.inference import reference
from sovits_cli.inference.reference import read_recording, recording_of
from sovits_cli.terms import Span
from tests.differences import every_case
from tests.inference.toys import voice_recording

RATE = 16_000


def write(path, wave, rate=RATE):
    soundfile.write(path, wave, rate, subtype="FLOAT" if path.suffix == ".wav" else None)
    return path


def voice(seconds, seed=0, level=0.2):
    return level * np.random.default_rng(seed).standard_normal(round(seconds * RATE))


def silence(seconds):
    return np.zeros(round(seconds * RATE))


@every_case("seconds", [3.0, 10.0])
def test_what_fits_is_taken_whole(tmp_path, seconds):
    found = read_recording(voice_recording(tmp_path / "r.wav", seconds))
    whole = Span(0, round(seconds * RATE))
    assert (found.window, found.style_spans, found.rate) == (whole, (whole,), RATE)
    assert found.is_whole
    assert found.description == f"{seconds:.1f} s"


@every_case("seconds", [10.1, 31.0, 120.0])
def test_of_a_longer_one_a_window_is_chosen_and_all_of_it_heard(tmp_path, seconds):
    found = read_recording(voice_recording(tmp_path / "r.wav", seconds))
    assert 3.0 <= found.window.samples / RATE <= 10.0
    assert not found.is_whole
    assert found.window in found.style_spans
    assert found.style_spans == tuple(sorted(found.style_spans))
    assert len(found.style_spans) <= 1 + reference.MAX_STYLE_STRETCHES
    assert min(span.start for span in found.style_spans) == 0
    assert max(span.end for span in found.style_spans) == round(seconds * RATE)
    assert all(0 < span.samples <= 10 * RATE for span in found.style_spans)


def test_the_window_is_speech_between_pauses_and_not_clipped(tmp_path):
    clipped = np.clip(voice(20, level=5.0), -1, 1)
    good = np.concatenate([silence(1), voice(3), silence(0.3), voice(4), silence(1)])
    path = write(tmp_path / "r.wav", np.concatenate([clipped, silence(10), good, silence(15)]))
    found = read_recording(path)
    assert 30.0 <= found.window.start / RATE <= 31.2
    assert 38.0 <= found.window.end / RATE <= 40.0


def test_stretches_without_speech_are_not_heard(tmp_path):
    path = write(tmp_path / "r.wav", np.concatenate([voice(20), silence(40), voice(20)]))
    starts_s = [span.start / RATE for span in read_recording(path).style_spans]
    assert not [start for start in starts_s if 21 < start < 49]
    assert max(starts_s) > 55


def test_other_formats_and_rates(tmp_path):
    for suffix, rate in (("flac", 8000), ("mp3", 44_100), ("ogg", 8000)):
        path = tmp_path / f"r.{suffix}"
        write(path, np.tile(voice_wave(4.0, rate)[:, None], (1, 2)), rate)
        found = read_recording(path)
        assert found.rate == rate
        assert found.seconds == pytest.approx(4.0, abs=0.15)


@every_case(("seconds", "openings"), [(4.0, 1), (31.0, 1), (reference.KEPT_S + 1, 2)])
def test_a_file_is_opened_once_and_a_long_one_twice(tmp_path, monkeypatch, seconds, openings):
    path = voice_recording(tmp_path / "r.wav", seconds)
    opened = []
    whole = reader._open
    monkeypatch.setattr(reader, "_open", lambda path: opened.append(path) or whole(path))
    found = read_recording(path)
    assert len(opened) == openings
    samples, _ = soundfile.read(path, dtype="float32")
    for span, wave in found.waves.items():
        assert np.array_equal(wave, samples[span.start : span.end])
    assert tuple(found.waves) == found.style_spans


def test_samples_in_memory_are_a_recording_too(tmp_path):
    path = voice_recording(tmp_path / "r.wav", 31.0)
    samples, rate = soundfile.read(path, dtype="int16")
    found, same = read_recording(path), recording_of(np.stack([samples, samples], axis=1), rate)
    assert (found.window, found.style_spans, found.seconds) == (same.window, same.style_spans, same.seconds)
    assert all(np.array_equal(wave, same.waves[span]) for span, wave in found.waves.items())
    for bad, said in (
        (np.zeros((2, 2, 2)), "expected \\(T,\\) or \\(T, channels\\)"),
        (np.full(80_000, np.nan), "NaN"),
        (np.array(["a"]), "of numbers"),
        (samples[:8000], "0.5 s long"),
    ):
        with pytest.raises(AudioError, match=f"the recording .*{said}"):
            recording_of(bad, rate)


def voice_wave(seconds, rate):
    return 0.2 * np.random.default_rng(0).standard_normal(round(seconds * rate))


@every_case(
    ("wave", "said"),
    [
        (voice(2.9), "r.wav is 2.9 s long: a reference needs 3 to 10 s of one voice"),
        (silence(5), "r.wav is silent"),
        (voice(5, level=1e-6), "r.wav is silent"),
        (np.sign(voice(5)), "r.wav is clipped throughout"),
        (np.sign(voice(15)), "r.wav is clipped throughout"),
        (np.where(np.arange(80_000) == 77, np.nan, voice(5)), r"NaN or infinite"),
        (silence(0), "holds no samples"),
    ],
)
def test_what_cannot_be_used(tmp_path, wave, said):
    with pytest.raises(AudioError, match=said):
        read_recording(write(tmp_path / "r.wav", wave))


def test_too_short_says_what_to_do(tmp_path):
    with pytest.raises(AudioError) as error:
        read_recording(write(tmp_path / "r.wav", voice(1)))
    assert "longer" in str(error.value.hint)


def test_what_is_no_recording(tmp_path):
    (tmp_path / "r.wav").write_text("no audio")
    with pytest.raises(AudioError, match=r"cannot read .*r\.wav as audio"):
        read_recording(tmp_path / "r.wav")
    with pytest.raises(AudioError, match=r"gone.wav does not exist"):
        read_recording(tmp_path / "gone.wav")


def test_a_long_one_takes_no_more_memory(tmp_path):
    peaks = []
    for minutes in (2, 12):
        path = tmp_path / f"{minutes}.wav"
        with soundfile.SoundFile(path, "w", 8000, 1, "PCM_16") as file:
            for seed in range(minutes):
                file.write(0.2 * np.random.default_rng(seed).standard_normal(60 * 8000))
        tracemalloc.start()
        read_recording(path)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.5 + 2e6
