"""The discriminators: lengths, sizes, and what a period sees."""

import pytest
import torch

from sovits_cli.models.discriminators import Discriminators
from sovits_cli.versions import GAN_PERIODS


@pytest.fixture(scope="module")
def discriminators():
    torch.manual_seed(0)
    return Discriminators(GAN_PERIODS, width=1 / 16).requires_grad_(False)


def test_any_length_is_scored(discriminators):
    for samples in (3200, 3201, 3209):
        outputs = discriminators(torch.randn(2, 1, samples))
        assert len(outputs) == 1 + len(GAN_PERIODS)
        for output in outputs:
            assert output.score.shape[0] == 2
            assert torch.equal(output.features[-1].flatten(1), output.score)
    discriminators = Discriminators((2, 3), width=1 / 4)
    assert len(discriminators(torch.randn(1, 1, 1000))) == 3
    assert discriminators.discriminators[0].convs[-1].out_channels == 256
    assert discriminators.discriminators[2].convs[-1].out_channels == 256


def test_a_period_sees_its_columns_apart(discriminators):
    """Moving one column moves only the scores of that column."""
    of_five = next(one for one in discriminators.discriminators if getattr(one, "period", None) == 5)
    wave = torch.randn(1, 1, 500)
    other = wave.clone()
    other[..., 2::5] += 1
    changed = (of_five(wave).features[-1] != of_five(other).features[-1]).any(dim=2).flatten()
    assert changed.tolist() == [False, False, True, False, False]


def test_official_size():
    with torch.device("meta"):
        keys = Discriminators(GAN_PERIODS).state_dict()
    assert len(keys) == 111
    assert keys["discriminators.0.convs.2.weight_v"].shape == (256, 4, 41)
    assert keys["discriminators.5.conv_post.weight_g"].shape == (1, 1, 1, 1)
