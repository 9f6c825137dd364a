"""A module with its optimiser: rates by group, and what a resume takes up."""

from __future__ import annotations

import torch
from torch import nn

from sovits_cli.training.optim import LearningRateSchedule
from sovits_cli.training.stages.base import LR_SCALE, OptimizedModule


def make(rate: float) -> OptimizedModule:
    module = nn.Linear(2, 2)
    groups = [{"params": [module.weight]}, {"params": [module.bias], LR_SCALE: 0.5}]
    return OptimizedModule("a", module, torch.optim.AdamW(groups, lr=rate), LearningRateSchedule(rate, epoch_decay=0.5))


def test_each_group_learns_at_its_own_rate() -> None:
    one = make(0.2)
    assert one.set_learning_rate(step=3, epoch=1) == 0.1
    assert [group["lr"] for group in one.optimizer.param_groups] == [0.1, 0.05]
    assert [parameter.shape for parameter in one.parameters] == [(2, 2), (2,)]


def test_a_resume_takes_moments_and_leaves_the_settings() -> None:
    one, other = make(0.2), make(0.7)
    one.module(torch.ones(1, 2)).sum().backward()
    one.optimizer.step()
    other.load_state_dict(one.optimizer.state_dict())
    assert other.optimizer.param_groups[0]["lr"] == 0.7
    assert torch.equal(
        other.optimizer.state[other.module.weight]["exp_avg"], one.optimizer.state[one.module.weight]["exp_avg"]
    )
