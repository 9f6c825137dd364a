"""Spectrograms and log-mels against the recorded ones."""

import re

import numpy as np
import pytest
import torch

from sovits_cli.audio.mel import log_mel, log_mel_from_magnitude, magnitude_spectrogram, mel_basis, scale_log_mel
from sovits_cli.terms import MelSpec, SpectrogramSpec
from tests.parity import golden

TOLERANCE = 1e-4
SPEC_32K = SpectrogramSpec(sample_rate=32_000, n_fft=2048, hop=640)
MEL_32K = MelSpec(sample_rate=32_000, n_fft=2048, hop=640, mels=128)
MELS = {
    "mel128_from_wave_32k": ("wave_32000", MEL_32K),
    "mel100_v3_24k": ("wave_24000", MelSpec(sample_rate=24_000, n_fft=1024, hop=256, mels=100)),
    "mel100_v4_32k": ("wave_32000", MelSpec(sample_rate=32_000, n_fft=1280, hop=320, mels=100)),
}


@pytest.fixture(params=golden.files("mel"))
def recorded(request):
    return golden.load(request.param)


@pytest.fixture
def close(measured):
    def hold(got, wanted, name):
        assert got.shape == wanted.shape
        measured(np.abs(got - wanted).max(), TOLERANCE, name)

    return hold


def row(wave):
    return torch.from_numpy(wave)[None]


def test_magnitude(recorded, close):
    name = "spec_32k_2048_640_2048"
    close(magnitude_spectrogram(row(recorded["wave_32000"]), SPEC_32K)[0].numpy(), recorded[name], name)


def test_magnitude_of_an_odd_length(recorded, close):
    name = "spec_32k_odd_20011_gain13"
    wave = row(recorded["wave_32000"][:20_011] * np.float32(1.3))
    close(magnitude_spectrogram(wave, SPEC_32K)[0].numpy(), recorded[name], name)


def test_mel_from_magnitude(recorded, close):
    name = "mel128_from_spec_32k"
    spectrogram = row(recorded["spec_32k_2048_640_2048"])
    close(log_mel_from_magnitude(spectrogram, MEL_32K)[0].numpy(), recorded[name], name)


def test_mel_from_wave(recorded, close):
    for name, (wave, spec) in MELS.items():
        mel = log_mel(row(recorded[wave]), spec)[0]
        close(mel.numpy(), recorded[name], name)
        normalised = f"{name}_normalised"
        if normalised in recorded:
            close(scale_log_mel(mel).numpy(), recorded[normalised], normalised)


def test_mel_of_silence(recorded, close):
    name = "mel100_v3_24k_silence"
    wanted = recorded[name]
    mel = log_mel(torch.zeros(1, 24_000), MELS["mel100_v3_24k"][1])[0, :, : wanted.shape[1]]
    close(mel.numpy(), wanted, name)


def test_filter_banks(recorded, close):
    found = [re.fullmatch(r"mel_basis_rowsum_(\d+)k_(\d+)_(\d+)", name) for name in recorded]
    banks = [tuple(map(int, match.groups())) for match in found if match]
    assert banks
    for rate_khz, n_fft, mels in banks:
        basis = mel_basis(MelSpec(sample_rate=rate_khz * 1000, n_fft=n_fft, hop=n_fft // 4, mels=mels))
        name = f"mel_basis_rowsum_{rate_khz}k_{n_fft}_{mels}"
        close(basis.sum(1), recorded[name], name)
        np.testing.assert_array_equal(basis.argmax(1), recorded[f"mel_basis_argmax_{rate_khz}k_{n_fft}_{mels}"])
