"""Weights that cannot be those of a trained network are refused when verified and when loaded, by the same words."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from sovits_cli.checkpoints import official
from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.checkpoints.inspection import verify_model
from sovits_cli.checkpoints.networks import (
    CODEBOOK,
    load_gpt,
    load_vits,
    read_discriminator_weights,
    read_quantizer_weights,
)
from sovits_cli.checkpoints.safetensors_io import save_safetensors
from sovits_cli.checkpoints.weight_loading import MAX_WEIGHT, build_network, check_values, load_weights
from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import ModelError
from sovits_cli.models.discriminators import Discriminators
from sovits_cli.models.sovits.vits import VitsModel
from sovits_cli.models.t2s.model import Text2Semantic
from sovits_cli.versions import VERSIONS, version
from tests.checkpoints import synthetic
from tests.differences import every_case

CHANGES = {
    "int": (lambda value: torch.ones(value.shape, dtype=torch.int64), "holds int64 values, expected floating-point"),
    "byte": (lambda value: torch.ones(value.shape, dtype=torch.uint8), "holds uint8 values, expected floating-point"),
    "bool": (lambda value: torch.ones(value.shape, dtype=torch.bool), "holds bool values, expected floating-point"),
    "complex": (lambda value: value.to(torch.complex64), "holds complex64 values, expected floating-point"),
    "zero": (torch.zeros_like, "holds nothing but zeros"),
    "huge": (lambda value: value.float() * 0 + 1e30, r"holds values up to 1e\+30, expected at most 1e\+06"),
    "double": (lambda value: value.double() * 0 + 1e300, "holds values that are no numbers"),
    "nan": (lambda value: value * float("nan"), "holds values that are no numbers"),
    "infinite": (lambda value: -value.abs() / 0, "holds values that are no numbers"),
}


def gpt_file(path, change):
    weight = {key: change(value) for key, value in synthetic.filled(Text2Semantic(synthetic.TINY_GPT)).items()}
    save_safetensors(path, weight, {"config": synthetic.TINY_GPT.to_official()})


@every_case("change", CHANGES)
def test_a_gpt_of_other_numbers(tmp_path, change):
    path = tmp_path / "a.safetensors"
    changed, said = CHANGES[change]
    gpt_file(path, changed)
    for reader in (verify_model, load_gpt):
        with pytest.raises(ModelError, match=rf"a\.safetensors is broken: \S+ {said}") as caught:
            reader(path)
        assert hint_for(caught.value)
    gpt_file(path, lambda value: value)
    assert verify_model(path).keys == len(load_gpt(path).state_dict())


@every_case(
    "key, change",
    [(key, change) for key in ("dec.conv_pre.weight", CODEBOOK) for change in CHANGES if change != "complex"],
)
def test_one_tensor_of_other_numbers(tmp_path, key, change):
    path = tmp_path / "a.pth"
    weight = synthetic.filled(VitsModel(synthetic.TINY_SOVITS, posterior=False))
    changed, said = CHANGES[change]
    config = synthetic.TINY_SOVITS.to_official()
    whole = {"weight": {**weight, key: changed(weight[key])}, "config": config, "info": ""}
    torch.save(whole, path)
    if (key, change) == (CODEBOOK, "huge"):
        return  # statistics, as this is to a SoVITS model, may be of any size
    for reader in (verify_model, load_vits):
        with pytest.raises(ModelError, match=rf"{key.replace('.', '[.]')} {said}"):
            reader(path)


def test_what_begins_as_zeros_may_be_zeros(tmp_path):
    """The last layer of a coupling, and biases."""
    path = tmp_path / "a.pth"
    weight = synthetic.filled(VitsModel(synthetic.TINY_SOVITS, posterior=False))
    for key in ("flow.flows.0.post.weight", "dec.conv_pre.bias"):
        assert weight[key].any()
        weight[key] = torch.zeros_like(weight[key])
    official.write_sovits(path, weight, synthetic.TINY_SOVITS.to_official(), info="x", version=version("v2"))
    assert verify_model(path).notes == ""
    torch.manual_seed(0)
    assert not load_vits(path).state_dict()["flow.flows.0.post.weight"].any()
    drawn = torch.rand(4)
    synthetic.write_sovits(path, synthetic.TINY_SOVITS)
    torch.manual_seed(0)
    assert load_vits(path).state_dict()["flow.flows.0.post.weight"].any()
    assert torch.equal(torch.rand(4), drawn)


def test_statistics_that_speaking_does_not_need_may_be_anything(tmp_path):
    """Official exports are halved without a look at the codebook's counters."""
    path = tmp_path / "a.pth"
    weight = synthetic.filled(VitsModel(synthetic.TINY_SOVITS, posterior=False))
    weight["quantizer.vq.layers.0._codebook.cluster_size"].fill_(float("inf"))
    torch.save({"weight": weight, "config": synthetic.TINY_SOVITS.to_official(), "info": ""}, path)
    assert verify_model(path).notes == ""
    assert load_vits(path)


@every_case(
    "missing, value", [(missing, value) for missing in (False, True) for value in (MAX_WEIGHT, -MAX_WEIGHT, 1e-30)]
)
def test_values_at_the_limits_pass(missing, value):
    weight = {"0.weight": torch.full((2, 3), value), "0.bias": torch.ones(2)}
    if missing:
        del weight["0.bias"]
    model, _ = build_network(
        lambda: nn.Sequential(nn.Linear(3, 2)), weight, layers=1, source=Path("a.pth"), optional=("0.bias",)
    )
    assert torch.equal(model[0].weight, weight["0.weight"])
    with pytest.raises(ModelError, match=r"0\.weight holds values up to"):
        load_weights(model, {**weight, "0.weight": weight["0.weight"].sign() * 1.01e6}, optional=("0.bias",))


def test_each_tensor_is_read_once(monkeypatch):
    """The exact check, several passes, is only made where the quick one says so."""
    network = nn.Sequential(*(nn.Linear(8, 8) for _ in range(5)))
    exact = []
    real = torch.Tensor.abs
    monkeypatch.setattr(torch.Tensor, "abs", lambda value: exact.append(value) or real(value))
    check_values(network, network.state_dict(), optional=(), source=None, fresh=lambda: network)
    assert not exact
    network[3].bias.data.zero_()
    check_values(network, network.state_dict(), optional=(), source=None, fresh=lambda: network)
    assert len(exact) == 1


def test_what_makes_the_tokens_and_the_discriminators_are_looked_at_too(tmp_path):
    path, judges = tmp_path / "a.pth", tmp_path / "d.pth"
    weight = synthetic.filled(VitsModel(synthetic.TINY_SOVITS, posterior=False))
    config = synthetic.TINY_SOVITS.to_official()
    weights = synthetic.filled(Discriminators(VERSIONS["v2Pro"].discriminator_periods))
    bundle = Bundle("a", VERSIONS["v2"], path, path, None, None, "files", "", discriminator=judges)
    torch.save({"weight": weight, "config": config, "info": ""}, path)
    torch.save({"model": weights}, judges)
    assert read_quantizer_weights(bundle)[CODEBOOK].any()
    assert read_discriminator_weights(bundle).keys() == weights.keys()
    torch.save({"weight": {**weight, CODEBOOK: weight[CODEBOOK] * 0}, "config": config, "info": ""}, path)
    with pytest.raises(ModelError, match="embed holds nothing but zeros"):
        read_quantizer_weights(bundle)
    first = next(iter(weights))
    torch.save({"model": {**weights, first: weights[first].int()}}, judges)
    with pytest.raises(ModelError, match="holds int32 values"):
        read_discriminator_weights(bundle)


@every_case("rate", [0, -32_000, 1e308, float("nan"), True, "fast"])
def test_a_sampling_rate_that_is_none(tmp_path, rate):
    path = tmp_path / "a.pth"
    config = synthetic.TINY_SOVITS.to_official()
    weight = synthetic.filled(VitsModel(synthetic.TINY_SOVITS, posterior=False))
    config["data"]["sampling_rate"] = rate
    official.write_sovits(path, weight, config, info="x", version=version("v2"))
    for reader in (verify_model, load_vits):
        with pytest.raises(
            ModelError, match=r"a\.pth is broken: .*`sampling_rate` is .*, expected a whole number"
        ) as e:
            reader(path)
        assert str(path) in hint_for(e.value)


def test_names_in_messages_have_bounds(tmp_path):
    path = tmp_path / "a.safetensors"
    weight = synthetic.filled(Text2Semantic(synthetic.TINY_GPT))
    long = {f"h.layers.{number}.{'x' * 5000}": torch.ones(1) for number in range(9)}
    save_safetensors(path, {**weight, **long}, {"config": synthetic.TINY_GPT.to_official()})
    with pytest.raises(ModelError, match=r"9 unexpected \(h\.layers\.") as caught:
        verify_model(path)
    assert len(caught.value.message) < 600
