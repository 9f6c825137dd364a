"""Two processes on one machine (gloo) train as one does with twice the batches; alone there is no process group."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sovits_cli.locks import held
from sovits_cli.training import distributed
from sovits_cli.training.distributed import DistributedContext
from tests.training.toys import ToyStage, run

CPU = torch.device("cpu")
TWO = """
import sys
from pathlib import Path
import torch
from sovits_cli.training import distributed
from tests.training.toys import ToyStage, run
torch.set_num_threads(1)
with distributed.process_group(torch.device("cpu")) as together:
    stage = ToyStage()
    stage.a[1] = torch.nn.Identity()
    steps = int(sys.argv[2])
    for most in ([steps, 6] if steps < 6 else [6]):
        outcome = run(stage, Path(sys.argv[1]), distributed=together, batch_size=3, max_steps=most, clip_norm=0.5).fit()
    assert outcome.step == 6, outcome
    if together.rank == 1:
        torch.save(stage.tensors(), Path(sys.argv[1]) / "second.pt")
"""


LOCKED = """
import sys
from pathlib import Path
import torch
from sovits_cli.errors import ResourceError
from sovits_cli.training import distributed
with distributed.process_group(torch.device("cpu")) as together:
    try:
        with distributed.locked_run_folder(Path(sys.argv[1]), together, writes=together.is_main):
            taken = ""
    except ResourceError as error:
        taken = error.message
assert ("another sovits (pid ", "cannot be written by the first process")[together.rank] in taken, taken
"""


def two_processes(folder: Path, argument: object, code: str = TWO) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder), str(argument)],
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
        )
        for rank in range(2)
    ]
    said = [one.communicate(timeout=300)[1].decode() for one in both]
    assert [one.returncode for one in both] == [0, 0], "\n".join(said)


@pytest.mark.parametrize("steps", [6, 3], ids=["whole", "resumed"])
def test_two_processes_train_as_one(tmp_path: Path, steps: int) -> None:
    """Twelve clips in batches of three: two a process and epoch, or four of one process, two to an update."""
    (tmp_path / "two").mkdir()
    two_processes(tmp_path / "two", steps)
    alone = ToyStage()
    alone.a[1] = torch.nn.Identity()
    run(alone, tmp_path / "one", batch_size=3, accumulation=2, max_steps=6, clip_norm=0.5).fit()
    (newest,) = (tmp_path / "two" / "state").glob("*6.pt")
    state = torch.load(newest, weights_only=True)
    second = torch.load(tmp_path / "two" / "second.pt", weights_only=True)
    assert len(state["rng"]) == 2
    for key, value in alone.tensors().items():
        module, _, name = key.partition(".")
        torch.testing.assert_close(state["modules"][module][name], value, rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(second[key], value, rtol=1e-5, atol=1e-7)


def test_a_folder_that_is_taken_is_told_by_both(tmp_path: Path) -> None:
    with held(tmp_path / "run"):
        two_processes(tmp_path / "run", "taken", LOCKED)


def test_alone_there_is_no_process_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed.dist, "init_process_group", lambda *_, **__: pytest.fail("a process group"))
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with distributed.process_group(CPU) as together:
        assert together == DistributedContext()
        assert together.all_reduce_sum({"clips": 3.0}) == {"clips": 3.0}
        assert together.all_reduce_any(False, True) == (False, True)
        assert together.all_gather("mine") == ["mine"]
