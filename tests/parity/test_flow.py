"""The flow-matching models against the recorded condition, sampler, transformer and losses."""

from itertools import product

import pytest
import torch
from torch import nn

from sovits_cli.models.cfm.flow_matching import TrainingNoise
from sovits_cli.models.cfm.flow_model import TARGETS, LoraLinear, add_lora
from sovits_cli.models.layers.attention import length_mask
from tests.parity import flow, golden
from tests.parity.acoustic import distance, relative, tensors

TOLERANCE = 5e-5
LOSS_TOLERANCE = 1e-4
GRADIENT_TOLERANCE = 2e-3
SPEEDS = {"fea": 1.0, "fea_speed125": 1.25}
SAMPLES = {
    "cfm_steps4": {"steps": 4},
    "cfm_steps8_temp05": {"steps": 8, "temperature": 0.5},
    "cfm_steps4_cfg05": {"steps": 4, "guidance": 0.5},
}


@pytest.fixture(scope="module", params=golden.files("flow"))
def case(request):
    recorded = golden.load(request.param)
    return recorded, flow.synthesizer(recorded)


def test_condition(case, measured):
    recorded, model = case
    codes, text, refer = tensors(recorded, "codes", "text", "refer")
    ge = model.encode_style([refer])
    measured(distance(ge, recorded, "ge"), TOLERANCE, "ge")
    assert "fea" in recorded
    for name in SPEEDS.keys() & recorded.keys():
        measured(distance(model.condition(codes, text, ge, speed=SPEEDS[name]), recorded, name), TOLERANCE, name)


def test_samples(case, measured):
    recorded, model = case
    if not SAMPLES.keys() & recorded.keys():
        pytest.skip("the file has no samples")
    condition, prompt, noise = tensors(recorded, "fea", "prompt_mel", "noise")
    for name in SAMPLES.keys() & recorded.keys():
        got = model.cfm.sample(condition, prompt, noise, **SAMPLES[name])
        measured(distance(got, recorded, name), TOLERANCE, name)


def test_transformer(case, measured):
    recorded, model = case
    if "est/out" not in recorded:
        pytest.skip("the file has no single call")
    x, cond, mu, lens, t, d = tensors(recorded, "est/x", "est/cond", "est/mu", "est/x_lens", "est/t", "est/d")
    network = model.cfm.estimator
    with torch.no_grad():
        got = network(x, cond, network.text_embed(mu), length_mask(lens, x.shape[-1]), t, d)
    measured(distance(got.transpose(1, 2), recorded, "est/out"), TOLERANCE, "est/out")


def learned(sampler, recorded, name):
    """The recorded loss without dropout, and its gradients."""
    frames, lens, prompt_lens, mu, t, noise, exponents = tensors(
        recorded,
        *(f"train/{part}" for part in ("x1", "x_lens", "prompt_lens", "mu", "t", "x0", "bootstrap_base")),
    )
    for module in sampler.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    sampler.train()
    loss = sampler.loss(
        frames, lens, mu, TrainingNoise(t, noise, prompt_lens, exponents if name == "bootstrap" else None)
    )
    loss.backward()
    sampler.eval()
    return loss


def test_loss_and_gradients(case, measured):
    recorded, model = case
    if "train/plain_loss" not in recorded:
        pytest.skip("the file has no losses")
    sampler = model.cfm
    for name, checkpointed in product(("plain", "bootstrap"), (False, True)):
        sampler.zero_grad()
        sampler.estimator.activation_checkpointing = checkpointed
        loss = learned(sampler, recorded, name)
        norm = torch.linalg.vector_norm(torch.stack([part.grad.norm() for part in sampler.parameters()]))
        for got, what, limit in ((loss, "loss", LOSS_TOLERANCE), (norm, "grad_norm_dit", GRADIENT_TOLERANCE)):
            called = f"train/{name}_{what}" + ", checkpointed" * checkpointed
            measured(relative(got, recorded[f"train/{name}_{what}"]), limit, called)


LORAS = [
    pytest.param(*file.values, id=f"{str(file.id).partition('_')[0]}_lora", marks=file.marks)
    for file in golden.files("flow")
    if "full" not in str(file.id)
]


@pytest.mark.parametrize("path", LORAS)
def test_a_lora_learns_from_the_same_loss(path, measured):
    """It adds nothing at first, and the gradient of W = W0 + B A by B is that by W, times A transposed."""
    recorded = golden.load(path)
    if "train/plain_loss" not in recorded:
        pytest.skip("the file has no losses")
    whole, tuned = (flow.synthesizer(recorded).cfm for _ in range(2))
    add_lora(tuned, 4)
    learned(whole, recorded, "plain")
    loss = learned(tuned, recorded, "plain")
    measured(relative(loss, recorded["train/plain_loss"]), LOSS_TOLERANCE, "train/plain_loss")
    layers = {name: layer for name, layer in tuned.named_modules() if isinstance(layer, LoraLinear)}
    assert layers.keys() == {name for name, _ in whole.named_modules() if name.endswith(TARGETS)}
    for name, layer in layers.items():
        wanted = whole.get_submodule(name).weight.grad @ layer.lora_A.T
        off = (layer.lora_B.grad - wanted).norm() / wanted.norm()
        measured(off.item(), GRADIENT_TOLERANCE, f"gradient of {name}")
        assert layer.weight.grad is None
