"""The flow-matching model: how long its condition lasts."""

import pytest
import torch

from sovits_cli.errors import ModelError
from sovits_cli.models.cfm.flow_model import FlowModel
from tests.checkpoints import synthetic_flow
from tests.differences import every_case


@every_case("name", list(synthetic_flow.FLOWS))
def test_the_condition_lasts_as_long_as_the_tokens(name):
    model = FlowModel(synthetic_flow.flow_config(name)).eval()
    config = model.flow_config
    tokens, phones = torch.randint(64, (1, 1, 25)), torch.randint(700, (1, 9))
    style = model.encode_style([torch.rand(1, 1025, 20)])
    frames = model.condition(tokens, phones, style).shape[-1]
    assert frames == int(50 * config.traits.stretch)
    assert frames / (config.mel.sample_rate / config.mel.hop) == pytest.approx(1.0, abs=0.01)
    assert model.condition(tokens, phones, style, speed=2.0).shape[-1] < 0.6 * frames
    slow = model.condition(tokens[..., :15], phones, style, speed=1.3)
    if name == "v4":  # the official mask is 47 frames long there, and the last of 48 is zero
        assert slow.shape[-1] == 48
        assert not slow[..., 47:].any()
    assert slow[..., :47].any(1).all()
    with pytest.raises(ModelError, match="speed is 0"):
        model.condition(tokens, phones, style, speed=0)
    with pytest.raises(ModelError, match="the SoVITS model knows"):
        model.condition(tokens + 64, phones, style)
