"""Sampling along the flow, its guidance, and what is drawn for its loss."""

import pytest
import torch

from sovits_cli.errors import ModelError
from sovits_cli.models.cfm.dit import LAST_POSITION
from sovits_cli.models.cfm.flow_matching import FlowMatching, TrainingNoise, sample_training_noise
from tests.checkpoints.synthetic_flow import TINY_DIT as DIT


@pytest.fixture(scope="module")
def flow():
    torch.manual_seed(0)
    return FlowMatching(DIT).eval().requires_grad_(False)


def sampled(flow, frames, prompt, **options):
    generator = torch.Generator().manual_seed(1)
    condition = torch.randn(1, DIT.text_dim, frames, generator=generator)
    noise = torch.randn(1, DIT.mel_dim, frames, generator=generator)
    return flow.sample(condition, torch.ones(1, DIT.mel_dim, prompt), noise, **{"steps": 2, **options})


def test_a_prompt_may_have_any_length(flow):
    for prompt in (0, 1, 9, 10):
        frames = sampled(flow, 10, prompt)
        assert frames.shape == (1, DIT.mel_dim, 10)
        assert not frames[..., :prompt].any()
        assert torch.isfinite(frames).all()


def test_prompt_guidance_steps_and_temperature_matter(flow):
    plain = sampled(flow, 20, 5)
    options = ({"guidance": 1.0}, {"steps": 3}, {"temperature": 0.5})
    for other in (sampled(flow, 20, 6), *(sampled(flow, 20, 5, **option) for option in options)):
        assert not torch.allclose(plain[..., 6:], other[..., 6:], atol=1e-4)
    assert torch.equal(plain, sampled(flow, 20, 5, guidance=1e-6)), "hardly any guidance is none"


def test_one_step_of_euler_with_guidance_by_the_definition(flow):
    condition, noise = torch.randn(1, DIT.text_dim, 8), torch.randn(1, DIT.mel_dim, 8)
    nothing, t, d = torch.zeros_like(noise), torch.zeros(1), torch.ones(1)
    with_condition, without = (flow.estimator.text_embed(one) for one in (condition, torch.zeros_like(condition)))
    velocity, free = (flow.estimator(noise, nothing, one, None, t, d) for one in (with_condition, without))
    expected = noise + velocity + 1.5 * (velocity - free)
    found = flow.sample(condition, noise[..., :0], noise, steps=1, guidance=1.5)
    torch.testing.assert_close(found, expected)


def test_the_loss_is_zero_for_the_right_velocity_and_counts_only_what_is_made(flow, monkeypatch):
    torch.manual_seed(2)
    frames, lens = torch.randn(2, DIT.mel_dim, 10), torch.tensor([10, 6])
    draws = TrainingNoise(torch.tensor([0.2, 0.7]), torch.randn_like(frames), torch.tensor([3, 0]))
    condition, right = torch.randn(2, DIT.text_dim, 10), frames - draws.noise
    wrong_elsewhere = right.clone()
    wrong_elsewhere[0, :, :3] += 9  # in the prompt
    wrong_elsewhere[1, :, 6:] += 9  # in the padding
    wrong_elsewhere[0, :, 5] += 1  # one of seven frames that count
    for velocity, loss in ((right, 0.0), (wrong_elsewhere, 1 / 7 / 2)):
        monkeypatch.setattr(flow.estimator, "forward", lambda *_, velocity=velocity: velocity)
        assert float(flow.loss(frames, lens, condition, draws)) == pytest.approx(loss, abs=1e-6)


def test_bad_requests_are_refused(flow):
    for prompt, steps in ((5, 0), (11, 2)):
        with pytest.raises(ModelError, match=f"flow of {steps} steps over 10 frames"):
            sampled(flow, 10, prompt, steps=steps)


def test_there_may_be_more_frames_than_positions(flow):
    frames = sampled(flow, LAST_POSITION + 50, 100, steps=1)
    assert torch.isfinite(frames).all()


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
    shortcuts = sum(sample_training_noise(frames[:1], lens[:1]).exponents is not None for _ in range(400))
    assert 90 <= shortcuts <= 150
    part = draws.part(slice(3, 5))
    assert torch.equal(part.t, draws.t[3:5])
    assert torch.equal(part.exponents, draws.exponents[3:5])
