"""Acoustic models and discriminators with the synthetic weights of a golden file."""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import nn

from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.vits import VitsModel
from tests.weights import fill_state_dict

Module = TypeVar("Module", bound=nn.Module)


def synthesizer(recorded: dict[str, Any], *, posterior: bool) -> VitsModel:
    """The acoustic model of a golden file, filled, in evaluation mode; with gradients only if it has a posterior."""
    config = SovitsConfig.from_official({"model": recorded["config_json"]})
    model = fill(VitsModel(config, posterior=posterior), int(recorded["seed"]))
    return model.eval().requires_grad_(posterior)


def fill(module: Module, seed: int) -> Module:
    """Give every tensor of the state dict its synthetic value; constants keep theirs."""
    shapes = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    values = fill_state_dict(shapes, seed)
    constants = module.state_dict().keys() - values.keys()
    report = module.load_state_dict({key: torch.from_numpy(value) for key, value in values.items()}, strict=False)
    assert set(report.missing_keys) == constants
    assert not report.unexpected_keys
    return module


def tensors(recorded: dict[str, Any], *names: str) -> list[torch.Tensor]:
    """Arrays of a golden file as tensors."""
    return [torch.from_numpy(recorded[name]) for name in names]


def distance(got: torch.Tensor, recorded: dict[str, Any], name: str) -> float:
    """Largest difference to the array `name`, which must have the shape of `got` up to axes of size 1."""
    got, wanted = got.detach(), torch.from_numpy(recorded[name])
    assert got.squeeze().shape == wanted.squeeze().shape, name
    return float((got.squeeze() - wanted.squeeze()).abs().max())


def relative(got: torch.Tensor | float, wanted: float) -> float:
    """Difference of two numbers as a share of the second; as it is where that is 0."""
    difference, scale = abs(torch.as_tensor(got).item() - float(wanted)), abs(float(wanted))
    return difference / scale if scale else difference
