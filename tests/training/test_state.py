"""States come back as they were, run no code when read, and are told apart from files that are none."""

from __future__ import annotations

import errno
import os
import pickle
import random
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import torch

from sovits_cli.errors import ModelError, ResourceError
from sovits_cli.events import Warned
from sovits_cli.terms import Stage
from sovits_cli.training.state import Position, StateFolder, TrainingState, capture_rng, restore_rng
from tests.training.toys import Events
from tests.training.worlds import every_case_apart


def state(step: int) -> TrainingState:
    return TrainingState(
        stage="gpt",
        position=Position(step=step, epoch=1, batch=2, elapsed_s=3.5, best=0.25),
        model="m",
        batches="b",
        modules={"net": {"weight": torch.arange(3.0)}},
        optimizers={"net": {"state": {0: {"step": torch.tensor(4.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]}},
        scaler={"scale": 1024.0, "growth_interval": 2000},
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
    assert found.scaler == {"scale": 1024.0, "growth_interval": 2000}


def test_random_generators_go_on_where_they_were(folder: StateFolder) -> None:
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
    random.gauss(0, 1), np.random.normal()  # noqa: NPY002 - both keep a fragmentation value
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
    del content["position"]["max_micro_batch_positions"], content["position"]["best_step"]
    torch.save({**content, "rng": content["rng"][0]}, path)
    found = folder.newest(Events())
    assert found is not None
    assert len(found.rng) == 1
    assert found.rng[0]["python"][0] == 3


def test_a_position_with_the_keys_of_before_is_read(folder: StateFolder) -> None:
    """States made before the field's words were the tree's: what memory allowed is remembered over the change."""
    path = folder.save(state(3))
    content = torch.load(path, weights_only=True)
    del content["position"]["max_micro_batch_positions"]
    content["position"]["most_places"] = 640
    torch.save(content, path)
    found = folder.newest(Events())
    assert found is not None
    assert found.position == replace(state(3).position, max_micro_batch_positions=640)


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


def deep(levels: int) -> list[object]:
    found: list[object] = []
    for _ in range(levels):
        found = [found]
    return found


def change(path: Path, place: str, value: object) -> None:
    """Put a value at a place of a written state: "position.step"."""
    content = torch.load(path, weights_only=True)
    *parents, last = place.split(".")
    section = content
    for name in parents:
        section = section[int(name) if isinstance(section, list) else name]
    if value is MISSING:
        del section[last]
    else:
        section[int(last) if isinstance(section, list) else last] = value
    torch.save(content, path)


MISSING = object()
NAN = float("nan")
WRONG = [
    ("position.step", -1, "the step -1"),
    ("position.step", "3", "the step '3'"),
    ("position.step", True, "the step True"),
    ("position.step", 2**70, "the step"),
    ("position.epoch", 1.5, "the epoch 1.5"),
    ("position.batch", None, "the batch None"),
    ("position.elapsed_s", NAN, "the elapsed_s nan"),
    ("position.elapsed_s", -1.0, "the elapsed_s -1.0"),
    ("position.best", NAN, "the best loss nan"),
    ("position.best", "low", "the best loss 'low'"),
    ("position.max_micro_batch_positions", 0, "the max_micro_batch_positions 0"),
    ("position.finished", "yes", "finished"),
    ("position.unheard_of", 1, "another version"),
    ("position", MISSING, "lacks its position"),
    ("position", [1, 2], "lacks its position"),
    ("model", 7, "fingerprint of the model"),
    ("batches", MISSING, "fingerprint of the batches"),
    ("modules", {}, "holds no modules"),
    ("modules", [], "holds no modules"),
    ("modules", MISSING, "holds no modules"),
    ("modules.net", None, "a module net that is no dictionary"),
    ("modules.net.weight", [1.0, 2.0], "a list for net.weight"),
    ("modules.net.weight", torch.tensor([1.0, NAN]), "NaN or infinite values in net.weight"),
    ("modules.net.weight", torch.tensor([1.0, float("inf")]), "NaN or infinite values in net.weight"),
    ("optimizers", {}, "holds no optimizers"),
    ("optimizers.net", {}, "an optimizer net without its state"),
    ("optimizers.net.param_groups", MISSING, "an optimizer net without its parameter groups"),
    ("optimizers.net.param_groups.0.lr", NAN, "NaN values in the optimizer net"),
    ("optimizers.net.state", {0: {"step": torch.tensor(NAN)}}, "NaN values in the optimizer net"),
    ("optimizers.net.state", {"a": 1}, "for 'a', expected one a parameter"),
    ("scaler.scale", NAN, "scale nan"),
    ("scaler.scale", 0.0, "scale 0.0"),
    ("scaler", [], "a loss scale that is no dictionary"),
    ("rng", [], "no states of the random generators"),
    ("rng", MISSING, "no states of the random generators"),
    ("rng", [{}], "malformed states of the random generators"),
    ("rng.0.python", [3, [1, 2], None], "malformed"),
    ("rng.0.python.1", ["a"] * 625, "malformed"),
    ("rng.0.python.2", "x", "malformed"),
    ("rng.0.numpy.1", torch.zeros(3, dtype=torch.int64), "malformed"),
    ("rng.0.numpy.2", 10**9, "malformed"),
    ("rng.0.numpy.0", "SFC", "malformed"),
    ("rng.0.torch", torch.zeros(10, dtype=torch.uint8), "malformed"),
    ("rng.0.torch", torch.zeros(5056, dtype=torch.uint8), "malformed"),
    ("rng.0.torch", 3, "malformed"),
    ("rng.0.cuda", [torch.zeros(3)], "malformed"),
    ("scaler.deep", deep(200), "nests values deeper"),
    ("optimizers.net.state", {0: {"step": deep(200)}}, "nests values deeper"),
    ("extra", 1, "another version"),
]


@every_case_apart(("place", "value", "said"), WRONG)
def test_wrong_content_is_named_and_the_state_before_it_taken(
    tmp_path: Path, place: str, value: object, said: str
) -> None:
    folder = StateFolder(tmp_path, Stage.GPT)
    folder.save(state(1))
    change(folder.save(state(2)), place, value)
    events = Events()
    found = folder.newest(events)
    assert found is not None
    assert found.position.step == 1
    (warned,) = events.heard
    assert isinstance(warned, Warned)
    assert "gpt-00000002.pt: " in warned.text
    assert said in warned.text
    assert "\n" not in warned.text


def test_deep_nesting_ends(tmp_path: Path, folder: StateFolder) -> None:
    """20 000 lists in each other, which neither torch nor a recursive check survives; and one list a billion times."""
    folder.save(state(1))
    levels = b"]" * 20_000 + b"a" * 19_999
    bodies = [b"\x80\x02" + levels + b".", b"\x80\x02]q\x00" + b"".join(
        b"](" + b"h%c" % (level,) * 10 + b"eq%c" % (level + 1,) for level in range(30)
    ) + b"."]  # fmt: skip
    for step, body in enumerate(bodies, start=2):
        with zipfile.ZipFile(tmp_path / f"gpt-{step:08}.pt", "w") as archive:
            archive.writestr("archive/data.pkl", body)
            archive.writestr("archive/version", "3\n")
    events = Events()
    found = folder.newest(events)
    assert found is not None
    assert found.position.step == 1
    assert len(events.heard) == 2


def test_optional_values_may_be_missing(folder: StateFolder) -> None:
    path = folder.save(state(2))
    for place in (
        "position.best",
        "position.best_step",
        "position.max_micro_batch_positions",
        "position.finished",
        "scaler",
    ):
        change(path, place, MISSING)
    found = folder.newest(Events())
    assert found is not None
    assert (found.position.step, found.position.best, found.scaler) == (2, None, {})


def test_a_state_belongs_to_itself(folder: StateFolder) -> None:
    """What was read does not change with the file."""
    path = folder.save(state(2))
    found = folder.newest(Events())
    assert found is not None
    path.write_bytes(b"\0" * path.stat().st_size)
    assert torch.equal(found.modules["net"]["weight"], torch.arange(3.0))


@every_case_apart("content", [b"", b"PK\x03\x04", pickle.dumps(Bomb()), b"{}"])
def test_what_is_no_state_is_named_and_runs_nothing(
    tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = StateFolder(tmp_path, Stage.GPT)
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
    events = Events()
    with pytest.raises(ModelError):
        folder.newest(events)
    assert not (tmp_path / "exploded").exists()
    assert "posix.mkdir; a checkpoint is data" in events.texts()
    assert "weights_only" not in events.texts()
    assert "trust" not in events.texts()


def test_a_flipped_byte_is_noticed(folder: StateFolder) -> None:
    folder.save(state(1))
    path = folder.save(state(2))
    with zipfile.ZipFile(path) as archive:
        info = next(item for item in archive.infolist() if item.filename.endswith("data/0"))
        at = info.header_offset + path.read_bytes()[info.header_offset :].index(torch.arange(3.0).numpy().tobytes())
    whole = bytearray(path.read_bytes())
    whole[at] ^= 1
    path.write_bytes(bytes(whole))
    events = Events()
    found = folder.newest(events)
    assert found is not None
    assert found.position.step == 1
    assert "is damaged" in events.texts()


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
