"""Weights that are NaN are found by name; a state of other networks is told from one of these."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sovits_cli.training.state_checks import WrongStateError, check_fit, checked, first_not_finite


def test_the_first_tensor_that_is_not_finite_is_named() -> None:
    modules = {"a": nn.Linear(2, 2), "b": nn.Linear(2, 2)}
    assert first_not_finite(modules) is None
    for value in (float("nan"), float("inf")):
        with torch.no_grad():
            modules["b"].bias[1] = value
        assert first_not_finite(modules) == "b.bias"


def test_what_fits_passes_and_a_missing_tensor_is_named() -> None:
    module = nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(module.parameters())
    saved = {"a": dict(module.state_dict())}
    check_fit({"a": module}, {"a": optimizer}, saved, {"a": optimizer.state_dict()})
    del saved["a"]["bias"]
    with pytest.raises(WrongStateError, match="it has no tensor of a bias"):
        check_fit({"a": module}, {"a": optimizer}, saved, {"a": optimizer.state_dict()})


def test_depth_is_bounded() -> None:
    deep: list[object] = []
    for _ in range(1000):
        deep = [deep]
    with pytest.raises(WrongStateError, match="nests values deeper"):
        checked(deep)
