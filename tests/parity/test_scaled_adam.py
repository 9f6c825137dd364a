"""ScaledAdam against the recorded official optimiser."""

import numpy as np
import pytest
import torch

from sovits_cli.training.optim import ScaledAdam
from tests.parity import golden

SETTINGS = {
    "upstream": {"clipping_scale": 2.0, "clipping_period": 1000},
    "clip_every_5": {"clipping_scale": 2.0, "clipping_period": 5},
    "no_clip": {"clipping_scale": None},
}
TOLERANCE = 1e-5


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("path", golden.files("scaled_adam"))
def test_values_after_each_recorded_step(path, measured, setting):
    data = golden.load(path)
    names = list(data["shapes_json"])
    params = {name: torch.nn.Parameter(torch.from_numpy(data[f"init/{name}"].copy())) for name in names}
    rates = data[f"{setting}/lr"]
    optimizer = ScaledAdam(params.values(), lr=rates[0], **SETTINGS[setting])
    compared = 0
    for step, rate in enumerate(rates):
        optimizer.param_groups[0]["lr"] = float(rate)
        for name, p in params.items():
            p.grad = torch.from_numpy(data[f"grad/{name}"][step].copy())
        optimizer.step()
        for name, p in params.items():
            key = f"{setting}/step{step + 1}/{name}"
            if key in data:
                measured(np.abs(p.detach().numpy() - data[key]).max(), TOLERANCE, key)
                compared += 1
    assert compared >= len(names)
