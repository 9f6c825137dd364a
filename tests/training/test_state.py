"""States come back as they were, run no code when read, and are told apart from files that are none."""

from __future__ import annotations

import errno
import os
import pickle
import random
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import torch

from sovits_cli.errors import ModelError, ResourceError
from sovits_cli.terms import Stage
from sovits_cli.training.state import Position, StateFolder, TrainingState, capture_rng, restore_rng
from tests.training.toys import Events


def state(step: int) -> TrainingState:
    return TrainingState(
        stage="gpt",
        position=Position(step=step, epoch=1, batch=2, elapsed_s=3.5, best=0.25),
        model="m",
        batches="b",
        modules={"net": {"weight": torch.arange(3.0)}},
        optimizers={"net": {"state": {0: {"step": torch.tensor(4.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}},
        scaler={"scale": 1024.0},
        rng=[capture_rng()],
    )


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path, Stage.GPT)


def test_there_and_back(folder: StateFolder) -> None:
    saved = state(7)
    folder.save(saved)
    found = folder.newest(Events())
    assert found is not None
    assert found.position == saved.position
    assert torch.equal(found.modules["net"]["weight"], torch.arange(3.0))
    assert found.optimizers["net"]["param_groups"] == [{"lr": 0.1, "params": [0]}]
    assert found.scaler == {"scale": 1024.0}


def test_random_generators_go_on_where_they_were(folder: StateFolder) -> None:
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
    random.gauss(0, 1), np.random.normal()  # noqa: NPY002 - both keep a spare value
    folder.save(state(1))

    def draw() -> tuple[float, float, float]:
        return random.gauss(0, 1), float(np.random.normal()), float(torch.randn(()))  # noqa: NPY002

    wanted = draw()
    draw()
    found = folder.newest(Events())
    assert found is not None
    restore_rng(found.rng[0])
    assert draw() == wanted


def test_a_state_from_before_several_processes_is_read(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path, Stage.GPT)
    path = folder.save(state(3))
    content = torch.load(path, weights_only=True)
    del content["position"]["most_places"], content["position"]["best_step"]
    torch.save({**content, "rng": content["rng"][0]}, path)
    found = folder.newest(Events())
    assert found is not None
    assert len(found.rng) == 1
    assert found.rng[0]["python"][0] == 3


def test_only_the_last_two_stay(tmp_path: Path, folder: StateFolder) -> None:
    (tmp_path / "gpt-notes.pt").write_bytes(b"the user's own")
    for step in (9, 10, 11):
        folder.save(state(step))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gpt-00000010.pt", "gpt-00000011.pt", "gpt-notes.pt"]


def test_all_stay_if_asked(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        StateFolder(tmp_path, Stage.GPT, keep_all=True).save(state(step))
    assert len(list(tmp_path.iterdir())) == 3


def test_stages_do_not_see_each_other(tmp_path: Path, folder: StateFolder) -> None:
    folder.save(state(1))
    assert StateFolder(tmp_path, Stage.SOVITS).newest(Events()) is None
    (tmp_path / "gpt-00000001.pt").rename(tmp_path / "sovits-00000001.pt")
    with pytest.raises(ModelError):
        StateFolder(tmp_path, Stage.SOVITS).newest(Events())


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("exploded",)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", pickle.dumps(Bomb()), b"{}"])
def test_what_is_no_state_is_named_and_runs_nothing(
    tmp_path: Path, folder: StateFolder, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder.save(state(1))
    (tmp_path / "gpt-00000002.pt").write_bytes(content)
    events = Events()
    found = folder.newest(events)
    assert found is not None
    assert found.position.step == 1
    assert "gpt-00000002.pt" in events.texts()
    assert not (tmp_path / "exploded").exists()


def test_a_torch_file_that_would_run_code(tmp_path: Path, folder: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"stage": "gpt", "bomb": Bomb()}, tmp_path / "gpt-00000002.pt")
    with pytest.raises(ModelError):
        folder.newest(Events())
    assert not (tmp_path / "exploded").exists()


def test_a_failed_write_keeps_the_last_good_state(
    folder: StateFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.save(state(1))

    def fail(content: object, file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(ResourceError):
        folder.save(replace(state(2)))
    found = folder.newest(Events())
    assert found is not None
    assert found.position.step == 1
    assert [path.name for path in tmp_path.iterdir()] == ["gpt-00000001.pt"]
