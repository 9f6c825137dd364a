"""Everything an exact resume needs, as one dataclass, and the folder that keeps the last two of them.

    state/<stage>-<step>.pt      a torch file of plain values and tensors:
        stage                    which training
        position                 step, epoch, batch, elapsed_s, best, best_step, max_micro_batch_positions, finished
        model, batches           fingerprints: the network with its recipe, and the order of batches
        modules                  {"generator": state_dict, …}
        optimizers               {"generator": state_dict, …}: moments; rates come from the schedule and the step
        scaler                   the loss scale of float16
        rng                      per process: Python, NumPy, torch, CUDA generators

A state is written whole or not at all: under another name, then renamed; old ones are dropped after that, and the last
but one stays, in case the newest turns out to be damaged. It is checked when read (`state_checks.py`), and is data: it
is read as a foreign checkpoint is, and no code in it runs. `ALIASES` reads the keys of older versions.
"""

from __future__ import annotations

import errno
import math
import os
import random
import re
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from sovits_cli.checkpoints.torch_files import load_torch_file, save_torch_file
from sovits_cli.errors import ModelError, ResourceError
from sovits_cli.events import Reporter, Warned
from sovits_cli.files import write_error
from sovits_cli.terms import Stage
from sovits_cli.training.state_checks import WrongStateError, checked, state_shapes

STATES = "state"
"""Folder of the states, inside that of the run."""

Checked = TypeVar("Checked")

FLOAT_BYTES = 4

ALIASES = {"most_places": "max_micro_batch_positions"}
"""Keys of a position that had another name in states of before -> the field of today."""

STATES_KEPT = 2
"""The newest state, and the one before it in case the newest turns out to be damaged."""


@dataclass
class Position:
    """Where a run is.

    Args:
        step: finished updates.
        epoch: epoch in progress, from 0.
        batch: batches of that epoch already used; always between two updates.
        elapsed_s: seconds of training so far, over all sittings.
        best: smallest validation loss so far.
        best_step: step of that loss.
        max_micro_batch_positions: largest part of a batch that is computed at once, found when memory ran out.
        finished: the run reached its end and wrote its last export.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    elapsed_s: float = 0.0
    best: float | None = None
    best_step: int | None = None
    max_micro_batch_positions: int | None = None
    finished: bool = False


@dataclass(frozen=True)
class TrainingState:
    """One moment between two updates.

    Args:
        stage: which training.
        position: where in the run.
        model: fingerprint of the network; another one cannot continue.
        batches: fingerprint of the order of batches; with another one the epoch in progress starts again.
        modules: tensors of every module, by name.
        optimizers: state of every optimiser, by optimized.
        scaler: state of the loss scale.
        rng: states of the random generators, those of one process after the other.
    """

    stage: str
    position: Position
    model: str
    batches: str
    modules: Mapping[str, Mapping[str, Any]]
    optimizers: Mapping[str, Mapping[str, Any]]
    scaler: Mapping[str, Any] = field(default_factory=dict)
    rng: Sequence[Mapping[str, Any]] = ()


def capture_rng() -> dict[str, Any]:
    """The states of Python's, numpy's and torch's generators, as plain values and tensors."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002 - libraries may draw from it
    version, words, next_gauss = random.getstate()
    return {
        "python": [version, list(words), next_gauss],
        "numpy": [str(kind), torch.from_numpy(np.asarray(keys, dtype=np.int64)), position, has_gauss, gauss],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_rng(state: Mapping[str, Any]) -> None:
    """The inverse of `capture_rng`. GPUs that were not there are left as they are."""
    version, words, next_gauss = state["python"]
    random.setstate((version, tuple(words), next_gauss))
    kind, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    # A state from a machine with more GPUs, or none, is no reason not to go on.
    if torch.cuda.is_available():
        for device, one in enumerate(state["cuda"][: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(one, device)


@contextmanager
def preserve_rng(device: torch.device) -> Iterator[None]:
    """What is drawn inside, always from the same seed, does not change what is drawn afterwards; no gradients."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.no_grad():
        torch.manual_seed(0)
        yield


def state_bytes(modules: Mapping[str, nn.Module], optimizers: Iterable[Optimizer]) -> int:
    """About the size of a state of these: their tensors, and what the optimisers will keep."""
    tensors = sum(int(one.nbytes) for module in modules.values() for one in module.state_dict().values())
    kept = (shape for one in optimizers for entry in (state_shapes(one) or {}).values() for shape in entry.values())
    return tensors + FLOAT_BYTES * sum(math.prod(shape) for shape in kept)


class StateFolder:
    """The states of one stage of one run: `<stage>-<step>.pt`; all of them if asked to, else the last `STATES_KEPT`."""

    def __init__(self, folder: Path, stage: Stage, *, keep_all: bool = False) -> None:
        self._folder = folder
        self._stage = stage
        self._keep_all = keep_all

    def save(self, state: TrainingState) -> Path:
        """Write a state and drop old ones. A failed write leaves what was there."""
        path = self._folder / f"{self._stage.value}-{state.position.step:08d}.pt"
        # A plain dictionary, not the dataclass: a class cannot be read without running code of its module.
        content = {item.name: getattr(state, item.name) for item in fields(state)}
        content["position"] = asdict(state.position)
        save_torch_file(path, content)
        # Only now, when the new one is there whole.
        for old in [] if self._keep_all else self._paths()[STATES_KEPT:]:
            old.unlink(missing_ok=True)
        return path

    def check(self, needed_bytes: int) -> None:
        """Look whether a state of this size can be written. Raises ResourceError."""
        check_writable(self._folder)
        check_free_space(self._folder, needed_bytes)

    def newest(self, reporter: Reporter, fit: Callable[[TrainingState], None] = lambda _: None) -> TrainingState | None:
        """The newest state that can be used; damaged ones are named. None when there is none at all.

        Args:
            fit: raises WrongStateError for a state of other networks.

        Raises:
            ModelError: there are states, and none of them can be used.
        """
        paths = self._paths()
        for path in paths:
            try:
                state = self._read(path)
                _named(path, fit, state)
            except ModelError as error:
                reporter.emit(Warned(error.message, hint="the state before it is used, if there is one"))
            else:
                return state
        if paths:
            raise ModelError(
                f"{self._folder}: no saved state of the {self._stage.value} stage can be read",
                code="train.states_unreadable",
                fields={"states": self._folder / f"{self._stage.value}-*.pt"},
            )
        return None

    def clear(self) -> None:
        """Forget this stage."""
        for path in self._paths():
            path.unlink(missing_ok=True)

    def _paths(self) -> list[Path]:
        """Newest first."""
        pattern = re.compile(rf"{re.escape(self._stage.value)}-(\d+)\.pt")
        found = [(int(match[1]), path) for path in self._folder.glob("*.pt") if (match := pattern.fullmatch(path.name))]
        return [path for _, path in sorted(found, reverse=True)]

    def _read(self, path: Path) -> TrainingState:
        content = load_torch_file(path)
        try:
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()
        except (OSError, RuntimeError, ValueError, zipfile.BadZipFile) as error:
            raise ModelError(f"{path}: not a readable training state ({error})") from error
        if damaged:
            raise ModelError(f"{path}: not a readable training state ({damaged} is damaged)")
        if not isinstance(content, dict) or content.get("stage") != self._stage.value:
            raise ModelError(f"{path}: not a complete training state of the {self._stage.value} stage")
        position = content.get("position")
        if isinstance(position, dict):
            content["position"] = {ALIASES.get(key, key): value for key, value in position.items()}
        found = _named(path, checked, content)
        try:
            return TrainingState(**{**found, "position": Position(**found["position"])})
        except TypeError as error:
            raise ModelError(f"{path}: a training state of another version of sovits ({error})") from error


def _named(path: Path, check: Callable[[Any], Checked], value: object) -> Checked:
    """Do a check of what stands in a file; a problem is told with the file's name."""
    try:
        return check(value)
    except WrongStateError as error:
        raise ModelError(f"{path}: this training state {error}") from error


def check_writable(folder: Path) -> None:
    """Look whether files can be made in a folder that may have to be made itself.

    Raises:
        ResourceError: something that is no folder is in the way, or the folder is read-only.
    """
    existing = [part for part in (folder, *folder.parents) if os.path.lexists(part)]
    for part in existing:
        if not part.is_dir():
            raise ResourceError(
                f"cannot write {folder}: {part} is in the way, which is no folder",
                code="train.folder_blocked",
                fields={"path": part},
            )
    nearest = existing[0] if existing else Path()
    if not os.access(nearest, os.W_OK | os.X_OK):
        text = f"cannot write {folder}: {nearest} cannot be written into"
        raise ResourceError(text, code="train.folder_read_only")


def check_free_space(folder: Path, needed_bytes: int) -> None:
    """Look whether a file of this size fits.

    Raises:
        ResourceError: the disk has less room, or no file may be so large here.
    """
    nearest = next((part for part in (folder, *folder.parents) if part.is_dir()), Path())
    free = shutil.disk_usage(nearest).free
    if free < needed_bytes:
        raise ResourceError(
            f"cannot write {folder}: a training state takes {needed_bytes / 1e6:.1f} MB, {free / 1e6:.1f} MB are free",
            code="train.disk_full",
            fields={"folder": nearest},
        )
    with suppress(ImportError):  # Windows has no such limits
        import resource

        largest, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        if largest != resource.RLIM_INFINITY and largest < needed_bytes:
            raise write_error(folder, OSError(errno.EFBIG, os.strerror(errno.EFBIG)))
