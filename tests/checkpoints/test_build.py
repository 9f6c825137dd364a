"""Networks are only built where dimensions and weights agree; a hostile config costs nothing."""

from __future__ import annotations

import resource
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from sovits_cli.checkpoints import official
from sovits_cli.checkpoints.networks import load_gpt, load_vits
from sovits_cli.checkpoints.weight_loading import build_network
from sovits_cli.errors import ModelError
from sovits_cli.models.sovits.vits import VitsModel
from sovits_cli.models.t2s.model import T2SInputs, Text2Semantic
from sovits_cli.versions import version
from tests.checkpoints import synthetic
from tests.differences import every_case

SOURCE = Path("a.pth")


def network():
    return nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))


def test_built_networks_have_exactly_the_given_weights():
    weight = {key: value.half() for key, value in network().state_dict().items()}
    model, report = build_network(network, weight, layers=1, source=SOURCE)
    assert report.complete
    assert not model.training
    assert {key: value.dtype for key, value in model.state_dict().items()} == dict.fromkeys(weight, torch.float32)
    assert all(torch.equal(value, weight[key].float()) for key, value in model.state_dict().items())


def test_a_missing_optional_key_gets_a_fresh_value():
    torch.manual_seed(0)
    model, report = build_network(
        network, {"0.weight": torch.ones(2, 3)}, layers=1, source=SOURCE, optional=("0.bias",)
    )
    assert report.missing == ("0.bias",)
    assert bool(torch.isfinite(model[0].bias).all())
    assert bool((model[0].bias.abs() <= 3**-0.5).all())
    with pytest.raises(ModelError, match=r"1 missing \(0\.bias\)"):
        build_network(network, {"0.weight": torch.ones(2, 3)}, layers=1, source=SOURCE)


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
