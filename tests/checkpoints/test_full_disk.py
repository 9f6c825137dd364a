"""Every writer of tensors, in a process whose files may not grow past a limit: one line, and what was there stays.

The limit is the system's own (RLIMIT_FSIZE): the write fails inside torch, as it does on a full disk.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.differences import every_case

ROOT = Path(__file__).parents[2]
WRITERS = ("official GPT", "official SoVITS", "safetensors", "state", "features", "convert")

CODE = """
import json, resource, sys
from pathlib import Path
import torch
from typer.testing import CliRunner
from sovits_cli.checkpoints import official
from sovits_cli.checkpoints.inspection import convert_model
from sovits_cli.checkpoints.safetensors_io import save_safetensors
from sovits_cli.cli.app import app
from sovits_cli.data.experiment import feature_shape, load_feature, save_feature
from sovits_cli.errors import SovitsError
from sovits_cli.terms import Stage
from sovits_cli.training.state import Position, StateFolder, TrainingState
from sovits_cli.versions import version
from tests.checkpoints import synthetic
from tests.differences import every_case

folder = Path(sys.argv[1])
weight = {f"layer.{i}": torch.arange(20_000.0) for i in range(4)}
state = TrainingState("gpt", Position(1, 1, 1, 1.0), "m", "b", {"net": weight}, {}, {}, [])
synthetic.write_gpt(folder / "source.ckpt", synthetic.TINY_GPT)
synthetic.write_sovits(folder / "source.pth", synthetic.TINY_SOVITS)
config = official.read_sovits(folder / "source.pth").config
(folder / "states").mkdir()

WRITERS = {
    "official GPT": ("a.ckpt", lambda path: official.write_gpt(path, weight, {"model": {}}, info="x")),
    "official SoVITS": (
        "a.pth", lambda path: official.write_sovits(path, weight, config, info="x", version=version("v2Pro"))),
    "safetensors": ("a.safetensors", lambda path: save_safetensors(path, weight, {})),
    "state": ("states/gpt-00000001.pt", lambda path: StateFolder(path.parent, Stage.GPT).save(state)),
    "features": ("a.pt", lambda path: save_feature(path, torch.arange(100_000.0))),
    "convert": ("b.ckpt", lambda path: convert_model(folder / "source.ckpt", path)),
}
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

def limited(size, write, path):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        write(path)
        return "written"
    except SovitsError as error:
        return f"{type(error).__name__}: {error.message}"
    except Exception as error:
        return f"internal: {error!r}"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))

def everything():
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}

for name, (file, write) in WRITERS.items():
    path = folder / file
    write(path)
    whole, there = path.read_bytes(), everything()
    for size in (0, 100, len(whole) // 3, len(whole) - 30_000, len(whole) - 300, len(whole) - 1):
        told = limited(size, write, path)
        kept = path.read_bytes() == whole and everything() == there
        print(json.dumps({"writer": name, "size": size, "told": told, "kept": kept}))
    told = limited(len(whole), write, path)
    print(json.dumps({"writer": name, "size": None, "told": told, "kept": path.read_bytes() == whole}))

resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
result = CliRunner().invoke(app, ["models", "convert", str(folder / "source.ckpt"), str(folder / "new.ckpt")])
told = f"{result.exit_code} {result.stderr.strip()}"
print(json.dumps({"writer": "command", "size": 0, "told": told, "kept": not (folder / "new.ckpt").exists()}))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, object]]]:
    """What each writer said at each limit, `size` None where the file just fits."""
    pytest.importorskip("resource")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE, str(tmp_path_factory.mktemp("disk"))],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, list[dict[str, object]]] = {}
    for line in done.stdout.splitlines():
        said = json.loads(line)
        found.setdefault(said["writer"], []).append(said)
    return found


@every_case("writer", WRITERS)
def test_a_write_that_fails_is_told_and_leaves_what_was_there(told, writer):
    *failed, fits = told[writer]
    assert len(failed) == 6
    for one in failed:
        assert str(one["told"]).startswith("ResourceError: cannot write "), one
        assert one["kept"], one
    assert (fits["told"], fits["kept"]) == ("written", True)


def test_the_command_says_it_in_one_line_and_a_hint(told):
    (one,) = told["command"]
    code, _, lines = str(one["told"]).partition(" ")
    assert code == "5"
    assert "cannot write" in lines
    assert "internal error" not in lines
    assert len(lines.splitlines()) == 2
    assert one["kept"]
