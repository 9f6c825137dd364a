from __future__ import annotations

import pytest
import torch

from sovits_cli.cli import device
from sovits_cli.errors import ResourceError
from tests.cli.conftest import Sovits


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two of them."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"Card {index}")


@pytest.fixture
def none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with neither kind."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("wanted", "name", "why"),
    [
        ("auto", "cuda:0", "found Card 0"),
        ("cuda", "cuda:0", "asked for, Card 0"),
        ("cuda:1", "cuda:1", "asked for, Card 1"),
        ("cpu", "cpu", "asked for"),
    ],
)
def test_with_gpus(wanted: str, name: str, why: str) -> None:
    assert device.resolve(wanted) == device.Device(name, why)


@pytest.mark.usefixtures("gpus")
def test_a_gpu_too_many() -> None:
    with pytest.raises(ResourceError, match="device cuda:2 is not available: 2 CUDA devices found"):
        device.resolve("cuda:2")


@pytest.mark.usefixtures("none")
def test_without_gpus() -> None:
    assert device.resolve("auto") == device.Device("cpu", "no GPU found")


@pytest.mark.usefixtures("none")
@pytest.mark.parametrize("wanted", ["cuda", "cuda:0", "mps"])
def test_a_device_that_is_not_there_is_exit_5(sovits: Sovits, wanted: str) -> None:
    result = sovits("sample", "device", "--device", wanted)
    assert result.exit_code == 5
    assert result.stderr.startswith(f"error: device {wanted} is not available")
    assert result.stderr.endswith("hint: use --device auto\n")


def test_an_apple_gpu(monkeypatch: pytest.MonkeyPatch, none: None) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device.resolve("auto").name == device.resolve("mps").name == "mps"


@pytest.mark.parametrize("wanted", ["gpu", "cuda:", "cuda:x", "CPU", ""])
def test_a_word_that_is_no_device_is_exit_2(sovits: Sovits, wanted: str) -> None:
    result = sovits("sample", "device", "--device", wanted)
    assert result.exit_code == 2
    assert "expected auto, cpu, cuda, cuda:N or mps" in result.stderr
