"""The text encoder against recorded outputs."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sovits_cli.checkpoints.weight_loading import build_network
from sovits_cli.models.bert import Bert, BertConfig
from tests.parity import golden
from tests.weights import fill

TOLERANCE = 1e-4


@pytest.fixture(params=golden.files("bert"))
def recorded(request):
    return golden.load(request.param)


@pytest.fixture
def model(recorded):
    config = BertConfig.from_dict(json.loads(str(recorded["config"])))
    shapes = json.loads(str(recorded["keys"]))
    used = {key: shape for key, shape in shapes.items() if not key.removeprefix("bert.").startswith(config.unused_keys)}
    weight = {
        key.removeprefix("bert."): torch.from_numpy(fill(key, shape, int(recorded["seed"])))
        for key, shape in used.items()
    }
    model, report = build_network(lambda: Bert(config), weight, layers=config.num_hidden_layers, source=Path("golden"))
    assert report.complete
    return model


def test_third_from_last(model, recorded, measured):
    ids = torch.from_numpy(recorded["input_ids"])[None]
    with torch.inference_mode():
        got, embedded = model(ids).numpy(), model.embeddings(ids).numpy()
    wanted = recorded["embeddings"]
    measured(np.abs(embedded[:, : wanted.shape[1]] - wanted).max(), TOLERANCE, "embeddings")
    assert got.shape == recorded["third_from_last"].shape
    measured(np.abs(got - recorded["third_from_last"]).max(), TOLERANCE, "third_from_last")
