"""BigVGAN: its filter, its activation, and variants that are not built."""

import math

import pytest
import torch

from sovits_cli.errors import ModelError
from sovits_cli.models.vocoders import AntiAliased, Bigvgan, BigvganConfig, SnakeBeta, lowpass_filter, refuse_unbuilt
from tests.differences import every_case


def test_the_filter_is_the_published_one():
    """Its first half, as recorded from the official program; it is symmetric and of sum 1."""
    taps = lowpass_filter().flatten()
    half = torch.tensor([0.00202896, 0.00938947, -0.02554346, -0.05765738, 0.12857258, 0.44320980])
    assert torch.allclose(taps[:6], half, atol=1e-7)
    assert torch.equal(taps, taps.flip(0))
    assert float(taps.sum()) == pytest.approx(1.0)


def test_snake_adds_a_square_of_a_sine():
    snake = SnakeBeta(1)
    with torch.no_grad():
        snake.alpha.fill_(math.log(2))
        snake.beta.fill_(math.log(4))
    x = torch.linspace(-3, 3, 13)[None, None]
    torch.testing.assert_close(snake(x), x + (2 * x).sin().square() / 4)


def test_anti_aliasing_keeps_what_is_slow():
    layer = AntiAliased(1)
    slow = torch.full((1, 1, 50), 0.3)
    assert torch.allclose(layer(slow), layer.act(slow), atol=1e-3)


def test_anti_aliasing_removes_what_would_fold_back():
    """The square of a sine of 0.4 cycles a sample has one of 0.8, which would sound as 0.2."""
    layer = AntiAliased(1).requires_grad_(False)
    steps = torch.arange(400.0)
    tone = 0.5 * torch.sin(2 * math.pi * 0.4 * steps)[None, None]
    folded = torch.exp(-2j * math.pi * 0.2 * steps)
    plain, clean = ((one(tone)[0, 0] * folded)[50:-50].mean().abs() for one in (layer.act, layer))
    assert clean < 0.4 * plain, "the filter is short: a third is left"


@every_case(("key", "value"), [("resblock", "2"), ("snake_logscale", False), ("activation", "snake")])
def test_other_kinds_are_refused(key, value):
    with pytest.raises(ModelError, match=f"`{key}` is"):
        refuse_unbuilt({key: value})


@every_case("tanh", [False, True])
def test_samples_stay_within_one(tanh):
    torch.manual_seed(0)
    config = BigvganConfig(
        num_mels=4,
        upsample_rates=(2,),
        upsample_kernel_sizes=(4,),
        upsample_initial_channel=4,
        resblock_kernel_sizes=(3,),
        resblock_dilation_sizes=((1,),),
        use_tanh_at_final=tanh,
    )
    model = Bigvgan(config).requires_grad_(False)
    model.conv_post.weight_g.mul_(100)
    wave = model(torch.randn(1, 4, 30))
    assert wave.shape == (1, 1, 60)
    assert wave.abs().max() <= 1
    assert ((wave.abs() == 1).any() and not tanh) or tanh
