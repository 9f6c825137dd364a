"""The official loudness mix, clipped instead of wrapped."""

import numpy as np
import pytest
import soundfile

from sovits_cli.data.manifest import ManifestRow
from sovits_cli.errors import AudioError
from sovits_cli.prep.feature_steps import ContentStep
from sovits_cli.prep.recording_steps import mixed_samples, to_int16
from sovits_cli.prep.step_runner import Clip
from tests.data.recordings import tone
from tests.differences import every_case
from tests.prep.fakes import FakeModels


def clip(tmp_path, wave, rate=32_000):
    soundfile.write(tmp_path / "a.wav", wave, rate, subtype="FLOAT")
    return Clip(ManifestRow(tmp_path / "a.wav", "", "en", "Hello.", ""))


def official(wave):
    """Section 7 of the dossier: 15564.8 a / p + 16384 a."""
    wave = wave.astype(np.float64)
    return 15564.8 * wave / np.abs(wave).max() + 16384 * wave


@every_case("level", [0.01, 0.3, 1.0], isolated=True)
def test_the_official_mix(tmp_path, level):
    wave = tone(0.7, level=level)
    made = to_int16(mixed_samples(clip(tmp_path, wave)))
    assert np.abs(made - np.trunc(official(wave))).max() <= 1
    assert np.mean(made != np.trunc(official(wave))) < 0.01


def test_full_scale_peaks_at_31948(tmp_path):
    made = to_int16(mixed_samples(clip(tmp_path, np.array([0, 1.0, -1.0, 0.5], np.float32))))
    assert made.tolist() == [0, 31948, -31948, 15974]


def test_over_full_scale_is_clipped_not_wrapped(tmp_path):
    wave = tone(0.7)
    wave *= 1.5 / np.abs(wave).max()
    made = to_int16(mixed_samples(clip(tmp_path, wave)))
    assert made.max() == 32767
    assert made.min() == -32768
    assert np.abs(np.diff(made.astype(int))).max() < 10_000


@every_case(("peak", "reason"), [(0.0, "silent"), (5e-5, "silent"), (2.21, "2.2 times full scale")], isolated=True)
def test_refused_levels(tmp_path, peak, reason):
    wave = np.array([0, peak, -peak / 2] * 9000, np.float32)
    with pytest.raises(AudioError, match=reason):
        mixed_samples(clip(tmp_path, wave))
    assert np.isfinite(mixed_samples(clip(tmp_path, np.array([0, 2.19, 0.001] * 9000, np.float32)))).all()


def test_stereo_of_any_rate_becomes_mono_at_32_khz(tmp_path):
    left = tone(1.0, 44_100)
    made = mixed_samples(clip(tmp_path, np.stack([left, np.zeros_like(left)], axis=1), 44_100))
    assert made.shape == (32_000,)
    assert made.dtype == np.float32


@every_case("scale", [1.0, 1145.14], isolated=True)
def test_the_encoder_hears_the_mix_at_its_own_scale(tmp_path, scale):
    """Section 7: 543.9415 a / p + 572.57 a for HuBERT, before 32 kHz becomes 16 kHz."""
    item = clip(tmp_path, tone(0.7, hz=150))
    models, heard = FakeModels(), []
    models.content_scale = scale
    models.encode = lambda wave: heard.append(wave) or FakeModels.encode(models, wave)
    step = ContentStep(_Nowhere(tmp_path), models, None, None)
    step.finish(item, step.prepare(item))
    expected = official(tone(0.7, hz=150))[::2] / 32768 * scale
    assert heard[0].shape == (11_200,)
    assert np.abs(heard[0].numpy() - expected)[200:-200].max() < 0.05 * scale


class _Nowhere:
    def __init__(self, folder):
        self.folder = folder

    def content_path(self, name):
        return self.folder / f"{name}.pt"
