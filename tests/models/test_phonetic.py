"""The phonetic content encoder: frames, what its features are, and its mel filters."""

import pytest
import torch

from sovits_cli.models.dimensions import DimensionError
from sovits_cli.models.phonetic import PhoneticConfig, PhoneticEncoder, _mel_filters

TINY = PhoneticConfig(mels=10, width=12, layers=4, kernel=3, phones=("a", "b", "c"))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return PhoneticEncoder(TINY).eval().requires_grad_(False)


def test_fifty_frames_a_second(model):
    for samples in (400, 719, 720, 16_000):
        assert model.features(torch.randn(1, samples)).shape == (1, 3, (samples - 400) // 320 + 1)


def test_features_are_roots_of_probabilities(model):
    features = model.features(torch.randn(2, 4000))
    torch.testing.assert_close(features.square().sum(1), torch.ones(2, 12))


def test_loudness_changes_nothing_and_autocast_not_the_levels(model):
    wave = torch.randn(1, 4000)
    torch.testing.assert_close(model(wave * 0.1), model(wave), atol=1e-3, rtol=1e-3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        levels = model._log_mel(wave)
    assert levels.dtype is torch.float32
    torch.testing.assert_close(levels, model._log_mel(wave))


def test_activation_checkpointing_changes_no_gradient():
    torch.manual_seed(1)
    model, wave, found = PhoneticEncoder(TINY), torch.randn(1, 2000), []
    for again in (False, True):
        model.zero_grad()
        model.activation_checkpointing = again
        model(wave).square().sum().backward()
        found.append([parameter.grad.clone() for parameter in model.parameters()])
    torch.testing.assert_close(*found)


def test_each_mel_filter_is_a_triangle_higher_than_the_one_before():
    filters = _mel_filters(20)
    peaks = filters.argmax(0)
    assert (peaks[1:] > peaks[:-1]).all()
    assert (filters >= 0).all()
    middle = filters[:, 10]
    rising = middle[: peaks[10] + 1]
    assert (rising[1:] >= rising[:-1]).all()


def test_dimensions_as_plain_values_and_back():
    assert PhoneticConfig.from_dict(TINY.to_dict()) == TINY
    with pytest.raises(DimensionError, match="`kernel` must be odd"):
        PhoneticConfig(kernel=4, phones=("a",))
