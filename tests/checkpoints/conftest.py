"""A package with one model, and a folder for voices."""

from dataclasses import replace

import pytest

from sovits_cli.checkpoints import catalogue, download
from sovits_cli.checkpoints.safetensors_io import save_safetensors
from sovits_cli.models.sovits.vits import VitsModel
from sovits_cli.models.t2s.model import Text2Semantic
from tests.checkpoints import synthetic
from tests.checkpoints.hub import BODY, REMOTE, Hub, serving


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A package with a bundled model `mini`, and nothing else."""
    folder = tmp_path / "package" / "checkpoints" / "bundled" / "mini"
    gpt, sovits = replace(synthetic.TINY_GPT, bert_dim=0), synthetic.TINY_SOVITS
    save_safetensors(
        folder / "gpt.safetensors", Text2Semantic(gpt).state_dict(), {"version": "mini", "config": gpt.to_official()}
    )
    save_safetensors(
        folder / "sovits.safetensors",
        synthetic.filled(VitsModel(sovits, posterior=False)),
        {"version": "mini", "config": sovits.to_official()},
    )
    save_safetensors(folder / "content.safetensors", {}, {})
    monkeypatch.setattr(catalogue, "package_dir", lambda: tmp_path / "package")
    return folder


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No download waits before it goes on."""
    monkeypatch.setattr(download, "_PAUSE_S", 0.0)


@pytest.fixture
def hub(monkeypatch):
    """A hub that has one file, `REMOTE`."""
    made = Hub({str(REMOTE): BODY})
    with serving(made) as address:
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield made
