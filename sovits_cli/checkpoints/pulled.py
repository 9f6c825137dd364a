"""Models from the hub: pulled, checked against what was first pulled, and removed.

    models/files/…              every pulled file once, laid out as the official `pretrained_models/`
    models/files/pulled.json    where each came from, its SHA-256 when it was first pulled, what it was recognised as
    models/<name>/model.json    a model: which of the files it is made of

Models share files, so that the second version one pulls is small. Knows no networks.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from sovits_cli.checkpoints.arrival import recognised
from sovits_cli.checkpoints.catalogue import VOICE_FILE
from sovits_cli.checkpoints.download import digest, fetch
from sovits_cli.checkpoints.hub_client import Remote
from sovits_cli.checkpoints.installed import MODEL_FILE, BrokenModelError, pulled_files, users
from sovits_cli.checkpoints.opening import MAX_MODEL_JSON_BYTES, read_text
from sovits_cli.checkpoints.registry import Part, Pullable, pullable
from sovits_cli.errors import ModelError
from sovits_cli.events import Note, Progress, Reporter
from sovits_cli.files import atomic, inside, parse_json, real_path
from sovits_cli.locks import held
from sovits_cli.paths import models_dir

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
    for part, said in row.parts.items():
        for file in said.files:
            wanted = _Wanted(row, part, file, titles[file])
            (fetched if _ensure(wanted, reporter) else kept).append(file)
    folder = _write_model(row)
    size = sum((pulled_files() / file).stat().st_size for file in (*fetched, *kept))
    return Pulled(row.name, folder, tuple(fetched), tuple(kept), size)


def check(path: Path) -> None:
    """Compare a pulled file, or the pulled files of a folder, with their first pull; others pass.

    Raises:
        ModelError: it was altered.
    """
    for file, said in _record().items():
        place = pulled_files() / file
        if place.is_file() and (_same(place, path) or real_path(path) in real_path(place).parents):
            found = digest(place)
            if found != said.sha256:
                raise ModelError(
                    f"{place} is not the file that was pulled: its SHA-256 begins with {found[:12]}, "
                    f"{said.sha256[:12]} when it came from {said.source}",
                    hint=f"sovits models pull {next(iter(users(place)), 'NAME')} fetches it again",
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
    unused = [file for file in _record() if not users(pulled_files() / file)]
    for file in unused:
        place = pulled_files() / file
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
            said = parse_json(read_text(place, "a JSON file", most_bytes=MAX_MODEL_JSON_BYTES))
        except (ModelError, ValueError):
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


@dataclass(frozen=True)
class _Wanted:
    """A file that a model needs: the model, the part, its published path, and what to call it while it comes."""

    row: Pullable
    part: str
    file: str
    title: str

    @property
    def published(self) -> Part:
        """Its row in the table."""
        return self.row.parts[self.part]

    def recognise(self, path: Path) -> str:
        """Say what came. Raises ModelError: something else."""
        return recognised(path, self.row, self.part, self.file)


def _ensure(wanted: _Wanted, reporter: Reporter) -> bool:
    """Have one file; True if it had to be fetched."""
    place, said = pulled_files() / wanted.file, _record().get(wanted.file)
    pin = wanted.published.pin(wanted.file)
    sha256 = pin.sha256 or (said.sha256 if said is not None and said.what else None)
    if place.is_file():
        problem = _problem(place, wanted, sha256 or (said.sha256 if said else None))
        if problem is None and said is not None:
            if not said.what:  # an earlier version noted what it was told, and did not look
                _note(wanted.file, replace(said, what=wanted.recognise(place)))
            return False
        reporter.emit(Note(f"{place} {problem or 'is not known'}: fetching it again"))
    remote = Remote(wanted.published.repo, wanted.file, pin.size_bytes)

    def heard(here: int, total: int | None) -> None:
        unit, size = ("kB", 1e3) if total is not None and total < 1e6 else ("MB", 1e6)
        whole = None if total is None else round(total / size, 1)
        reporter.emit(Progress(wanted.title, round(here / size, 1), whole, unit))

    def told(text: str) -> None:
        reporter.emit(Note(text))

    found = fetch(remote, place, sha256=sha256, recognise=wanted.recognise, heard=heard, told=told)
    _note(wanted.file, _Record(str(remote), found.sha256, found.what, found.revision or ""))
    return True


def _problem(place: Path, wanted: _Wanted, sha256: str | None) -> str | None:
    """What is wrong with a file that is here, in words that follow its name."""
    if sha256 is not None and digest(place) != sha256:
        return "is not the file that was pulled first"
    try:
        wanted.recognise(place)
    except ModelError as error:
        why = error.why if isinstance(error, BrokenModelError) else error.message
        return why.removeprefix(f"{place} ")
    return None


def _write_model(row: Pullable) -> Path:
    """Say which files a model is made of."""
    folder = models_dir() / row.name
    parts = {part: os.path.relpath(pulled_files() / said.place, folder) for part, said in row.parts.items()}
    whole = {"name": row.name, "version": row.version, "licence": row.licence, **parts}
    with atomic(folder / MODEL_FILE, follow_links=False) as temporary:
        temporary.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    return folder


@dataclass(frozen=True)
class _Record:
    """What is noted of a pulled file.

    Args:
        source: repository and path.
        sha256: when it was first pulled.
        what: what it was recognised as; empty where a version of ours pulled it that did not look.
        revision: commit of the repository, where the hub said it.
    """

    source: str
    sha256: str
    what: str = ""
    revision: str = ""

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> _Record:
        """As it is read; earlier versions of ours wrote less."""
        return cls(str(said["from"]), str(said["sha256"]), str(said.get("is", "")), str(said.get("revision", "")))

    def to_json(self) -> dict[str, str]:
        """As it is written."""
        said = {"from": self.source, "sha256": self.sha256, "is": self.what, "revision": self.revision}
        return {key: value for key, value in said.items() if value}


def _record() -> dict[str, _Record]:
    """What was pulled, by path."""
    place = pulled_files() / RECORD_FILE
    if not place.is_file():
        return {}
    try:
        found: Any = parse_json(place.read_text(encoding="utf-8"))
        for file in found:
            inside(pulled_files(), file)
        return {str(file): _Record.from_json(said) for file, said in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{place} cannot be read: {error!r}", hint=f"remove {place} and pull again") from error


def _note(file: str, said: _Record) -> None:
    _write_record({**_record(), file: said})


def _write_record(record: dict[str, _Record]) -> None:
    place = pulled_files() / RECORD_FILE
    if record or place.is_file():
        with atomic(place, follow_links=False) as temporary:
            whole = {file: said.to_json() for file, said in record.items()}
            temporary.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def _remove_empty(folder: Path) -> None:
    """Remove a folder, and those above it, as long as they are empty."""
    while folder != models_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _same(one: Path, other: Path) -> bool:
    return real_path(one) == real_path(other)
