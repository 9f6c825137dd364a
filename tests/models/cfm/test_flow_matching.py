"""The flow: prompts of every length, more frames than positions, what is drawn for training, and bad requests."""

import pytest
import torch

from sovits_cli.errors import ModelError
from sovits_cli.models.cfm.dit import LAST_POSITION
from sovits_cli.models.cfm.flow_matching import FlowMatching, sample_training_noise
from sovits_cli.models.cfm.flow_model import FlowModel
from tests.checkpoints import synthetic_flow

DIT = synthetic_flow.TINY_DIT


@pytest.fixture(scope="module")
def flow():
    torch.manual_seed(0)
    return FlowMatching(DIT).eval()


def ask(flow, frames, prompt, **how):
    draw_from = torch.Generator().manual_seed(1)
    condition = torch.randn(1, DIT.text_dim, frames, generator=draw_from)
    noise = torch.randn(1, DIT.mel_dim, frames, generator=draw_from)
    return flow.sample(condition, torch.ones(1, DIT.mel_dim, prompt), noise, **{"steps": 2, **how})


@pytest.mark.parametrize("prompt", [0, 1, 9, 10])
def test_a_prompt_may_have_any_length(flow, prompt):
    frames = ask(flow, 10, prompt)
    assert frames.shape == (1, DIT.mel_dim, 10)
    assert not frames[..., :prompt].any()
    assert torch.isfinite(frames).all()


def test_prompt_guidance_and_steps_matter(flow):
    plain = ask(flow, 20, 5)
    for other in (ask(flow, 20, 6), ask(flow, 20, 5, guidance=1.0), ask(flow, 20, 5, steps=3)):
        assert not torch.allclose(plain[..., 6:], other[..., 6:], atol=1e-4)
    assert torch.equal(plain, ask(flow, 20, 5, guidance=1e-6)), "hardly any guidance is none"


@pytest.mark.parametrize(("frames", "prompt", "steps"), [(10, 5, 0), (10, 11, 2)])
def test_bad_requests_are_refused(flow, frames, prompt, steps):
    with pytest.raises(ModelError, match=f"flow of {steps} steps over 10 frames"):
        ask(flow, 10, prompt, steps=steps)


def test_there_may_be_more_frames_than_positions(flow):
    frames = ask(flow, LAST_POSITION + 50, 100, steps=1)
    assert torch.isfinite(frames).all()


def test_kept_frames_do_not_see_the_others():
    """Beyond the reach of the position convolutions, which see 30 frames further, as in the official model."""
    torch.manual_seed(0)
    network = FlowMatching(DIT).estimator.eval()
    x, prompt = torch.randn(1, 100, 80), torch.zeros(1, 100, 80)
    condition, timestep = torch.randn(1, 80, DIT.text_dim), torch.tensor([0.5])
    keep = torch.arange(80)[None] < 40
    other = x.clone()
    other[..., 72:] += 1
    one, same = (network(frames, prompt, condition, keep, timestep, timestep)[..., :40] for frames in (x, other))
    assert torch.allclose(one, same, atol=1e-6)
    seen = [network(frames, prompt, condition, None, timestep, timestep)[..., :40] for frames in (x, other)]
    assert not torch.allclose(*seen, atol=1e-4)


def test_draws_stay_in_their_ranges():
    torch.manual_seed(0)
    frames, lens = torch.zeros(400, 2, 30), torch.arange(1, 401) % 30 + 1
    draws = sample_training_noise(frames, lens, shortcut=True)
    assert draws.noise.shape == frames.shape
    assert ((draws.t >= 0) & (draws.t < 1)).all()
    assert (draws.prompt_lens <= lens * 2 / 3).all()
    assert draws.prompt_lens.max() > 15
    assert set(draws.exponents.tolist()) == {2, 3, 4, 5, 6, 7}
    assert sample_training_noise(frames, lens, shortcut=False).exponents is None
    paired = sum(sample_training_noise(frames[:1], lens[:1]).exponents is not None for _ in range(400))
    assert 90 <= paired <= 150


@pytest.mark.parametrize("name", synthetic_flow.FLOWS)
def test_the_condition_lasts_as_long_as_the_codes(name):
    model = FlowModel(synthetic_flow.flow_config(name)).eval()
    config = model.flow_config
    codes, text = torch.randint(64, (1, 1, 25)), torch.randint(700, (1, 9))
    ge = model.encode_style([torch.rand(1, 1025, 20)])
    frames = model.condition(codes, text, ge).shape[-1]
    assert frames == int(50 * config.traits.stretch)
    assert frames / (config.mel.sample_rate / config.mel.hop) == pytest.approx(1.0, abs=0.01)
    assert model.condition(codes, text, ge, speed=2.0).shape[-1] < 0.6 * frames
    with pytest.raises(ModelError, match="speed is 0"):
        model.condition(codes, text, ge, speed=0)
    with pytest.raises(ModelError, match="the SoVITS model knows"):
        model.condition(codes + 64, text, ge)
