import importlib
import math
import sys
import types

import numpy as np
import pytest
import torch

from sovits_cli.audio.resampling import Resampler, sinc_resample, soxr_resample, torchaudio_resample
from tests.differences import every_case

RATES = [(44_100, 32_000), (32_000, 16_000), (16_000, 48_000), (192_000, 32_000), (32_000, 32_000)]


def _naive_sinc(wave, from_hz, to_hz):
    """The definition, sample by sample in float64: output k is the input around time k / to_hz, windowed."""
    common = math.gcd(from_hz, to_hz)
    orig, new = from_hz // common, to_hz // common
    base = min(orig, new) * 0.99
    result = np.zeros(math.ceil(new * len(wave) / orig))
    for k in range(len(result)):
        t = np.clip((np.arange(len(wave)) / orig - k / new) * base, -6, 6)
        result[k] = np.sum(wave * np.sinc(t) * np.cos(np.pi * t / 12) ** 2) * base / orig
    return result


@every_case(("from_hz", "to_hz"), RATES[:4])
def test_sinc_is_its_definition(from_hz, to_hz):
    wave = np.random.default_rng(0).uniform(-1, 1, 701)
    got = sinc_resample(torch.tensor(wave, dtype=torch.float32), from_hz, to_hz)
    np.testing.assert_allclose(got.numpy(), _naive_sinc(wave, from_hz, to_hz), atol=2e-5)


def test_sinc_keeps_leading_shape_and_dtype():
    wave = torch.randn(2, 3, 1000, dtype=torch.float64)
    got = sinc_resample(wave, 32_000, 24_000)
    assert (got.shape, got.dtype) == ((2, 3, 750), torch.float64)
    torch.testing.assert_close(got[1, 2], sinc_resample(wave[1, 2], 32_000, 24_000))
    assert sinc_resample(wave, 8000, 8000) is wave


@pytest.fixture
def torchaudio(monkeypatch):
    """Put a module, an error or nothing in the place of torchaudio."""

    def put(transforms):
        torchaudio_resample.cache_clear()
        package = types.ModuleType("torchaudio")
        package.__path__ = []
        monkeypatch.setitem(sys.modules, "torchaudio", package)
        monkeypatch.setitem(sys.modules, "torchaudio.transforms", transforms)

    yield put
    torchaudio_resample.cache_clear()


def test_torchaudio_is_used_where_it_loads(torchaudio):
    class Resample(torch.nn.Module):
        def __init__(self, from_hz, to_hz):
            super().__init__()
            self.ratio = from_hz / to_hz

        def forward(self, wave):
            return wave + self.ratio

    transforms = types.ModuleType("torchaudio.transforms")
    transforms.Resample = Resample
    torchaudio(transforms)
    assert sinc_resample(torch.zeros(3), 32_000, 16_000).tolist() == [2, 2, 2]


def test_without_torchaudio_the_numbers_are_the_same(torchaudio):
    """Numbers of `torchaudio.transforms.Resample(44100, 32000)`; its `functional.resample` is 1e-5 off them."""
    torchaudio(None)  # importing it raises ImportError
    assert torchaudio_resample() is None
    chirp = torch.cos(torch.arange(400) ** 2 / 50.0)
    expected = torch.tensor([-0.9126344, 0.0824704, 0.8724935, -0.785824, -0.3788488, 0.9881873])
    torch.testing.assert_close(sinc_resample(chirp, 44_100, 32_000)[200:206], expected, atol=3e-7, rtol=0)


def test_a_torchaudio_that_does_not_load_is_no_error(torchaudio, monkeypatch, tmp_path):
    """As on Linux without CUDA: the package is there, and its library is not."""
    for name in ("torchaudio", "torchaudio.transforms"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    package = tmp_path / "torchaudio"
    package.mkdir()
    (package / "__init__.py").write_text("raise OSError('libcudart.so.13: cannot open shared object file')\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    torchaudio_resample.cache_clear()
    assert torchaudio_resample() is None


@every_case(("from_hz", "to_hz"), RATES)
def test_stream_equals_whole(from_hz, to_hz):
    wave = np.random.default_rng(0).uniform(-1, 1, (20_001, 2)).astype(np.float32)
    stream = Resampler(from_hz, to_hz, 2)
    pieces = [stream.feed(part) for part in np.array_split(wave, [1, 2, 700, 9000])]
    np.testing.assert_allclose(
        np.concatenate([*pieces, stream.flush()]), soxr_resample(wave, from_hz, to_hz), atol=1e-6
    )


def test_tone_keeps_pitch_and_level():
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100).astype(np.float32)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 32_000)
    np.testing.assert_allclose(soxr_resample(tone, 44_100, 32_000)[500:-500], expected[500:-500], atol=1e-3)
    low = sinc_resample(torch.from_numpy(tone), 44_100, 32_000).numpy()
    np.testing.assert_allclose(low[500:-500], expected[500:-500], atol=5e-3)
