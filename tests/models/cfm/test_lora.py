"""LoRA: nothing changes at first, only the additions learn, and they are of low rank."""

import torch
from torch import nn

from sovits_cli.models.cfm.flow_matching import FlowMatching
from sovits_cli.models.cfm.flow_model import LoraLinear, add_lora
from tests.checkpoints.synthetic_flow import TINY_DIT


def test_every_projection_of_attention_gets_an_addition():
    torch.manual_seed(0)
    flow = FlowMatching(TINY_DIT).eval()
    condition, noise = torch.randn(1, TINY_DIT.text_dim, 9), torch.randn(1, TINY_DIT.mel_dim, 9)
    before = flow.sample(condition, noise[..., :3], noise, steps=1)
    add_lora(flow, 4)
    assert torch.equal(flow.sample(condition, noise[..., :3], noise, steps=1), before)
    added = [name for name, module in flow.named_modules() if isinstance(module, LoraLinear)]
    assert len(added) == 4 * TINY_DIT.depth
    learning = {name for name, value in flow.named_parameters() if value.requires_grad}
    assert learning == {f"{name}.{part}" for name in added for part in ("lora_A", "lora_B")}


def test_the_addition_is_a_product_of_two_thin_matrices():
    base = nn.Linear(6, 5)
    layer = LoraLinear(base, 2)
    nn.init.normal_(layer.lora_B)
    x = torch.randn(3, 6)
    torch.testing.assert_close(layer(x), base(x) + x @ (layer.lora_B @ layer.lora_A).T)
    assert torch.linalg.matrix_rank(layer.lora_B @ layer.lora_A) == 2
