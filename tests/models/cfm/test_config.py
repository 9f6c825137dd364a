"""Dimensions of the flow-matching models: read, written, and relations that must hold."""

import pytest

from sovits_cli.models.cfm.config import DitConfig, FlowConfig
from sovits_cli.models.dimensions import DimensionError
from sovits_cli.versions import VERSIONS
from tests.checkpoints import synthetic_flow
from tests.differences import every_case


@every_case("name", list(synthetic_flow.FLOWS))
def test_official_form_and_back(name):
    for full in (False, True):
        config = synthetic_flow.flow_config(name, full=full)
        written = config.to_official()
        assert ("dit" in written["model"]) is not full, "official files say nothing of the transformer"
        written["model"]["version"] = name
        assert FlowConfig.from_official(written, VERSIONS[name]) == config


@every_case(("name", "hop"), [("v3", 256), ("v4", 480)])
def test_samples_of_a_mel_frame(name, hop):
    assert synthetic_flow.flow_config(name).hop == hop


@every_case(
    ("dit", "match"),
    [
        ({"dim": 40}, "multiple of 16"),
        ({"dim_head": 5}, "must be even"),
        ({"mel_dim": 80}, "`model.dit.mel_dim` is not 100"),
        ({"depth": 0}, "`depth` is 0"),
        ({"deep": 1}, "no section of dim, depth"),
        (3, "no section of dim, depth"),
    ],
)
def test_transformers_that_cannot_be(dit, match):
    written = synthetic_flow.flow_config("v3").to_official()
    section = {**written["model"].get("dit", {}), **dit} if isinstance(dit, dict) else dit
    with pytest.raises(DimensionError, match=match):
        FlowConfig.from_official({**written, "model": {**written["model"], "dit": section}}, VERSIONS["v3"])


def test_defaults_of_the_transformer_are_official():
    assert (DitConfig().dim, DitConfig().depth, DitConfig().heads, DitConfig().dim_head) == (1024, 22, 16, 64)
