"""The VITS model: speaking, streaming, and its training pass with and without a posterior encoder."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from sovits_cli.errors import ModelError
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.vits import VitsModel, cut_slices, sample_slice_starts
from tests.differences import every_case
from tests.models.sovits.small import HOP, batch, phones, small_model, tokens


@pytest.fixture(scope="module")
def model():
    return small_model().requires_grad_(False)


@pytest.fixture(scope="module")
def style(model):
    return model.encode_style([torch.rand(1, 513, 31)])


def test_decode_gives_a_hop_for_every_frame(model, style):
    for count, text in ((1, 1), (2, 4), (9, 1)):
        wave = model.decode(tokens(count), phones(text), style)
        assert wave.shape == (1, 1, 2 * count * HOP)
        assert wave.isfinite().all()


def test_speed_sets_the_length(model, style):
    for speed, frames in ((1.0, 20), (1.25, 17), (0.8, 26), (1.1, 19)):
        assert model.decode(tokens(10), phones(3), style, speed=speed).shape[-1] == frames * HOP
    for speed in (0.0, -1.0, float("nan")):
        with pytest.raises(ModelError, match="speed"):
            model.decode(tokens(3), phones(3), style, speed=speed)


def test_seed_decides_the_noise_and_no_noise_draws_nothing(model, style):
    def speak(seed):
        return model.decode(tokens(5), phones(3), style, noise=torch.Generator().manual_seed(seed))

    assert torch.equal(speak(7), speak(7))
    assert not torch.equal(speak(7), speak(8))
    drawn = torch.randn(1, 24, 10, generator=torch.Generator().manual_seed(7))
    assert torch.equal(speak(7), model.decode(tokens(5), phones(3), style, noise=drawn))
    state = torch.random.get_rng_state()
    first = model.decode(tokens(5), phones(3), style, noise_scale=0)
    assert torch.equal(first, model.decode(tokens(5), phones(3), style, noise_scale=0))
    assert torch.equal(state, torch.random.get_rng_state())


def test_streaming_the_whole_is_decoding_and_the_last_tokens_its_end(model, style):
    whole = model.decode_stream(tokens(8), phones(3), style, noise_scale=0)
    assert torch.equal(whole.wave, model.decode(tokens(8), phones(3), style, noise_scale=0))
    chunk = model.decode_stream(tokens(8), phones(3), style, last_tokens=3, noise_scale=0)
    assert chunk.wave.shape[-1] == 6 * HOP
    assert torch.equal(chunk.hidden, whole.hidden[..., -6:])
    faded = model.decode_stream(
        tokens(8), phones(3), style, last_tokens=3, overlap=whole.hidden[..., :2], noise_scale=0
    )
    assert not torch.equal(faded.hidden[..., :2], chunk.hidden[..., :2])
    assert torch.equal(faded.hidden[..., 2:], chunk.hidden[..., 2:])


def test_training_pass(model):
    out = model(batch(40, [40, 31]))
    assert out.wave.shape == (2, 1, 3200)
    found = vars(out.latents).values()
    assert {latent.shape for latent in found} == {(2, 24, 40)}
    assert out.quantized.shape == (2, 20, 20)
    assert out.frame_mask.sum(1).tolist() == [40, 31]
    for masked in found:
        assert (masked[1, :, 31:] == 0).all()
        assert masked.isfinite().all()
    wanted, clips = out, batch(40, [40, 31])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = model(clips)
    assert torch.equal(out.quantized, wanted.quantized), "tokens are the same whatever autocast says"
    assert out.wave.isfinite().all()


def test_training_reaches_every_parameter_but_those_of_the_tokens():
    model, found = small_model().train(), []
    for again in (False, True):
        model.zero_grad()
        model.activation_checkpointing = again
        torch.manual_seed(5)
        out = model(batch(40, [40, 31]), slice_starts=torch.tensor([3, 9]))
        of = out.latents
        loss = out.wave.square().mean() + (of.z_p - of.m_p).square().mean() + of.logs_p.mean() + of.logs_q.mean()
        loss.backward()
        without = {name for name, parameter in model.named_parameters() if parameter.grad is None}
        assert without == {"ssl_proj.weight", "ssl_proj.bias"}
        found.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    torch.testing.assert_close(*found)


def test_the_style_encoder_learns_nothing_from_the_posterior():
    model = small_model()
    latents = model(batch(40, [40, 31])).latents
    style = list(model.ref_enc.parameters())
    for latent, reached in ((latents.m_q, False), (latents.m_p, True)):
        found = torch.autograd.grad(latent.sum(), style, allow_unused=True, retain_graph=True)
        assert any(gradient is not None for gradient in found) is reached


def test_batches_that_do_not_fit(model):
    for frames in (41, 8):  # odd, shorter than a slice
        with pytest.raises(ModelError, match="frames"):
            model(batch(frames, [frames, frames]))
    clips = batch(40, [40, 31])
    with pytest.raises(ModelError, match="content channels"):
        model(replace(clips, features=clips.features[:, :16]))


def test_training_without_a_posterior_encoder_is_speaking():
    model = small_model(posterior=False).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    clips = batch(40, [40, 40])
    out = model(clips, slice_starts=torch.zeros(2, dtype=torch.long))
    assert out.latents is None
    out.wave.square().mean().backward()
    without = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert without == {"ssl_proj.weight", "ssl_proj.bias"}
    found, style = model.extract_tokens(clips.features)[:1], model.encode_style([clips.spec[:1]])
    spoken = model.decode(found, clips.phones[:1, : int(clips.phone_lens[0])], style, noise_scale=0.0)
    inside = out.wave.shape[-1] // 4  # the end of the slice knows nothing of what follows
    torch.testing.assert_close(out.wave[:1, :, :inside], spoken[..., :inside], rtol=1e-4, atol=1e-5)


def test_exported_model_lacks_only_the_posterior_encoder():
    full, exported = (set(small_model(posterior=flag).state_dict()) for flag in (True, False))
    assert {key.split(".")[0] for key in full - exported} == {"enc_q"}
    assert exported <= full


def test_slices_stay_inside_the_rows():
    lengths = torch.tensor([10, 40, 11])
    for _ in range(50):
        starts = sample_slice_starts(lengths, 10)
        assert (starts >= 0).all()
        assert (starts + 10 <= lengths).all()
    assert sample_slice_starts(torch.tensor([5]), 10).tolist() == [0]
    x = torch.arange(20.0).view(2, 1, 10)
    assert cut_slices(x, torch.tensor([0, 7]), 3).tolist() == [[[0, 1, 2]], [[17, 18, 19]]]


HIFIGAN = SovitsConfig(upsample_initial_channel=64, filter_channels=64, n_layers=2, posterior_layers=1)


@every_case("config", [HIFIGAN, None])
def test_prepared_for_inference_it_speaks_the_same(config):
    torch.manual_seed(2)
    model = small_model() if config is None else VitsModel(config)
    model.eval().requires_grad_(False)
    model.quantizer.fill(torch.randn_like(model.quantizer.codebook.embed))
    style = model.encode_style([torch.rand(1, model.config.style_bins, 20)])
    before = model.decode(tokens(7), phones(5), style, noise_scale=0)
    model.prepare_for_inference()
    after = model.decode(tokens(7), phones(5), style, noise_scale=0)
    torch.testing.assert_close(after, before, atol=1e-5, rtol=0)
    assert not any("weight_g" in key or "enc_q" in key for key in model.state_dict())
