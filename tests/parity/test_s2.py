"""Acoustic models: speech, its steps, streaming and semantic codes against the recorded ones."""

import pytest

from tests.parity import golden
from tests.parity.acoustic import distance, synthesizer, tensors

AUDIO_TOLERANCE = 1e-4
STEP_TOLERANCE = 1e-4


@pytest.fixture(scope="module", params=golden.files("s2"))
def case(request):
    """A golden file, its model, and whatever its arrays need more than once."""
    recorded = golden.load(request.param)
    model = synthesizer(recorded, posterior=False)
    return recorded, model, style(recorded, model)


def style(recorded, model, *suffixes):
    """The style of the first reference, or of those with these suffixes, with their speaker vectors if it has any."""
    refers, speakers = ([f"{name}{end}" for end in suffixes or [""]] for name in ("refer", "sv_emb"))
    known = speakers if "sv_emb" in recorded else []
    return model.encode_style(tensors(recorded, *refers), tensors(recorded, *known))


def speak(case, **how):
    recorded, model, ge = case
    codes, text = tensors(recorded, "codes", "text")
    return model.decode(codes, text, how.pop("ge", ge), **how)


def test_audio(case, measured):
    """Without noise, with noise, of two references, and at other speeds, as far as they were recorded."""
    recorded, model, _ = case
    ways = {
        "audio_noise0": lambda: speak(case, noise_scale=0),
        "audio_noise_half": lambda: speak(case, noise_scale=0.5, noise=tensors(recorded, "noise")[0]),
        "audio_two_ref": lambda: speak(case, ge=style(recorded, model, "", "2"), noise_scale=0),
        "audio_speed125": lambda: speak(case, noise_scale=0, speed=1.25),
        "audio_speed080": lambda: speak(case, noise_scale=0, speed=0.8),
    }
    assert "audio_noise0" in recorded
    for name in ways.keys() & recorded.keys():
        measured(distance(ways[name](), recorded, name), AUDIO_TOLERANCE, name)


def test_audio_with_folded_weights(case, measured):
    recorded, _, ge = case
    model = synthesizer(recorded, posterior=False)
    model.prepare_for_inference()
    folded = speak((recorded, model, ge), noise_scale=0)
    measured(distance(folded, recorded, "audio_noise0"), AUDIO_TOLERANCE, "audio_noise0, weights folded")


def test_semantic_codes(case, measured):
    recorded, model, _ = case
    if "latent_codes" not in recorded:
        pytest.skip("the file has no content features")
    ssl, wanted = tensors(recorded, "ssl", "latent_codes")
    got = model.extract_tokens(ssl)
    assert got.shape == wanted.shape
    measured(int((got != wanted).sum()), 0, "latent_codes")


def test_steps(case, measured):
    recorded, model, ge = case
    if "mid/z" not in recorded:
        pytest.skip("the file has no intermediate steps")
    (codes,) = tensors(recorded, "codes")
    steps = {"ge": ge, "ge_for_enc_p": model.style_for_text(ge), "quantized": model.quantizer.decode(codes[:, 0])}
    prior = model.enc_p
    watched = {
        "ref_enc_out": model.ref_enc,
        "encoder_ssl_out": prior.encoder_ssl,
        "encoder_text_out": prior.encoder_text,
        "mrte_out": prior.mrte,
        "enc_p_hidden": prior.encoder2,
    }
    hooks = [module.register_forward_hook(_keep(steps, name)) for name, module in watched.items()]
    hooks += [prior.proj.register_forward_hook(_keep(steps, "proj")), model.dec.register_forward_hook(_keep_z(steps))]
    style(recorded, model)
    speak(case, noise_scale=0)
    for hook in hooks:
        hook.remove()
    steps["m_p"], steps["logs_p"] = steps.pop("proj").chunk(2, dim=1)
    for name in steps.keys() & {key.removeprefix("mid/") for key in recorded}:
        relative = distance(steps[name], recorded, f"mid/{name}") / abs(recorded[f"mid/{name}"]).max()
        measured(relative, STEP_TOLERANCE, f"mid/{name}")


def test_streaming(case, measured):
    recorded, model, ge = case
    if "stream/audio0" not in recorded:
        pytest.skip("the file has no streaming decode")
    codes, text = tensors(recorded, "codes", "text")
    overlap = None
    for call in range(3):
        tokens = int(recorded[f"stream/result_length{call}"])
        piece = model.decode_stream(
            codes[..., : int(recorded[f"stream/codes_end{call}"])],
            text,
            ge,
            last_tokens=None if tokens < 0 else tokens,
            overlap=overlap,
            noise_scale=0,
        )
        overlap = piece.hidden[..., -4:]
        for got, name in ((piece.hidden, f"stream/latent{call}"), (piece.wave, f"stream/audio{call}")):
            measured(distance(got, recorded, name), AUDIO_TOLERANCE, name)


def _keep(steps, name):
    def hook(_module, _inputs, output):
        steps[name] = output

    return hook


def _keep_z(steps):
    def hook(_module, inputs, _output):
        steps["z"] = steps["z_masked"] = inputs[0]

    return hook
