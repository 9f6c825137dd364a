"""Key names and shapes of the flow-matching models and their LoRA files against the recorded lists."""

from functools import cache
from pathlib import Path

import pytest
import torch

from sovits_cli.checkpoints.official import lora_rank_of, official_lora_key, our_lora_keys
from sovits_cli.checkpoints.weight_loading import build_uninitialised
from sovits_cli.models.cfm.config import FlowConfig
from sovits_cli.models.cfm.flow_model import FlowModel, add_lora
from sovits_cli.training.export import in_lora
from sovits_cli.versions import VERSIONS, DecoderKind
from tests.parity import keylists
from tests.parity.keylists import KEYS, differing, recorded, shapes

FLOWS = [name for name, row in VERSIONS.items() if row.decoder.kind is DecoderKind.FLOW]


@cache
def network(name):
    """At its official size, without values: as large as its tensors, none of which is touched."""
    config = FlowConfig.from_official({"model": {"version": name}}, VERSIONS[name])
    values = {str(index): torch.empty(10_000_000) for index in range(30)}
    return build_uninitialised(lambda: FlowModel(config), values, layers=0, source=Path("here"))


@pytest.mark.parametrize("path", keylists.files([f"s2_{name}" for name in FLOWS]))
def test_whole_model(path, measured):
    config, wanted = recorded(path)
    said = {"model": {**config["model"], "dit": {}}}
    name = path.stem.removeprefix("s2_")
    assert FlowConfig.from_official(said, VERSIONS[name]) == network(name).flow_config
    measured(differing(shapes(network(name)), wanted), 0, KEYS)


@pytest.fixture(scope="module")
def tuned():
    network.cache_clear()
    model = network("v3")
    add_lora(model.cfm, 32)
    yield model
    network.cache_clear()


@pytest.mark.parametrize("path", keylists.files(["s2_v3_lora32_export"]))
def test_exported_lora(tuned, path, measured):
    _, wanted = recorded(path)
    ours = shapes(tuned)
    exported = {official_lora_key(key): shape for key, shape in ours.items() if in_lora(key)}
    measured(differing(exported, wanted), 0, KEYS)
    assert our_lora_keys(wanted) == {key: shape for key, shape in ours.items() if in_lora(key)}
    assert lora_rank_of({key: torch.empty(shape, device="cpu") for key, shape in wanted.items() if "lora" in key}) == 32


@pytest.mark.parametrize("path", keylists.files(["s2_v3_lora32_wrapped"]))
def test_training_state_of_a_lora(tuned, path, measured):
    _, wanted = recorded(path)
    measured(differing(our_lora_keys(wanted), shapes(tuned)), 0, KEYS)
