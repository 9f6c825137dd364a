"""Reading torch files as data: all that honest files hold, and none of what hostile ones ask for."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from collections import OrderedDict

import torch

from sovits_cli.checkpoints.restricted_unpickler import MAX_STEPS, PickleBudget
from sovits_cli.checkpoints.torch_files import load_torch_file, read_magic
from tests.checkpoints import synthetic
from tests.checkpoints.hostile import HOSTILE, OTHER_FILES, absent, all_are_refused, folder, zip_bomb
from tests.differences import every_case


def whole():
    """Everything an honest checkpoint may hold."""
    return {
        "weight": OrderedDict(a=torch.arange(6.0).view(2, 3).half(), b=torch.nn.Parameter(torch.ones(4))),
        "turned": torch.arange(6).view(2, 3).t(),
        "scalar": torch.tensor(3.5, dtype=torch.float64),
        "nothing": torch.empty(0, 3),
        "flags": torch.tensor([True, False]),
        "brain": torch.tensor([1.5], dtype=torch.bfloat16),
        "module": torch.nn.Linear(2, 2).state_dict(),
        "config": {
            "list": [1, -2, 2**40, 2.5, None, True, "é"],
            "tuple": (1, (2,)),
            "path": pathlib.PurePosixPath("/a/b"),
        },
        "size": torch.Size([2, 3]),
        "bytes": b"\xff\x00",
        "iteration": 7,
    }


@every_case(
    "options",
    [{}, {"_use_new_zipfile_serialization": False}, {"pickle_protocol": 4}],
)
def test_reads_what_torch_writes(tmp_path, options):
    path = tmp_path / "a.pth"
    wanted = whole()
    torch.save(wanted, path, **options)
    got = load_torch_file(path)
    for key in ("turned", "scalar", "nothing", "flags", "brain"):
        assert got[key].dtype == wanted[key].dtype
        assert got[key].shape == wanted[key].shape
        assert torch.equal(got[key], wanted[key])
    assert torch.equal(got["weight"]["b"], torch.ones(4))
    assert got["weight"]["a"].dtype == torch.float16
    assert not got["weight"]["b"].requires_grad
    assert list(got["module"]) == ["weight", "bias"]
    assert got["config"] == {**wanted["config"], "path": "/a/b"}
    assert got["size"] == (2, 3)
    assert (got["bytes"], got["iteration"]) == (b"\xff\x00", 7)


def test_hparams_become_dictionaries(tmp_path):
    path = tmp_path / "s.pth"
    synthetic.write_sovits(path, synthetic.TINY_SOVITS)
    config = load_torch_file(path)["config"]
    assert config["model"]["inter_channels"] == 16
    assert config["data"]["sampling_rate"] == 32_000
    assert "utils" not in sys.modules


@every_case("code", [b"PK", b"00", b"05", b"99"])
def test_version_code_in_place_of_the_first_bytes(tmp_path, code):
    path = tmp_path / "a.pth"
    torch.save({"a": torch.ones(3)}, path)
    synthetic.recode(path, code)
    assert torch.equal(load_torch_file(path)["a"], torch.ones(3))
    assert read_magic(path) == code


def test_writing_to_a_tensor_leaves_the_file_alone(tmp_path):
    path = tmp_path / "a.pth"
    torch.save({"a": torch.ones(1000)}, path)
    before = path.read_bytes()
    load_torch_file(path)["a"].fill_(2)
    assert path.read_bytes() == before


def test_tensors_that_share_a_storage(tmp_path):
    path = tmp_path / "a.pth"
    base = torch.arange(10.0)
    torch.save({"all": base, "part": base[4:8:2]}, path)
    got = load_torch_file(path)
    assert torch.equal(got["part"], torch.tensor([4.0, 6.0]))
    assert got["part"].untyped_storage().data_ptr() == got["all"].untyped_storage().data_ptr()


def test_an_honest_training_state_needs_a_fraction_of_the_steps(tmp_path, monkeypatch):
    """3000 tensors, as of the largest network with the moments of its optimiser."""
    spent = []
    of = PickleBudget.of
    monkeypatch.setattr(PickleBudget, "of", lambda size: spent.append((size, of(size))) or spent[-1][1])
    path = tmp_path / "a.pt"
    torch.save({f"layer.{number}.weight": torch.ones(1) for number in range(3000)}, path)
    assert len(load_torch_file(path)) == 3000
    (size, budget) = spent[0]
    assert budget.steps > of(size).steps // 2
    assert budget.steps > MAX_STEPS // 2
    assert budget.allocated_bytes > of(size).allocated_bytes // 2


def test_other_hostile_files_are_refused(tmp_path):
    all_are_refused(OTHER_FILES, tmp_path)


def test_memory_stays_bounded(tmp_path):
    """All hostile files, read in one process that may not grow by more than 300 MB."""
    makers = [maker for maker in HOSTILE if maker not in (zip_bomb, absent, folder)]
    files = []
    for maker in makers:
        path = tmp_path / f"{maker.__name__}.pth"
        maker(path, tmp_path / "executed")
        files.append(str(path))
    program = """
import json, re, sys
from pathlib import Path
from sovits_cli.checkpoints.torch_files import load_torch_file
from sovits_cli.errors import ModelError
def peak_kb():  # ru_maxrss begins with that of the process that started this one
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
before = peak_kb()
refused = 0
for name in json.load(sys.stdin):
    try:
        load_torch_file(Path(name))
    except ModelError:
        refused += 1
print(refused, peak_kb() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(files), capture_output=True, text=True, check=True
    )
    refused, grown_kb = map(int, done.stdout.split())
    assert refused == len(files)
    assert grown_kb < 300_000
    assert not (tmp_path / "executed").exists()
