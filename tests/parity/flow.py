"""Flow-matching models with the synthetic weights of a golden file."""

from typing import Any

from torch import nn

from sovits_cli.models.cfm.dit import DitConfig
from sovits_cli.models.cfm.matching import FlowMatching
from tests.parity.acoustic import fill


class _Prefixed(nn.Module):
    """Gives its only part the keys it has in a checkpoint."""

    def __init__(self, cfm: FlowMatching) -> None:
        super().__init__()
        self.cfm = cfm


def sampler(recorded: dict[str, Any]) -> FlowMatching:
    """The sampler of a golden file, filled, in evaluation mode."""
    part = FlowMatching(DitConfig(**recorded.get("dit_json", {})))
    return fill(_Prefixed(part), int(recorded["seed"])).cfm.eval()
