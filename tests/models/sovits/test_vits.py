from dataclasses import replace

import pytest
import torch
from torch import nn

from sovits_cli.errors import ModelError
from sovits_cli.models.sovits.acoustic_model import AcousticInputs
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.decoders import DECODERS
from sovits_cli.models.sovits.encoders import blend_overlap, change_speed
from sovits_cli.models.sovits.vits import VitsModel, cut_slices, sample_slice_starts
from tests.models.sovits.small import small_synthesizer

HOP = 320


@pytest.fixture(scope="module")
def model():
    return small_synthesizer().requires_grad_(False)


@pytest.fixture(scope="module")
def ge(model):
    return model.encode_style([torch.rand(1, 513, 31)])


def codes(count):
    return torch.arange(count).view(1, 1, -1) % 50


def text(count):
    return torch.arange(count).view(1, -1)


def batch(frames, lens):
    torch.manual_seed(1)
    rows = len(lens)
    phones = torch.randint(0, 732, (rows, 12))
    return AcousticInputs(
        torch.randn(rows, 20, frames),
        torch.rand(rows, 513, frames),
        torch.tensor(lens),
        phones,
        torch.tensor([12, 7]),
    )


@pytest.mark.parametrize("tokens", [1, 2, 9])
@pytest.mark.parametrize("phones", [1, 4])
def test_decode_gives_a_hop_for_every_frame(model, ge, tokens, phones):
    wave = model.decode(codes(tokens), text(phones), ge)
    assert wave.shape == (1, 1, 2 * tokens * HOP)
    assert wave.isfinite().all()


@pytest.mark.parametrize(("speed", "frames"), [(1.0, 20), (1.25, 17), (0.8, 26), (1.1, 19)])
def test_speed_sets_the_length(model, ge, speed, frames):
    assert model.decode(codes(10), text(3), ge, speed=speed).shape[-1] == frames * HOP


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
def test_speed_that_is_not_positive(model, ge, speed):
    with pytest.raises(ModelError, match="speed"):
        model.decode(codes(3), text(3), ge, speed=speed)


def test_seed_decides_the_noise(model, ge):
    def speak(seed):
        return model.decode(codes(5), text(3), ge, noise=torch.Generator().manual_seed(seed))

    assert torch.equal(speak(7), speak(7))
    assert not torch.equal(speak(7), speak(8))


def test_no_noise_draws_nothing(model, ge):
    state = torch.random.get_rng_state()
    first = model.decode(codes(5), text(3), ge, noise_scale=0)
    assert torch.equal(first, model.decode(codes(5), text(3), ge, noise_scale=0))
    assert torch.equal(state, torch.random.get_rng_state())


@pytest.mark.parametrize(
    "bad", [torch.tensor([[[3, 50]]]), torch.tensor([[[-1]]]), torch.zeros(1, 1, 0, dtype=torch.long)]
)
def test_codes_outside_the_codebook(model, ge, bad):
    with pytest.raises(ModelError, match="semantic tokens"):
        model.decode(bad, text(3), ge)


@pytest.mark.parametrize("bad", [torch.tensor([[732]]), torch.zeros(1, 0, dtype=torch.long)])
def test_phones_outside_the_table(model, ge, bad):
    with pytest.raises(ModelError, match="phones"):
        model.decode(codes(3), bad, ge)


def test_style_is_the_mean_over_references(model):
    first, second = torch.rand(1, 513, 20), torch.rand(1, 513, 33)
    both = model.encode_style([first, second])
    assert both.shape == (1, 32, 1)
    torch.testing.assert_close(both, (model.encode_style([first]) + model.encode_style([second])) / 2)


@pytest.mark.parametrize("refers", [[], [torch.rand(1, 512, 9)], [torch.rand(1, 513, 0)]])
def test_unusable_references(model, refers):
    with pytest.raises(ModelError, match="reference"):
        model.encode_style(refers)


@pytest.mark.parametrize("frames", [2, 7, 8])
def test_codes_of_content_drop_an_odd_frame(model, frames):
    got = model.extract_tokens(torch.randn(1, 20, frames))
    assert got.shape == (1, 1, frames // 2)
    assert got.dtype == torch.int64


def test_codes_are_the_nearest_entries(model):
    entries = model.quantizer.decode(torch.tensor([[4, 49, 0]]))
    assert model.quantizer.encode(entries + 0.01).tolist() == [[4, 49, 0]]


def test_streaming_the_whole_is_decoding(model, ge):
    piece = model.decode_stream(codes(6), text(3), ge, noise_scale=0)
    assert torch.equal(piece.wave, model.decode(codes(6), text(3), ge, noise_scale=0))


def test_streaming_the_last_tokens(model, ge):
    whole = model.decode_stream(codes(8), text(3), ge, noise_scale=0)
    piece = model.decode_stream(codes(8), text(3), ge, last_tokens=3, noise_scale=0)
    assert piece.wave.shape[-1] == 6 * HOP
    assert torch.equal(piece.hidden, whole.hidden[..., -6:])


def test_overlap_fades_from_the_old_to_the_new():
    some, none = torch.ones(1, 2, 10), torch.zeros(1, 2, 10)
    rise, fall = blend_overlap(some, none[..., :4]), blend_overlap(none, some[..., :4])
    assert torch.equal(rise[..., 4:], some[..., 4:])
    assert torch.equal(fall[..., 4:], none[..., 4:])
    assert (rise[..., 0] == 0).all()
    torch.testing.assert_close((rise.square() + fall.square())[..., :4], some[..., :4])


def test_speed_one_changes_nothing():
    hidden = torch.randn(1, 3, 7)
    assert change_speed(hidden, 1.0) is hidden


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


def test_training_pass_in_bfloat16(model):
    clips = batch(40, [40, 31])
    wanted = model(clips)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = model(clips)
    assert torch.equal(out.quantized, wanted.quantized)
    assert out.wave.isfinite().all()


def test_training_reaches_every_parameter_but_those_of_the_codes():
    model = small_synthesizer().train()
    out = model(batch(40, [40, 31]))
    of = out.latents
    loss = out.wave.square().mean() + (of.z_p - of.m_p).square().mean() + of.logs_p.mean() + of.logs_q.mean()
    loss.backward()
    without = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert without == {"ssl_proj.weight", "ssl_proj.bias"}


def test_padding_leaves_the_kept_frames_alone(model, ge):
    clips = batch(40, [40, 31])
    spec, phones = clips.spec, clips.phones
    keep, text_keep = torch.arange(40)[None] < 30, torch.arange(12)[None] < 7
    content = torch.randn(1, 20, 40)

    def prior(frames, count):
        hidden = model.enc_p(content[..., :frames], keep[:, :frames], phones[:1, :count], text_keep[:, :count], ge)
        return model.enc_p.prior(hidden, keep[:, :frames]).mean

    torch.testing.assert_close(prior(40, 12)[..., :30], prior(30, 7))
    padded = model.enc_q(spec[:1], keep, ge).mean
    torch.testing.assert_close(padded[..., :30], model.enc_q(spec[:1, :, :30], keep[:, :30], ge).mean)
    assert (padded[..., 30:] == 0).all()


@pytest.mark.parametrize("frames", [41, 8])
def test_training_on_an_odd_or_short_batch(model, frames):
    with pytest.raises(ModelError, match="frames"):
        model(batch(frames, [frames, frames]))


def test_training_on_features_of_another_model(model):
    clips = batch(40, [40, 31])
    with pytest.raises(ModelError, match="content channels"):
        model(replace(clips, features=clips.features[:, :16]))


def test_training_without_a_posterior_encoder_is_speaking():
    model = small_synthesizer(posterior=False).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    clips = batch(40, [40, 40])
    starts = torch.zeros(2, dtype=torch.long)
    out = model(clips, slice_starts=starts)
    assert out.latents is None
    out.wave.square().mean().backward()
    without = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert without == {"ssl_proj.weight", "ssl_proj.bias"}
    codes, ge = model.extract_tokens(clips.features)[:1], model.encode_style([clips.spec[:1]])
    spoken = model.decode(codes, clips.phones[:1, : int(clips.phone_lens[0])], ge, noise_scale=0.0)
    inside = out.wave.shape[-1] // 4  # the end of the slice knows nothing of what follows
    torch.testing.assert_close(out.wave[:1, :, :inside], spoken[..., :inside], rtol=1e-4, atol=1e-5)


def test_exported_model_lacks_only_the_posterior_encoder():
    full, exported = (set(small_synthesizer(posterior=flag).state_dict()) for flag in (True, False))
    assert {key.split(".")[0] for key in full - exported} == {"enc_q"}
    assert exported <= full


def test_slices_stay_inside_the_rows():
    lengths = torch.tensor([10, 40, 11])
    for _ in range(50):
        starts = sample_slice_starts(lengths, 10)
        assert (starts >= 0).all()
        assert (starts + 10 <= lengths).all()
    assert sample_slice_starts(torch.tensor([5]), 10).tolist() == [0]


def test_slices_are_cut_where_they_start():
    x = torch.arange(20.0).view(2, 1, 10)
    assert cut_slices(x, torch.tensor([0, 7]), 3).tolist() == [[[0, 1, 2]], [[17, 18, 19]]]


HIFIGAN = SovitsConfig(upsample_initial_channel=64, filter_channels=64, n_layers=2, posterior_layers=1)


@pytest.mark.parametrize("config", [HIFIGAN, None], ids=DECODERS)
def test_prepared_for_inference_it_speaks_the_same(config):
    torch.manual_seed(2)
    model = small_synthesizer() if config is None else VitsModel(config)
    model.eval().requires_grad_(False)
    model.quantizer.fill(torch.randn_like(model.quantizer.codebook.embed))
    style = model.encode_style([torch.rand(1, model.config.style_bins, 20)])
    before = model.decode(codes(7), text(5), style, noise_scale=0)
    model.prepare_for_inference()
    after = model.decode(codes(7), text(5), style, noise_scale=0)
    torch.testing.assert_close(after, before, atol=1e-5, rtol=0)
    assert not any("weight_g" in key or "enc_q" in key for key in model.state_dict())
