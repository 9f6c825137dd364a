"""Key names and shapes of the acoustic models and the discriminator against the recorded lists."""

import json
from functools import cache

import pytest
import torch

from sovits_cli.checkpoints import official
from sovits_cli.checkpoints.safe import header, load_pickle
from sovits_cli.models.discriminators import Discriminators
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.synthesizer import Synthesizer
from sovits_cli.versions import VERSIONS
from tests.parity import golden

FOLDER = golden.FOLDER / "manifests"
_NAMES = [f"s2_{version}_{form}" for version in VERSIONS for form in ("train", "infer")]
_JUDGES = [f"s2_discriminator_{version}" for version in VERSIONS]


def manifests(names):
    found = [path for path in sorted(FOLDER.glob("*.json")) if path.stem in names]
    skip = pytest.param(None, marks=pytest.mark.skip(reason=f"no such list in {FOLDER}"), id="no-list")
    return [pytest.param(path, id=path.stem) for path in found] or [skip]


@cache
def shapes_of(config):
    return shapes(Synthesizer(config))


def shapes(module):
    return {key: list(value.shape) for key, value in module.state_dict().items()}


def recorded(path):
    manifest = json.loads(path.read_text(encoding="utf-8"))
    return manifest["config"], {key: shape for key, (shape, _) in manifest["keys"].items()}


@pytest.mark.parametrize("path", manifests(_NAMES))
def test_acoustic_model(path):
    config, wanted = recorded(path)
    everything = shapes_of(SovitsConfig.from_official(config))
    exported = {key: shape for key, shape in everything.items() if not key.startswith("enc_q.")}
    assert wanted == (everything if path.stem.endswith("_train") else exported)


@pytest.mark.parametrize("path", manifests(_JUDGES))
def test_discriminator(path):
    config, wanted = recorded(path)
    assert shapes(Discriminators(config["periods"])) == wanted


@pytest.mark.parametrize("path", manifests([name for name in _NAMES if name.endswith("_infer")]))
def test_exported_file(path, tmp_path):
    """Names, precision and version code of an export; its values do not matter here."""
    config, wanted = recorded(path)
    with torch.device("meta"):
        keys = Synthesizer(SovitsConfig.from_official(config)).state_dict()
    row = VERSIONS[config["model"]["version"]]
    target = tmp_path / "a.pth"
    official.write_sovits(target, {key: torch.zeros(2) for key in keys}, config, info="i", version=row)
    assert header(target) == (row.code or b"PK")
    whole = load_pickle(target)
    assert list(whole) == ["weight", "config", "info"]
    assert whole["weight"].keys() == wanted.keys()
    assert {value.dtype for value in whole["weight"].values()} == {torch.float16}
    assert whole["config"]["model"]["version"] == row.name
