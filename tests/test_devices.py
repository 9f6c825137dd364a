from __future__ import annotations

import pytest
import torch

from sovits_cli.devices import Device, find_device
from sovits_cli.errors import ResourceError


def test_with_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"Card {index}")
    found = {wanted: find_device(wanted) for wanted in ("auto", "cuda", "cuda:1", "cpu")}
    assert found == {
        "auto": Device("cuda:0", "found Card 0"),
        "cuda": Device("cuda:0", "asked for, Card 0"),
        "cuda:1": Device("cuda:1", "asked for, Card 1"),
        "cpu": Device("cpu", "asked for"),
    }
    with pytest.raises(ResourceError, match="device cuda:2 is not available: 2 CUDA devices found"):
        find_device("cuda:2")


def test_without_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert find_device("auto") == Device("cpu", "no GPU found")
    for wanted in ("cuda", "cuda:0", "mps"):
        with pytest.raises(ResourceError, match=f"device {wanted} is not available") as error:
            find_device(wanted)
        assert error.value.code == "device.missing"


def test_an_apple_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert find_device("auto").name == find_device("mps").name == "mps"
