"""Kaldi's filter banks: a known tone, silence, and recordings too short for one frame."""

import math

import pytest
import torch

from sovits_cli.audio.fbank import fbank


def test_a_tone():
    wave = 0.5 * torch.sin(2 * torch.pi * 440 * torch.arange(16_000) / 16_000)
    banks = fbank(wave)
    assert banks.shape == (98, 80)
    wanted = torch.tensor([-11.5712, -10.9645, -11.5497, -12.6067, -10.4288, -9.1064])
    assert torch.allclose(banks[0, :6], wanted, atol=1e-3)
    assert int(banks.mean(0).argmax()) == 14  # the fifteenth, of 440 Hz


def test_silence_is_the_floor():
    assert torch.allclose(fbank(torch.zeros(400)), torch.tensor(math.log(1.1920929e-07)))


def test_less_than_a_frame():
    with pytest.raises(ValueError, match="399 samples"):
        fbank(torch.zeros(399))
