"""LoRA, low-rank adaptation of the flow's attention (Hu et al. 2021): a frozen matrix W learns a small B A beside it.

W (out, in) is frozen, A (rank, in) and B (out, rank) learn, and B is 0 at first. As in s2_train_v3_lora.py: every
projection of attention, alpha = rank (so no further scale), no dropout, no bias. A rank of 32 beside a matrix of
1024 x 1024 is 6 % of its weights.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
"""Ends of the names of the layers that are tuned."""


class LoraLinear(nn.Linear):
    """A linear layer with its weights frozen and a low-rank addition that learns, zero at first."""

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__(base.in_features, base.out_features, bias=base.bias is not None, device="meta")
        self.weight, self.bias = base.weight, base.bias
        self.requires_grad_(requires_grad=False)
        self.lora_A = nn.Parameter(torch.empty(rank, base.in_features))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """Transform (.., in) -> (.., out)."""
        # y = W x + b + B (A x)
        return super().forward(x) + F.linear(F.linear(x, self.lora_A), self.lora_B)


def add_lora(flow: nn.Module, rank: int) -> None:
    """Freeze the flow (`FlowMatching`) and give its attention low-rank additions, on the device of its weights."""
    flow.requires_grad_(requires_grad=False)
    for name, module in list(flow.named_modules()):
        if isinstance(module, nn.Linear) and name.endswith(TARGETS):
            parent, _, own = name.rpartition(".")
            setattr(flow.get_submodule(parent), own, LoraLinear(module, rank).to(module.weight.device))
