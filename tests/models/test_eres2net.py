"""The speaker encoder: its width, its blocks and its fusions."""

import pytest
import torch

from sovits_cli.models.eres2net import CEILING, Fusion, Res2Block, SpeakerConfig, SpeakerEncoder

TINY = SpeakerConfig(mels=20, channels=4, base_width=32, blocks=(1, 1, 1, 1), classes=2)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return SpeakerEncoder(TINY).eval().requires_grad_(False)


def test_any_length_becomes_one_vector(model):
    assert TINY.width == 8 * 4 * 4 * 3
    assert SpeakerConfig().width == 20_480
    for frames in (8, 31):
        assert model(torch.randn(2, frames, 20)).shape == (2, TINY.width)


def test_a_vector_does_not_depend_on_the_rest_of_its_batch(model):
    banks = torch.randn(3, 24, 20)
    torch.testing.assert_close(model(banks)[1:2], model(banks[1:2]), atol=1e-5, rtol=1e-4)


def test_an_undecided_fusion_is_the_sum():
    fusion = Fusion(8).eval()
    with torch.no_grad():
        for parameter in fusion.local_att[-1].parameters():
            parameter.zero_()
    x, y = torch.randn(2, 1, 8, 3, 5)
    torch.testing.assert_close(fusion(x, y), x + y)


def test_later_groups_of_a_block_have_seen_more():
    """An impulse reaches one frame further with each group: it is convolved once more."""
    torch.manual_seed(0)
    block = Res2Block(4, 4, 2, stride=1, fused=False).eval().requires_grad_(False)
    seen = []
    block.conv3.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    x = torch.randn(1, 4, 5, 21)
    other = x.clone()
    other[..., 10] += 1
    for one in (x, other):
        block(one)
    changed = (seen[0] != seen[1]).any(2)[0]  # (channels, frames)
    reach = [int(changed[2 * group : 2 * group + 2].any(0).sum()) for group in range(4)]
    assert reach == sorted(reach)
    assert reach[0] <= 3 < reach[-1] <= 9
    assert block(x).max() <= CEILING
