"""The encoders: padding, speed, and the overlap of streaming."""

import pytest
import torch

from sovits_cli.models.sovits.encoders import Gaussian, blend_overlap, change_speed
from tests.models.sovits.small import batch, small_model


@pytest.fixture(scope="module")
def model():
    return small_model().requires_grad_(False)


def test_padding_leaves_the_other_frames_alone(model):
    clips = batch(40, [40, 31])
    style = model.encode_style([clips.spec[:1]])
    mask, phone_mask = torch.arange(40)[None] < 30, torch.arange(12)[None] < 7
    content = torch.randn(1, 20, 40)

    def prior(frames, count):
        phones = clips.phones[:1, :count]
        hidden = model.enc_p(content[..., :frames], mask[:, :frames], phones, phone_mask[:, :count], style)
        return model.enc_p.prior(hidden, mask[:, :frames]).mean

    torch.testing.assert_close(prior(40, 12)[..., :30], prior(30, 7))
    padded = model.enc_q(clips.spec[:1], mask, style).mean
    torch.testing.assert_close(padded[..., :30], model.enc_q(clips.spec[:1, :, :30], mask[:, :30], style).mean)
    assert (padded[..., 30:] == 0).all()
    styles = [model.ref_enc(clips.spec[:1, :, :frames], mask[:, :frames]) for frames in (40, 30)]
    gap = (styles[0] - styles[1]).abs().max()
    assert gap < 0.2 * styles[1].std(), "only the convolutions at the edge see the padding"


def test_samples_of_a_gaussian():
    some = Gaussian(torch.full((1, 2, 3), 5.0), torch.full((1, 2, 3), 2.0).log())
    assert torch.allclose(some.sample(torch.ones(1, 2, 3), scale=0.5), torch.tensor(6.0))


def test_speed_stretches_in_time():
    hidden = torch.arange(8.0).expand(1, 2, 8)
    assert change_speed(hidden, 1.0) is hidden
    fast = change_speed(hidden, 2.0)
    assert fast.shape == (1, 2, 5)
    assert (fast[0, 0].diff() > 0).all()


def test_overlap_fades_from_the_old_to_the_new():
    some, none = torch.ones(1, 2, 10), torch.zeros(1, 2, 10)
    rise, fall = blend_overlap(some, none[..., :4]), blend_overlap(none, some[..., :4])
    assert torch.equal(rise[..., 4:], some[..., 4:])
    assert torch.equal(fall[..., 4:], none[..., 4:])
    assert (rise[..., 0] == 0).all()
    torch.testing.assert_close((rise.square() + fall.square())[..., :4], some[..., :4])
