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

from sovits_cli.checkpoints.bundle import MODEL_FILE, VOICE_FILE, BrokenModelError, models_using, pulled_files_dir
from sovits_cli.checkpoints.download import download_file, sha256_of
from sovits_cli.checkpoints.hub_protocol import RemoteFile
from sovits_cli.checkpoints.registry import PublishedModel, PublishedPart, find_published, verify_published_file
from sovits_cli.errors import ModelError
from sovits_cli.events import Note, Progress, Reporter
from sovits_cli.files import MAX_MODEL_JSON_BYTES, atomic, inside, parse_json, read_text_file, real_path
from sovits_cli.locks import held
from sovits_cli.paths import models_dir

CACHE_INDEX_FILE = "pulled.json"


@dataclass(frozen=True)
class PullResult:
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
class RemovalResult:
    """What a removal freed."""

    name: str
    files: tuple[Path, ...]
    size_bytes: int


def pull_model(name: str, reporter: Reporter) -> PullResult:
    """Fetch what is missing of a model and write its `model.json`.

    A file that is here is kept if it is the one that was pulled first, and fetched again if it is not.

    Raises:
        ModelError: there is no such model to pull.
        NetworkError: a file cannot be fetched, or is not what it should be; what is here is kept.
        ResourceError: another process pulls or removes models.
    """
    row = find_published(name)
    with held(models_dir()):
        return _pull_locked(row, reporter)


def _pull_locked(row: PublishedModel, reporter: Reporter) -> PullResult:
    fetched: list[str] = []
    kept: list[str] = []
    titles = _titles(row)
    for part, published in row.parts.items():
        for file in published.files:
            wanted = _RequiredFile(row, part, file, titles[file])
            (fetched if _ensure_file(wanted, reporter) else kept).append(file)
    folder = _write_model(row)
    size = sum((pulled_files_dir() / file).stat().st_size for file in (*fetched, *kept))
    return PullResult(row.name, folder, tuple(fetched), tuple(kept), size)


def verify_unchanged(path: Path) -> None:
    """Compare a pulled file, or the pulled files of a folder, with their first pull; others pass.

    Raises:
        ModelError: it was altered.
    """
    for file, entry in _read_cache_entries().items():
        pulled = pulled_files_dir() / file
        if pulled.is_file() and (_same(pulled, path) or real_path(path) in real_path(pulled).parents):
            found = sha256_of(pulled)
            if found != entry.sha256:
                raise ModelError(
                    f"{pulled} is not the file that was pulled: its SHA-256 begins with {found[:12]}, "
                    f"{entry.sha256[:12]} when it came from {entry.source}",
                    code="model.altered",
                    fields={"name": next(iter(models_using(pulled)), "NAME")},
                )


def remove_model(name: str) -> RemovalResult:
    """Remove an installed model, and pulled files that no other one is made of.

    Raises:
        ModelError: no such model is installed.
        ResourceError: another process pulls or removes models.
    """
    folder = models_dir() / name
    if name != folder.name or not (folder / MODEL_FILE).is_file():
        known = sorted(model.parent.name for model in models_dir().glob(f"*/{MODEL_FILE}"))
        raise ModelError(
            f"no installed model is called {name}: there are {', '.join(known) or 'none'}", code="model.unknown_name"
        )
    with held(models_dir()):
        return _remove(name, folder)


def _remove(name: str, folder: Path) -> RemovalResult:
    freed = sorted(file for file in folder.rglob("*") if file.is_file())
    size = sum(file.stat().st_size for file in freed)
    shutil.rmtree(folder)
    unused = [file for file in _read_cache_entries() if not models_using(pulled_files_dir() / file)]
    for file in unused:
        path = pulled_files_dir() / file
        if path.is_file():
            size += path.stat().st_size
            freed.append(path)
            path.unlink()
            _remove_empty(path.parent)
    _write_cache_entries({file: entry for file, entry in _read_cache_entries().items() if file not in unused})
    return RemovalResult(name, tuple(freed), size)


def voices_using(name: str, runs: Path) -> list[str]:
    """Name the voices trained here that need this model."""
    found = []
    for voice in sorted(runs.glob(f"*/{VOICE_FILE}")):
        try:
            record = parse_json(read_text_file(voice, "a JSON file", max_bytes=MAX_MODEL_JSON_BYTES))
        except (ModelError, ValueError):
            continue  # `list` says what is wrong with it
        if isinstance(record, dict) and record.get("base") in (name, str(models_dir() / name)):
            found.append(voice.parent.name)
    return found


def _titles(row: PublishedModel) -> dict[str, str]:
    """What to call files while they come: their name, and whose it is where several have it."""
    count = Counter(PurePosixPath(file).name for part in row.parts.values() for file in part.files)
    return {
        file: name if count[name] == 1 else f"{owner}/{name}"
        for owner, part in row.parts.items()
        for file, name in ((file, PurePosixPath(file).name) for file in part.files)
    }


@dataclass(frozen=True)
class _RequiredFile:
    """A file that a model needs: the model, the part, its published path, and what to call it while it comes."""

    row: PublishedModel
    part: str
    file: str
    title: str

    @property
    def published(self) -> PublishedPart:
        """Its row in the table."""
        return self.row.parts[self.part]

    def verify(self, path: Path) -> str:
        """Say what came. Raises ModelError: something else."""
        return verify_published_file(path, self.row, self.part, self.file)


def _ensure_file(wanted: _RequiredFile, reporter: Reporter) -> bool:
    """Have one file; True if it had to be fetched."""
    path, entry = pulled_files_dir() / wanted.file, _read_cache_entries().get(wanted.file)
    pin = wanted.published.pin(wanted.file)
    # What a file has to be: known beforehand (no published one is, yet), or what it was at its first pull, if somebody
    # looked at it then. A file that is here and is that is kept; any other is fetched again.
    sha256 = pin.sha256 or (entry.sha256 if entry is not None and entry.what else None)
    if path.is_file():
        problem = _problem(path, wanted, sha256 or (entry.sha256 if entry else None))
        if problem is None and entry is not None:
            if not entry.what:  # an earlier version believed the hub, and did not look at the file
                _add_cache_entry(wanted.file, replace(entry, what=wanted.verify(path)))
            return False
        reporter.emit(Note(f"{path} {problem or 'is not known'}: fetching it again"))
    remote = RemoteFile(wanted.published.repo, wanted.file, pin.size_bytes)

    def on_progress(here: int, total: int | None) -> None:
        unit, size = ("kB", 1e3) if total is not None and total < 1e6 else ("MB", 1e6)
        whole = None if total is None else round(total / size, 1)
        reporter.emit(Progress(wanted.title, round(here / size, 1), whole, unit))

    def on_note(text: str) -> None:
        reporter.emit(Note(text))

    found = download_file(remote, path, sha256=sha256, verify=wanted.verify, on_progress=on_progress, on_note=on_note)
    _add_cache_entry(wanted.file, _CacheEntry(str(remote), found.sha256, found.what, found.revision or ""))
    return True


def _problem(path: Path, wanted: _RequiredFile, sha256: str | None) -> str | None:
    """What is wrong with a file that is here, in words that follow its name."""
    if sha256 is not None and sha256_of(path) != sha256:
        return "is not the file that was pulled first"
    try:
        wanted.verify(path)
    except ModelError as error:
        why = error.why if isinstance(error, BrokenModelError) else error.message
        return why.removeprefix(f"{path} ")
    return None


def _write_model(row: PublishedModel) -> Path:
    """Say which files a model is made of."""
    folder = models_dir() / row.name
    parts = {
        part: os.path.relpath(pulled_files_dir() / published.path, folder) for part, published in row.parts.items()
    }
    whole = {"name": row.name, "version": row.version, "licence": row.licence, **parts}
    with atomic(folder / MODEL_FILE, follow_links=False) as temporary:
        temporary.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    return folder


@dataclass(frozen=True)
class _CacheEntry:
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
    def from_json(cls, record: dict[str, Any]) -> _CacheEntry:
        """As it is read; earlier versions of ours wrote less."""
        return cls(
            str(record["from"]), str(record["sha256"]), str(record.get("is", "")), str(record.get("revision", ""))
        )

    def to_json(self) -> dict[str, str]:
        """As it is written."""
        record = {"from": self.source, "sha256": self.sha256, "is": self.what, "revision": self.revision}
        return {key: value for key, value in record.items() if value}


def _read_cache_entries() -> dict[str, _CacheEntry]:
    """What was pulled, by path."""
    path = pulled_files_dir() / CACHE_INDEX_FILE
    if not path.is_file():
        return {}
    try:
        found: Any = parse_json(path.read_text(encoding="utf-8"))
        for file in found:
            inside(pulled_files_dir(), file)
        return {str(file): _CacheEntry.from_json(record) for file, record in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} cannot be read: {error!r}", hint=f"remove {path} and pull again") from error


def _add_cache_entry(file: str, entry: _CacheEntry) -> None:
    _write_cache_entries({**_read_cache_entries(), file: entry})


def _write_cache_entries(record: dict[str, _CacheEntry]) -> None:
    path = pulled_files_dir() / CACHE_INDEX_FILE
    if record or path.is_file():
        with atomic(path, follow_links=False) as temporary:
            whole = {file: entry.to_json() for file, entry in record.items()}
            temporary.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def _remove_empty(folder: Path) -> None:
    """Remove a folder, and those above it, as long as they are empty."""
    while folder != models_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _same(one: Path, other: Path) -> bool:
    return real_path(one) == real_path(other)
