"""Flow-matching models with the synthetic weights of a golden file."""

from typing import Any

from sovits_cli.models.cfm.config import FlowConfig
from sovits_cli.models.cfm.flow_model import FlowModel
from sovits_cli.versions import VERSIONS
from tests.parity.acoustic import fill


def synthesizer(recorded: dict[str, Any]) -> FlowModel:
    """The acoustic model of a golden file, filled, in evaluation mode."""
    said = {**recorded["config_json"], "dit": recorded.get("dit_json", {})}
    config = FlowConfig.from_official({"model": said}, VERSIONS[said["version"]])
    return fill(FlowModel(config), int(recorded["seed"])).eval()
