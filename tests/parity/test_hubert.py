"""The content encoder against recorded outputs, in all the ways its keys are published."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sovits_cli.checkpoints.weight_loading import LoadReport, build_network
from sovits_cli.models.hubert import UNUSED_KEYS, Hubert, HubertConfig
from tests.parity import golden
from tests.weights import fill_state_dict

TOLERANCE = 1e-4


@pytest.fixture(params=golden.files("hubert"))
def recorded(request):
    return golden.load(request.param)


def built(recorded):
    config = HubertConfig.from_dict(json.loads(str(recorded["config"])))
    weight = fill_state_dict(json.loads(str(recorded["keys"])), int(recorded["seed"]))
    model, report = build_network(
        lambda: Hubert(config),
        {key: torch.from_numpy(value) for key, value in weight.items()},
        layers=config.num_hidden_layers,
        source=Path("golden"),
        optional=UNUSED_KEYS,
    )
    assert report == LoadReport(unexpected=("masked_spec_embed",))
    return model


def test_last_hidden_state(recorded, measured):
    with torch.inference_mode():
        got = built(recorded)(torch.from_numpy(recorded["wave"])[None]).numpy()
    wanted = recorded["last_hidden_state"]
    assert got.shape == wanted.shape
    measured(np.abs(got - wanted).max(), TOLERANCE, "last_hidden_state")


def test_steps(recorded, measured):
    if "conv_features" not in recorded:
        pytest.skip("recorded for the small model only")
    model = built(recorded)
    with torch.inference_mode():
        features = model.feature_extractor(torch.from_numpy(recorded["wave"])[None])
        hidden = model.feature_projection(features)
        hidden = model.encoder.layer_norm(hidden + model.encoder.pos_conv_embed(hidden))
        first = model.encoder.layers[0](hidden)
    for got, name in ((features, "conv_features"), (first, "hidden_1")):
        measured(np.abs(got.numpy() - recorded[name]).max(), TOLERANCE, name)
