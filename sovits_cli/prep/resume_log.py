"""What is already done: one JSON line per finished step of a clip, appended at once, so that a kill loses one clip.

Knows nothing of the steps. A line holds step, name, key (what the result depends on) and, until the tables of the
dataset are written, the result itself.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from sovits_cli.files import atomic, parse_json, refuse_link, write_error

RESUME_LOG_FILE = "prep.jsonl"


@dataclass(frozen=True)
class FinishedStep:
    """A finished step: its key, and its result if that is kept here."""

    key: str
    row: Any = None


@dataclass(frozen=True, slots=True)
class _PackedStep:
    """An entry in memory; its row as text, which is a fraction of the size of its numbers."""

    key: str
    row: bytes

    @classmethod
    def of(cls, key: str, row: Any) -> _PackedStep:
        return cls(key, json.dumps(row, separators=(",", ":")).encode())


class ResumeLog:
    """The journal of one dataset folder, open for appending. A torn last line is cut off.

    Raises:
        ResourceError: the file cannot be written.
    """

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        self._path = path
        self._entries: dict[tuple[str, str], _PackedStep] = {}
        self._writes = writes
        try:
            if writes:
                path.parent.mkdir(parents=True, exist_ok=True)
                refuse_link(path)
            self._read()
            self._handle: BinaryIO = path.open("ab", buffering=0) if writes else io.BytesIO()
        except OSError as error:
            raise write_error(path, error) from error

    @classmethod
    def read_only(cls, path: Path) -> ResumeLog:
        """What is done, for looking at: what is added to it is not kept."""
        return cls(path, writes=False)

    def __enter__(self) -> ResumeLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.close()

    def get(self, step: str, name: str) -> FinishedStep | None:
        """The last finished run of a step."""
        found = self._entries.get((step, name))
        return None if found is None else FinishedStep(found.key, json.loads(found.row))

    def add(self, step: str, name: str, key: str, row: Any = None) -> None:
        """A step is finished. On disk when this returns."""
        self._entries[step, name] = _PackedStep.of(key, row)
        self._append({"step": step, "name": name, "key": key, "row": row})

    def forget(self, step: str, name: str) -> None:
        """A result is about to be replaced: should the run end here, it belongs to no key."""
        if self._entries.pop((step, name), None):
            self._append({"step": step, "name": name, "key": None})

    def compact(self, steps: Sequence[str], names: Sequence[str], keep_rows_of: Collection[str]) -> None:
        """Rewrite the journal: these clips in this order, results only of `keep_rows_of`."""
        self._handle.close()
        lines = []
        for name in names:
            for step in steps:
                entry = self._entries.get((step, name))
                if entry is not None:
                    row = json.loads(entry.row) if step in keep_rows_of else None
                    lines.append(_line({"step": step, "name": name, "key": entry.key, "row": row}))
        with atomic(self._path, follow_links=False) as place:
            place.write_bytes(b"".join(lines))
        self._handle = self._path.open("ab", buffering=0)

    def _append(self, values: dict[str, Any]) -> None:
        line = _line(values)
        try:
            if self._handle.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise write_error(self._path, error) from error

    def _read(self) -> None:
        if not self._path.exists():
            return
        written = self._path.read_bytes()
        whole = written.rfind(b"\n") + 1
        for line in written[:whole].splitlines():
            self._take(line)
        if whole < len(written) and self._writes:
            with self._path.open("r+b") as handle:
                handle.truncate(whole)

    def _take(self, line: bytes) -> None:
        """Take one line; one that is none of ours (a damaged disk) is work to be done again."""
        try:
            values = parse_json(line)
            place = str(values["step"]), str(values["name"])
            key = values["key"]
        except (ValueError, KeyError, TypeError):
            return
        if key is None:
            self._entries.pop(place, None)
        else:
            self._entries[place] = _PackedStep.of(str(key), values.get("row"))


def _line(values: dict[str, Any]) -> bytes:
    return (
        json.dumps({key: value for key, value in values.items() if value is not None or key == "key"}).encode() + b"\n"
    )


_CHUNK_BYTES = 1 << 20
_DIGEST_BYTES = 16


def digest_of_values(*values: object) -> str:
    """Digest of plain values (what JSON can write)."""
    written = json.dumps(values, ensure_ascii=False, sort_keys=True).encode(errors="backslashreplace")
    return hashlib.blake2b(written, digest_size=_DIGEST_BYTES).hexdigest()


def digest_of_file(path: Path) -> str:
    """Digest of a file's bytes. Raises OSError."""
    state = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK_BYTES):
            state.update(chunk)
    return state.hexdigest()


def digest_of_path(path: Path) -> str:
    """Digest of a file, or of all files directly in a folder with their names. Raises OSError."""
    if path.is_file():
        return digest_of_file(path)
    inside = sorted(entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith("."))
    return digest_of_values(*((entry.name, digest_of_file(entry)) for entry in inside))
