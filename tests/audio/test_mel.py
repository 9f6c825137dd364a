import math

import numpy as np
import pytest
import torch

from sovits_cli.audio.mel import (
    kaldi_fbank,
    log_mel,
    log_mel_from_magnitude,
    magnitude_spectrogram,
    mel_basis,
    scale_log_mel,
)
from sovits_cli.errors import AudioError
from sovits_cli.terms import MelSpec, SpectrogramSpec
from tests.differences import every_case

SPEC = SpectrogramSpec(sample_rate=16_000, n_fft=1024, hop=320)
MEL = MelSpec(sample_rate=16_000, n_fft=1024, hop=320, mels=80)


def tone(hz, samples=16_000, rate=16_000):
    return torch.sin(2 * torch.pi * hz * torch.arange(samples) / rate)[None]


@every_case("samples", [353, 640, 959, 960, 16_000, 20_011])
def test_a_frame_for_every_whole_hop(samples):
    assert magnitude_spectrogram(torch.randn(2, samples), SPEC).shape == (2, 513, samples // 320)
    assert log_mel(torch.randn(2, samples), MEL).shape == (2, 80, samples // 320)


@every_case("samples", [0, 1, 352])
def test_too_short(samples):
    with pytest.raises(AudioError, match="too short"):
        magnitude_spectrogram(torch.zeros(1, samples), SPEC)


def test_a_tone_peaks_at_its_bin():
    spectrogram = magnitude_spectrogram(tone(2000), SPEC)
    assert (spectrogram[0, :, 2:-2].argmax(0) == 2000 / 16_000 * 1024).all()
    # a full tone seen through a Hann window: n_fft / 4
    assert spectrogram[0, 128, 10] == pytest.approx(256, rel=1e-3)


def test_reference_value():
    wave = 0.5 * tone(440, 32_000, 32_000)
    spectrogram = magnitude_spectrogram(wave, SpectrogramSpec(sample_rate=32_000, n_fft=2048, hop=640))
    assert spectrogram.shape == (1, 1025, 50)
    assert float(spectrogram[0, 28, 10]) == pytest.approx(251.8013, abs=1e-3)
    assert float(spectrogram.sum()) == pytest.approx(28265.63, rel=1e-5)


def test_silence_is_the_floor_and_has_a_gradient():
    wave = torch.zeros(1, 3200, requires_grad=True)
    mel = log_mel(wave, MEL)
    assert torch.allclose(mel, torch.tensor(1e-5).log())
    magnitude_spectrogram(wave, SPEC).sum().backward()
    assert wave.grad.isfinite().all()


def test_filters_have_unit_area_and_rising_centres():
    basis = mel_basis(MEL)
    assert basis.shape == (80, 513)
    assert basis.dtype == np.float32
    wide = basis[40:].sum(1) * 16_000 / 1024  # narrow ones fall between the bins
    np.testing.assert_allclose(wide, 1.0, atol=0.02)
    assert (np.diff(basis.argmax(1)) >= 0).all()


def test_from_magnitude_is_from_wave():
    wave = torch.randn(1, 8000)
    assert torch.equal(log_mel(wave, MEL), log_mel_from_magnitude(magnitude_spectrogram(wave, MEL), MEL))


def test_first_used_for_inference_it_still_trains():
    mel = MelSpec(sample_rate=16_000, n_fft=512, hop=160, mels=40)
    with torch.inference_mode():
        log_mel(torch.randn(1, 4000), mel)
    wave = torch.randn(1, 4000, requires_grad=True)
    log_mel(wave, mel).sum().backward()
    assert wave.grad.abs().sum() > 0


def test_float32_under_autocast_and_from_half():
    wave = torch.randn(1, 8000)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(log_mel(wave, MEL), log_mel(wave.double(), MEL))
    assert log_mel(wave.half(), MEL).dtype == torch.float32


def test_scale():
    assert scale_log_mel(torch.tensor([-12.0, -5.0, 2.0])).tolist() == [-1.0, 0.0, 1.0]


def test_a_tone():
    wave = 0.5 * torch.sin(2 * torch.pi * 440 * torch.arange(16_000) / 16_000)
    banks = kaldi_fbank(wave)
    assert banks.shape == (98, 80)
    wanted = torch.tensor([-11.5712, -10.9645, -11.5497, -12.6067, -10.4288, -9.1064])
    assert torch.allclose(banks[0, :6], wanted, atol=1e-3)
    assert int(banks.mean(0).argmax()) == 14  # the fifteenth, of 440 Hz


def test_silence_is_the_floor():
    assert torch.allclose(kaldi_fbank(torch.zeros(400)), torch.tensor(math.log(1.1920929e-07)))


def test_less_than_a_frame():
    with pytest.raises(ValueError, match="399 samples"):
        kaldi_fbank(torch.zeros(399))
