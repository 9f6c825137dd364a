"""Files of every version at their official size, by the recorded lists of keys: ours loads them, and writes the like.

Slow: they are large. Each tensor has a value of its own.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sovits_cli.checkpoints import official
from sovits_cli.checkpoints.inspection import verify_model
from sovits_cli.checkpoints.networks import load_flow, load_gpt, load_vits
from sovits_cli.checkpoints.torch_files import read_magic
from sovits_cli.versions import VERSIONS, DecoderKind, ModelVersion
from tests.checkpoints.synthetic import recode
from tests.parity import keylists
from tests.parity.keylists import KEYS

pytestmark = pytest.mark.slow
GPTS = ["s1_v1", "s1_v2"]
STATES = [f"s2_{name}_train" for name in VERSIONS]
EXPORTS = [f"s2_{name}_infer" for name in VERSIONS] + [
    f"s2_{name}" for name, row in VERSIONS.items() if row.decoder.kind is DecoderKind.FLOW
]


def tensors(shapes: keylists.Shapes, dtype: torch.dtype) -> dict[str, Tensor]:
    """Every tensor filled with a value that its name gives."""
    return {
        key: torch.full(shape, zlib.crc32(key.encode()) % 2048 / 2048, dtype=dtype) for key, shape in shapes.items()
    }


@pytest.fixture(scope="module", params=keylists.files([*GPTS, *EXPORTS]))
def exported(request, tmp_path_factory):
    """An export of the official program, and what is in it."""
    config, shapes = keylists.recorded(request.param)
    weight = tensors(shapes, torch.float16)
    if "dit" in config:
        config["model"]["dit"] = config.pop("dit")
    path = tmp_path_factory.mktemp("official") / "a.bin"
    torch.save(OrderedDict(weight=OrderedDict(weight), config=config, info="8epoch_96iteration"), path)
    row = VERSIONS.get(config["model"].get("version"))
    if row is not None and row.magic is not None:
        recode(path, row.magic)
    yield Export(path, weight, row)
    path.unlink()


class Export:
    """A file, the tensors in it, its row of the version table (None for a GPT), and the model that ours makes of it."""

    def __init__(self, path: Path, weight: dict[str, Tensor], row: ModelVersion | None) -> None:
        self.path, self.weight, self.row = path, weight, row
        make = load_gpt if row is None else load_vits if row.decoder.kind is DecoderKind.VITS else load_flow
        self.prefix = official.GPT_PREFIX if row is None else ""
        self.model = make(path)


def test_an_official_export_loads_whole(exported, measured):
    done = verify_model(exported.path)
    assert done.notes == ""
    got = {exported.prefix + key: value for key, value in exported.model.state_dict().items()}
    wrong = sum(not torch.equal(got[key], value.float()) for key, value in exported.weight.items())
    measured(len(got.keys() ^ exported.weight.keys()) + wrong, 0, KEYS)


def test_ours_is_written_as_it_was(exported, measured, tmp_path):
    """Keys, shapes, precision and values, in the container that the official program opens."""
    path = tmp_path / "b.bin"
    model, weight = exported.model, exported.model.state_dict()
    if exported.row is None:
        official.write_gpt(path, weight, model.config.to_official(), info="GPT-e1")
    else:
        config = model.config if exported.row.decoder.kind is DecoderKind.VITS else model.flow_config
        official.write_sovits(path, weight, config.to_official(), info="1epoch_1iteration", version=exported.row)
        assert read_magic(path) == (exported.row.magic or b"PK")
        recode(path, b"PK")
    found = torch.load(path, weights_only=True, mmap=True)
    path.unlink()
    assert list(found) == ["weight", "config", "info"]
    got, wanted = found["weight"], exported.weight
    wrong = sum(key not in got or not same(got[key], value) for key, value in wanted.items())
    measured(len(got.keys() - wanted.keys()) + wrong, 0, KEYS)


def same(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one, other)


@pytest.mark.parametrize("path", keylists.files(STATES))
def test_an_official_training_state_loads_whole(path, measured, tmp_path):
    """`G_*.pth` say no version and hold no dimensions; the posterior encoder is there."""
    _, shapes = keylists.recorded(path)
    weight = tensors(shapes, torch.float32)
    state = tmp_path / "G_96.pth"
    torch.save({"model": weight, "iteration": 8, "optimizer": {"state": {}}, "learning_rate": 1e-4}, state)
    got = load_vits(state, posterior=True).state_dict()
    state.unlink()
    wrong = sum(key not in got or not torch.equal(got[key], value) for key, value in weight.items())
    measured(len(got.keys() - weight.keys()) + wrong, 0, KEYS)
