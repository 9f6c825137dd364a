"""The text encoder against recorded outputs."""

import json

import numpy as np
import pytest
import torch

from sovits_cli.checkpoints.report import load_into
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
    with torch.device("meta"):
        model = Bert(config)
    weight = {
        key: torch.from_numpy(fill(f"bert.{key}", shapes[f"bert.{key}"], int(recorded["seed"])))
        for key in model.state_dict()
    }
    load_into(model, weight)
    assert all(
        key.removeprefix("bert.").startswith(config.unused_keys)
        for key in set(shapes) - {f"bert.{key}" for key in weight}
    )
    return model.eval()


def test_third_from_last(model, recorded):
    ids = torch.from_numpy(recorded["input_ids"])[None]
    with torch.inference_mode():
        got, embedded = model(ids).numpy(), model.embeddings(ids).numpy()
    wanted = recorded["embeddings"]
    assert np.abs(embedded[:, : wanted.shape[1]] - wanted).max() <= TOLERANCE
    assert got.shape == recorded["third_from_last"].shape
    assert np.abs(got - recorded["third_from_last"]).max() <= TOLERANCE
