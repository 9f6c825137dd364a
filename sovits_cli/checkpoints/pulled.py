"""Models from the hub: pulled, checked against what was first pulled, and removed.

    models/files/…              every pulled file once, laid out as the official `pretrained_models/`
    models/files/pulled.json    where each came from and its SHA-256 when it was first pulled
    models/<name>/model.json    a model: which of the files it is made of

Models share files, so that the second version one pulls is small. Knows no networks.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sovits_cli.checkpoints.catalogue import MODEL_FILE, VOICE_FILE
from sovits_cli.checkpoints.download import Remote, digest, fetch
from sovits_cli.checkpoints.registry import Part, Pullable, pullable
from sovits_cli.errors import ModelError
from sovits_cli.events import Note, Progress, Reporter
from sovits_cli.files import atomic
from sovits_cli.locks import held
from sovits_cli.paths import models_dir

FILES_FOLDER = "files"
RECORD_FILE = "pulled.json"


@dataclass(frozen=True)
class Pulled:
    """What a pull did.

    Args:
        name: of the model.
        folder: where its `model.json` is.
        fetched: files that came from the hub now.
        kept: files that were here.
        size_bytes: of all its files.
    """

    name: str
    folder: Path
    fetched: tuple[str, ...]
    kept: tuple[str, ...]
    size_bytes: int


@dataclass(frozen=True)
class Removed:
    """What a removal freed."""

    name: str
    files: tuple[Path, ...]
    size_bytes: int


def pull(name: str, reporter: Reporter) -> Pulled:
    """Fetch what is missing of a model and write its `model.json`.

    A file that is here is kept if it is the one that was pulled first, and fetched again if it is not.

    Raises:
        ModelError: there is no such model to pull.
        NetworkError: a file cannot be fetched, or is not what it should be; what is here is kept.
        ResourceError: another process pulls or removes models.
    """
    row = pullable(name)
    with held(models_dir()):
        return _pull(row, reporter)


def _pull(row: Pullable, reporter: Reporter) -> Pulled:
    fetched: list[str] = []
    kept: list[str] = []
    titles = _titles(row)
    for part in row.parts.values():
        for file in part.files:
            (fetched if _ensure(part, file, titles[file], reporter) else kept).append(file)
    folder = _write_model(row)
    size = sum((_files_dir() / file).stat().st_size for file in (*fetched, *kept))
    return Pulled(row.name, folder, tuple(fetched), tuple(kept), size)


def check(path: Path) -> None:
    """Compare a pulled file, or the pulled files of a folder, with their first pull; others pass.

    Raises:
        ModelError: it was altered.
    """
    for file, said in _record().items():
        place = _files_dir() / file
        if place.is_file() and (_same(place, path) or path.resolve() in place.resolve().parents):
            found = digest(place)
            if found != said["sha256"]:
                raise ModelError(
                    f"{place} is not the file that was pulled: its SHA-256 begins with {found[:12]}, "
                    f"{said['sha256'][:12]} when it came from {said['from']}",
                    hint="sovits models pull NAME fetches it again",
                )


def remove(name: str) -> Removed:
    """Remove an installed model, and pulled files that no other one is made of.

    Raises:
        ModelError: no such model is installed.
        ResourceError: another process pulls or removes models.
    """
    folder = models_dir() / name
    if name != folder.name or not (folder / MODEL_FILE).is_file():
        known = sorted(place.parent.name for place in models_dir().glob(f"*/{MODEL_FILE}"))
        raise ModelError(
            f"no installed model is called {name}: there are {', '.join(known) or 'none'}", hint="sovits models list"
        )
    with held(models_dir()):
        return _remove(name, folder)


def _remove(name: str, folder: Path) -> Removed:
    freed = sorted(file for file in folder.rglob("*") if file.is_file())
    size = sum(file.stat().st_size for file in freed)
    shutil.rmtree(folder)
    unused = [
        file for file in _record() if not any(_uses(place, file) for place in models_dir().glob(f"*/{MODEL_FILE}"))
    ]
    for file in unused:
        place = _files_dir() / file
        if place.is_file():
            size += place.stat().st_size
            freed.append(place)
            place.unlink()
            _remove_empty(place.parent)
    _write_record({file: said for file, said in _record().items() if file not in unused})
    return Removed(name, tuple(freed), size)


def voices_on(name: str, runs: Path) -> list[str]:
    """Name the voices trained here that need this model."""
    found = []
    for place in sorted(runs.glob(f"*/{VOICE_FILE}")):
        try:
            said = json.loads(place.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # `list` says what is wrong with it
        if isinstance(said, dict) and said.get("base") in (name, str(models_dir() / name)):
            found.append(place.parent.name)
    return found


def _titles(row: Pullable) -> dict[str, str]:
    """What to call files while they come: their name, and whose it is where several have it."""
    count = Counter(PurePosixPath(file).name for part in row.parts.values() for file in part.files)
    return {
        file: name if count[name] == 1 else f"{owner}/{name}"
        for owner, part in row.parts.items()
        for file, name in ((file, PurePosixPath(file).name) for file in part.files)
    }


def _ensure(part: Part, file: str, title: str, reporter: Reporter) -> bool:
    """Have one file; True if it had to be fetched."""
    place, said = _files_dir() / file, _record().get(file)
    wanted = dict(part.sha256).get(file) or (said["sha256"] if said else None)
    if wanted is not None and place.is_file():
        if digest(place) == wanted:
            return False
        reporter.emit(Note(f"{place} is not the file that was pulled first: fetching it again"))
    remote = Remote(part.repo, file)

    def heard(here: int, total: int | None) -> None:
        unit, size = ("kB", 1e3) if total is not None and total < 1e6 else ("MB", 1e6)
        whole = None if total is None else round(total / size, 1)
        reporter.emit(Progress(title, round(here / size, 1), whole, unit))

    found = fetch(remote, place, sha256=wanted, heard=heard)
    _write_record({**_record(), file: {"from": str(remote), "sha256": found}})
    return True


def _write_model(row: Pullable) -> Path:
    """Say which files a model is made of."""
    folder = models_dir() / row.name
    parts = {part: os.path.relpath(_files_dir() / said.place, folder) for part, said in row.parts.items()}
    whole = {"name": row.name, "version": row.version, "licence": row.licence, **parts}
    with atomic(folder / MODEL_FILE) as temporary:
        temporary.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    return folder


def _uses(model: Path, file: str) -> bool:
    """Whether a model is made of a pulled file; one that cannot be read may be."""
    try:
        said = json.loads(model.read_text(encoding="utf-8"))
        places = [(model.parent / value).resolve() for value in said.values() if isinstance(value, str)]
    except (OSError, ValueError, AttributeError):
        return True
    wanted = (_files_dir() / file).resolve()
    return any(wanted == place or place in wanted.parents for place in places if place != model.parent.resolve())


def _files_dir() -> Path:
    return models_dir() / FILES_FOLDER


def _record() -> dict[str, dict[str, str]]:
    """What was pulled, by path."""
    place = _files_dir() / RECORD_FILE
    if not place.is_file():
        return {}
    try:
        found: Any = json.loads(place.read_text(encoding="utf-8"))
        return {str(file): {"from": str(said["from"]), "sha256": str(said["sha256"])} for file, said in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{place} cannot be read: {error!r}", hint=f"remove {place} and pull again") from error


def _write_record(record: dict[str, dict[str, str]]) -> None:
    if record or (_files_dir() / RECORD_FILE).is_file():
        with atomic(_files_dir() / RECORD_FILE) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _remove_empty(folder: Path) -> None:
    """Remove a folder, and those above it, as long as they are empty."""
    while folder != models_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
