"""The load report: nothing that does not fit is passed over."""

from __future__ import annotations

import resource
from dataclasses import replace
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
from sovits_cli.checkpoints.weight_loading import (
    MAX_WEIGHT,
    LoadReport,
    ShapeMismatch,
    build_network,
    check_keys,
    check_values,
    load_weights,
)
from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import ModelError
from sovits_cli.models.discriminators import Discriminators
from sovits_cli.models.sovits.vits import VitsModel
from sovits_cli.models.t2s.model import T2SInputs, Text2Semantic
from sovits_cli.versions import VERSIONS, version
from tests.checkpoints import synthetic
from tests.differences import every_case


def network():
    return nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 4))


def weight():
    return {key: value + 1 for key, value in network().state_dict().items()}


@every_case("replace", [False, True])
def test_all_keys_fit(replace):
    module, given = network(), {key: value.half() for key, value in weight().items()}
    assert load_weights(module, given, replace=replace) == LoadReport()
    assert torch.equal(module[0].weight, given["0.weight"].float())
    assert {value.dtype for value in module.parameters()} == {torch.float32}
    assert all(value.requires_grad for value in module.parameters())


def test_replaced_tensors_are_copies():
    module, given = network(), weight()
    load_weights(module, given, replace=True)
    with torch.no_grad():
        module[0].bias.fill_(9)
    assert not bool((given["0.bias"] == 9).any())


def test_everything_that_does_not_fit_is_named():
    given = weight()
    del given["0.bias"]
    given["2.scale"], given["1.weight"] = torch.ones(1), torch.ones(5, 2)
    with pytest.raises(ModelError) as caught:
        load_weights(network(), given, source=Path("a.pth"))
    assert caught.value.message == (
        "a.pth does not fit a Sequential: 1 missing (0.bias), 1 unexpected (2.scale), "
        "1 of another shape (1.weight [5, 2] where [4, 2] was expected)"
    )
    assert hint_for(caught.value) == "sovits models inspect a.pth"


def test_optional_keys_are_reported_but_no_error():
    given = weight()
    del given["0.bias"]
    given["2.scale"] = torch.ones(1)
    module = network()
    kept = module[0].bias.clone()
    report = load_weights(module, given, optional=("0.", "2."))
    assert report == LoadReport(missing=("0.bias",), unexpected=("2.scale",))
    assert torch.equal(module[0].bias, kept)
    with pytest.raises(ModelError, match=r"1 unexpected \(2\.scale\)"):
        load_weights(network(), given, optional=("0.",))


def test_a_shape_is_never_optional():
    given = {**weight(), "0.bias": torch.ones(7)}
    with pytest.raises(ModelError, match="of another shape"):
        check_keys(network(), given, optional=("0.",))


def test_long_lists_are_counted():
    report = LoadReport(missing=tuple("abcde"), mismatched=(ShapeMismatch("k", (1,), (2,)),))
    assert str(report) == "5 missing (a, b, c, …), 1 of another shape (k [1] where [2] was expected)"
    assert str(LoadReport()) == "all keys fit"


CHANGES = {
    "int": (lambda value: torch.ones(value.shape, dtype=torch.int64), "holds int64 values, expected floating-point"),
    "byte": (lambda value: torch.ones(value.shape, dtype=torch.uint8), "holds uint8 values, expected floating-point"),
    "bool": (lambda value: torch.ones(value.shape, dtype=torch.bool), "holds bool values, expected floating-point"),
    "complex": (lambda value: value.to(torch.complex64), "holds complex64 values, expected floating-point"),
    "zero": (torch.zeros_like, "holds nothing but zeros"),
    "huge": (lambda value: value.float() * 0 + 1e30, r"holds values up to 1e\+30, expected at most 1e\+06"),
    "double": (lambda value: value.double() * 0 + 1e300, "holds NaN or infinite values"),
    "nan": (lambda value: value * float("nan"), "holds NaN or infinite values"),
    "infinite": (lambda value: -value.abs() / 0, "holds NaN or infinite values"),
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
    weights = synthetic.filled(Discriminators(VERSIONS["v2Pro"].discriminator_periods, width=1 / 32))
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


SOURCE = Path("a.pth")


def two_layers():
    return nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))


def test_built_networks_have_exactly_the_given_weights():
    weight = {key: value.half() for key, value in two_layers().state_dict().items()}
    model, report = build_network(two_layers, weight, layers=1, source=SOURCE)
    assert report.complete
    assert not model.training
    assert {key: value.dtype for key, value in model.state_dict().items()} == dict.fromkeys(weight, torch.float32)
    assert all(torch.equal(value, weight[key].float()) for key, value in model.state_dict().items())


def test_a_missing_optional_key_gets_a_fresh_value():
    torch.manual_seed(0)
    model, report = build_network(
        two_layers, {"0.weight": torch.ones(2, 3)}, layers=1, source=SOURCE, optional=("0.bias",)
    )
    assert report.missing == ("0.bias",)
    assert bool(torch.isfinite(model[0].bias).all())
    assert bool((model[0].bias.abs() <= 3**-0.5).all())
    with pytest.raises(ModelError, match=r"1 missing \(0\.bias\)"):
        build_network(two_layers, {"0.weight": torch.ones(2, 3)}, layers=1, source=SOURCE)


@every_case(
    ("make", "said"),
    [
        (lambda: nn.Linear(10**6, 10**6), "far larger than its weights"),
        (lambda: nn.Sequential(*(nn.Linear(3000, 3000) for _ in range(100))), "far larger than its weights"),
        (lambda: nn.Linear(-1, 3), "gives no network"),
        (lambda: 1 // 0, "division"),
    ],
)
def test_impossible_networks(make, said):
    with pytest.raises(ModelError, match=rf"a\.pth is broken: its config gives no network.*{said}|{said}"):
        build_network(make, {"a": torch.ones(1)}, layers=1, source=SOURCE)


HOSTILE_GPT = [
    ("embedding_dim", 10**9),
    ("n_layer", 10**9),
    ("phoneme_vocab_size", 10**12),
    ("head", 0),
    ("vocab_size", "many"),
    ("dropout", "x"),
]
HOSTILE_SOVITS = [
    ("n_layers", 10**9),
    ("n_heads", 0),
    ("filter_channels", 10**9),
    ("flow_couplings", 10**7),
    ("upsample_rates", [640, 10**6]),
    ("upsample_initial_channel", -4),
    ("resblock_kernel_sizes", [10**9]),
    ("codebook_size", 10**12),
    ("kernel_size", "3x"),
]


@every_case(("key", "value"), HOSTILE_GPT)
def test_hostile_gpt_configs(tmp_path, key, value):
    path = tmp_path / "a.ckpt"
    config = synthetic.TINY_GPT.to_official()
    config["model"][key] = value
    if key == "embedding_dim":
        config["model"]["hidden_dim"] = value
    official.write_gpt(path, Text2Semantic(synthetic.TINY_GPT).state_dict(), config, info="x")
    refused(lambda: load_gpt(path))


@every_case(("key", "value"), HOSTILE_SOVITS)
def test_hostile_sovits_configs(tmp_path, key, value):
    path = tmp_path / "a.pth"
    config = synthetic.TINY_SOVITS.to_official()
    config["model"][key] = value
    weight = VitsModel(synthetic.TINY_SOVITS, posterior=False).state_dict()
    official.write_sovits(path, weight, config, info="x", version=version("v2"))
    refused(lambda: load_vits(path))


def refused(load):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError) as caught:
        load()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000
    assert caught.value.message.isprintable()


def test_models_compute_what_their_weights_say(tmp_path):
    gpt, sovits = tmp_path / "a.ckpt", tmp_path / "a.pth"
    weight = synthetic.write_gpt(gpt, synthetic.TINY_GPT)
    model = load_gpt(gpt)
    assert all(torch.equal(value, weight[f"model.{key}"].float()) for key, value in model.state_dict().items())
    tokens = torch.tensor([[1, 2, 3]])
    with torch.inference_mode():
        clips = T2SInputs(torch.tensor([[5, 6]]), torch.ones(1, 2, dtype=torch.bool), None, tokens, torch.tensor([3]))
        loss = model(clips).loss
    assert bool(torch.isfinite(loss))
    weight = synthetic.write_sovits(sovits, synthetic.TINY_SOVITS)
    acoustic = load_vits(sovits)
    assert all(torch.equal(value, weight[key].float()) for key, value in acoustic.state_dict().items())
    assert acoustic.extract_tokens(torch.ones(1, 48, 10)).shape == (1, 1, 5)


def test_the_posterior_encoder_is_kept_or_fresh(tmp_path):
    path = tmp_path / "a.pth"
    weight = synthetic.write_sovits(path, synthetic.TINY_SOVITS, posterior=True)
    posterior = [key for key in weight if key.startswith("enc_q.")]
    assert posterior
    assert not any(key in load_vits(path).state_dict() for key in posterior)
    kept = load_vits(path, posterior=True).state_dict()
    assert all(torch.equal(kept[key], weight[key].float()) for key in posterior)
    synthetic.write_sovits(path, synthetic.TINY_SOVITS)
    fresh = load_vits(path, posterior=True)
    assert all(bool(torch.isfinite(value).all()) for value in fresh.state_dict().values())
    assert float(fresh.state_dict()["enc_q.pre.weight"].abs().max()) > 0


def test_missing_weights_of_a_right_model(tmp_path):
    path = tmp_path / "a.pth"
    config = replace(synthetic.TINY_SOVITS, n_layers=4)
    synthetic.write_sovits(path, synthetic.TINY_SOVITS)
    file = official.read_sovits(path)
    official.write_sovits(path, file.weight, config.to_official(), info="x", version=file.version)
    with pytest.raises(ModelError, match=r"does not fit a VitsModel: \d+ missing \(enc_p\."):
        load_vits(path)


def test_loading_draws_no_random_numbers(tmp_path):
    path = tmp_path / "a.ckpt"
    synthetic.write_gpt(path, synthetic.TINY_GPT)
    before = torch.get_rng_state()
    load_gpt(path)
    assert torch.equal(torch.get_rng_state(), before)
