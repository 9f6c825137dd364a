import pytest
import torch

from sovits_cli.models.discriminators import Discriminators
from sovits_cli.versions import GAN_PERIODS


@pytest.mark.parametrize("samples", [3200, 3201, 3209])
def test_any_length_is_judged(samples):
    verdicts = Discriminators(GAN_PERIODS, width=1 / 16)(torch.randn(2, 1, samples))
    assert len(verdicts) == 1 + len(GAN_PERIODS)
    for verdict in verdicts:
        assert verdict.score.shape[0] == 2
        assert torch.equal(verdict.features[-1].flatten(1), verdict.score)


def test_periods_and_width_are_free():
    judges = Discriminators((2, 3), width=1 / 4)
    assert len(judges(torch.randn(1, 1, 1000))) == 3
    assert judges.discriminators[0].convs[-1].out_channels == 256
    assert judges.discriminators[2].convs[-1].out_channels == 256


def test_a_period_sees_its_columns_apart():
    """Moving one column moves only the scores of that column."""
    torch.manual_seed(0)
    judge = Discriminators((5,), width=1 / 16).discriminators[1]
    wave = torch.randn(1, 1, 500)
    other = wave.clone()
    other[..., 2::5] += 1
    changed = (judge(wave).features[-1] != judge(other).features[-1]).any(dim=2).flatten()
    assert changed.tolist() == [False, False, True, False, False]


def test_official_size():
    keys = Discriminators(GAN_PERIODS).state_dict()
    assert len(keys) == 111
    assert keys["discriminators.0.convs.2.weight_v"].shape == (256, 4, 41)
    assert keys["discriminators.5.conv_post.weight_g"].shape == (1, 1, 1, 1)
