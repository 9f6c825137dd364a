"""The flow: the identity at first, inverted exactly, and without a change of volume."""

import torch
from torch import nn

from sovits_cli.models.layers.attention import length_mask
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.flow import Coupling, Flow

CONFIG = SovitsConfig(inter_channels=8, hidden_channels=16, gin_channels=512, flow_couplings=3, flow_layers=2)


def random_flow():
    torch.manual_seed(0)
    flow = Flow(CONFIG)
    for parameter in flow.parameters():
        nn.init.normal_(parameter, std=0.3)
    return flow


def test_flow_inverts():
    flow = random_flow()
    z, style = torch.randn(2, 8, 9), torch.randn(2, 512, 1)
    mask = length_mask(torch.tensor([9, 6]), 9)[:, None].float()
    there = flow(z * mask, mask, style)
    assert not torch.allclose(there, z * mask)
    torch.testing.assert_close(flow.inverse(there, mask, style), z * mask, atol=1e-4, rtol=1e-4)


def test_a_coupling_begins_as_the_identity():
    torch.manual_seed(0)
    coupling, z = Coupling(CONFIG), torch.randn(1, 8, 5)
    assert torch.equal(coupling(z, torch.ones(1, 1, 5), torch.randn(1, 512, 1)), z)


def test_volume_is_kept():
    """log |det| = 0: what the flow makes likely it does not make so by shrinking."""
    flow, style, mask = random_flow().double(), torch.randn(1, 512, 1).double(), torch.ones(1, 1, 1).double()
    jacobian = torch.autograd.functional.jacobian(
        lambda z: flow(z.view(1, 8, 1), mask, style).flatten(), torch.randn(8).double()
    )
    torch.testing.assert_close(torch.linalg.slogdet(jacobian).logabsdet, torch.tensor(0.0).double(), atol=1e-9, rtol=0)
