"""Networks of a model: what makes its tokens, and a file that contradicts its model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sovits_cli import paths
from sovits_cli.checkpoints import official
from sovits_cli.checkpoints.catalogue import find_model
from sovits_cli.checkpoints.networks import load_vits, read_quantizer_weights
from sovits_cli.errors import ModelError
from tests.checkpoints import synthetic


def test_frozen_parts(shipped, runs):
    synthetic.install("base")
    parts = read_quantizer_weights(find_model("base", runs=runs))
    assert {key: tuple(value.shape) for key, value in parts.items()} == {
        "ssl_proj.weight": (48, 48, 2),
        "ssl_proj.bias": (48,),
        official.CODEBOOK: (64, 48),
    }
    with pytest.raises(ModelError, match="makes no semantic tokens"):
        read_quantizer_weights(
            replace(find_model("base", runs=runs), sovits=Path(paths.models_dir() / "base" / "gpt.ckpt"))
        )


def test_a_model_that_is_said_to_be_of_another_version(shipped, runs):
    folder = synthetic.install("base")
    said = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**said, "version": "v1"}))
    with pytest.raises(ModelError, match=r"sovits\.pth is a v2 file, but base is said to be a v1 model"):
        load_vits(find_model("base", runs=runs))
