"""The diffusion transformer: masks, positions of the first head only, and activation checkpointing."""

import pytest
import torch

from sovits_cli.models.cfm.dit import Dit, ResponseNorm, Rotary, _rotate_first_head
from tests.checkpoints.synthetic_flow import TINY_DIT


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Dit(TINY_DIT).eval().requires_grad_(False)


def inputs(frames):
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(1, TINY_DIT.mel_dim, frames, generator=draw)
    return x, torch.zeros_like(x), torch.randn(1, frames, TINY_DIT.text_dim, generator=draw), torch.tensor([0.5])


def test_frames_that_count_do_not_see_the_others(network):
    """Beyond the reach of the position convolutions, which see 30 frames further, as in the official model."""
    x, prompt, condition, t = inputs(80)
    mask = torch.arange(80)[None] < 40
    other = x.clone()
    other[..., 72:] += 1
    one, same = (network(frames, prompt, condition, mask, t, t)[..., :40] for frames in (x, other))
    assert torch.allclose(one, same, atol=1e-6)
    seen = [network(frames, prompt, condition, None, t, t)[..., :40] for frames in (x, other)]
    assert not torch.allclose(*seen, atol=1e-4)


def test_timestep_and_step_size_are_told_apart(network):
    x, prompt, condition, t = inputs(12)
    plain = network(x, prompt, condition, None, t, torch.tensor([0.25]))
    for other in ((t, torch.tensor([0.5])), (torch.tensor([0.25]), t)):
        assert not torch.allclose(network(x, prompt, condition, None, *other), plain, atol=1e-4)


def test_only_the_first_head_is_rotated_and_by_relative_positions():
    rotary = Rotary(8)
    heads = torch.randn(1, 3, 1, 8).expand(1, 3, 6, 8)
    rotated = _rotate_first_head(heads, rotary(6))
    assert torch.equal(rotated[:, 1:], heads[:, 1:])
    assert torch.equal(rotated[:, :1, 0], heads[:, :1, 0]), "position 0 stays"
    torch.testing.assert_close(rotated.norm(dim=-1), heads.norm(dim=-1))
    products = rotated[0, 0] @ rotated[0, 0].T
    torch.testing.assert_close(products.diagonal(1), products[0, 1].expand(5), atol=1e-4, rtol=1e-4)


def test_response_norm_by_its_definition():
    norm, x = ResponseNorm(3), torch.randn(2, 5, 3)
    assert torch.equal(norm(x), x), "at first it changes nothing"
    torch.nn.init.ones_(norm.gamma)
    lengths = x.square().sum(1, keepdim=True).sqrt()
    torch.testing.assert_close(norm(x), x + x * lengths / lengths.mean(-1, keepdim=True), atol=1e-4, rtol=1e-4)


def test_activation_checkpointing_changes_no_gradient():
    torch.manual_seed(0)
    model, (x, prompt, condition, t), found = Dit(TINY_DIT), inputs(10), []
    for again in (False, True):
        model.zero_grad()
        model.activation_checkpointing = again
        torch.manual_seed(3)  # the same dropout
        model.train()(x, prompt, condition, None, t, t).square().sum().backward()
        found.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    torch.testing.assert_close(*found)
