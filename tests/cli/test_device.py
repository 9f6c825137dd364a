from __future__ import annotations

import pytest
import torch

from tests.cli.conftest import Sovits


def test_a_device_that_is_not_there_is_exit_5(sovits: Sovits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = sovits("sample", "device", "--device", "cuda")
    assert result.exit_code == 5
    assert result.stderr == "error: device cuda is not available: no CUDA device found\nhint: use --device auto\n"


def test_a_word_that_is_no_device_is_exit_2(sovits: Sovits) -> None:
    for wanted in ("gpu", "cuda:", "cuda:x", "CPU", ""):
        result = sovits("sample", "device", "--device", wanted)
        assert result.exit_code == 2
        assert "expected auto, cpu, cuda, cuda:N or mps" in result.stderr
