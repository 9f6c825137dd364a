"""Key names and shapes of the acoustic models and the discriminator against the recorded lists."""

from functools import cache

import pytest
import torch

from sovits_cli.checkpoints import official
from sovits_cli.checkpoints.torch_files import load_torch_file, read_magic
from sovits_cli.models.discriminators import Discriminators
from sovits_cli.models.sovits.config import SovitsConfig
from sovits_cli.models.sovits.vits import VitsModel
from sovits_cli.versions import VERSIONS
from tests.parity import keylists
from tests.parity.keylists import KEYS, differing, recorded, shapes

_NAMES = [f"s2_{version}_{form}" for version in VERSIONS for form in ("train", "infer")]
_JUDGES = [f"s2_discriminator_{version}" for version in VERSIONS]


@cache
def shapes_of(config):
    return shapes(VitsModel(config))


@pytest.mark.parametrize("path", keylists.files(_NAMES))
def test_acoustic_model(path, measured):
    config, wanted = recorded(path)
    everything = shapes_of(SovitsConfig.from_official(config))
    exported = {key: shape for key, shape in everything.items() if not key.startswith("enc_q.")}
    measured(differing(everything if path.stem.endswith("_train") else exported, wanted), 0, KEYS)


@pytest.mark.parametrize("path", keylists.files(_JUDGES))
def test_discriminator(path, measured):
    config, wanted = recorded(path)
    measured(differing(shapes(Discriminators(config["periods"])), wanted), 0, KEYS)


@pytest.mark.parametrize("path", keylists.files([name for name in _NAMES if name.endswith("_infer")]))
def test_exported_file(path, tmp_path):
    """Names, precision and version code of an export; its values do not matter here."""
    config, wanted = recorded(path)
    with torch.device("meta"):
        keys = VitsModel(SovitsConfig.from_official(config)).state_dict()
    row = VERSIONS[config["model"]["version"]]
    target = tmp_path / "a.pth"
    official.write_sovits(target, {key: torch.zeros(2) for key in keys}, config, info="i", version=row)
    assert read_magic(target) == (row.magic or b"PK")
    whole = load_torch_file(target)
    assert list(whole) == ["weight", "config", "info"]
    assert whole["weight"].keys() == wanted.keys()
    assert {value.dtype for value in whole["weight"].values()} == {torch.float16}
    assert whole["config"]["model"]["version"] == row.name
