"""What is already done: one JSON line per finished step of a clip, appended at once, so that a kill loses one clip.

    {"step": "content", "name": "a.wav", "key": "5f2c..."}                   done, for inputs of this digest
    {"step": "semantic", "name": "a.wav", "key": "91ab...", "row": [4, 7]}   with its result, until the tables hold it
    {"step": "content", "name": "a.wav", "key": null}                        withdrawn: about to be done again

The last line of a step and name counts. Knows nothing of the steps. Keys are digests of all that a result depends on.
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

_CHUNK_BYTES = 1 << 20
_DIGEST_BYTES = 16


@dataclass(frozen=True)
class FinishedStep:
    """A finished step of a clip: its key, and its result if that is kept here."""

    key: str
    row: Any = None


@dataclass(frozen=True, slots=True)
class _PackedStep:
    """A finished step in memory; its row as text, which is a fraction of the size of its numbers."""

    key: str
    row: bytes

    @classmethod
    def of(cls, key: str, row: Any) -> _PackedStep:
        return cls(key, json.dumps(row, separators=(",", ":")).encode())


class ResumeLog:
    """The log of one dataset folder, open for appending. A torn last line is cut off.

    Raises:
        ResourceError: the file cannot be written.
    """

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        self._path = path
        self._steps: dict[tuple[str, str], _PackedStep] = {}
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
        """Open a log to look at what is done: what is added to it is not kept."""
        return cls(path, writes=False)

    def __enter__(self) -> ResumeLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.close()

    def get(self, step: str, name: str) -> FinishedStep | None:
        """The last finished run of a step for a clip."""
        packed = self._steps.get((step, name))
        return None if packed is None else FinishedStep(packed.key, json.loads(packed.row))

    def add(self, step: str, name: str, key: str, row: Any = None) -> None:
        """Note that a step is finished. On disk when this returns.

        Args:
            step: its name.
            name: of the clip.
            key: digest of all that the result depends on.
            row: the result, if it is kept here.
        """
        self._steps[step, name] = _PackedStep.of(key, row)
        self._append({"step": step, "name": name, "key": key, "row": row})

    def forget(self, step: str, name: str) -> None:
        """Note that a result is about to be replaced: should the run end here, it belongs to no key."""
        if self._steps.pop((step, name), None):
            self._append({"step": step, "name": name, "key": None})

    def compact(self, steps: Sequence[str], names: Sequence[str], keep_rows_of: Collection[str]) -> None:
        """Rewrite the log: these clips in this order, results only of `keep_rows_of`."""
        self._handle.close()
        lines = []
        for name in names:
            for step in steps:
                packed = self._steps.get((step, name))
                if packed is not None:
                    row = json.loads(packed.row) if step in keep_rows_of else None
                    lines.append(_line({"step": step, "name": name, "key": packed.key, "row": row}))
        with atomic(self._path, follow_links=False) as temporary:
            temporary.write_bytes(b"".join(lines))
        self._handle = self._path.open("ab", buffering=0)

    def _append(self, values: dict[str, Any]) -> None:
        line = _line(values)
        try:
            # Not buffered: one write is one line, and a short count is a full disk.
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
            step_of_clip = str(values["step"]), str(values["name"])
            key = values["key"]
        except (ValueError, KeyError, TypeError):
            return
        if key is None:
            self._steps.pop(step_of_clip, None)
        else:
            self._steps[step_of_clip] = _PackedStep.of(str(key), values.get("row"))


def _line(values: dict[str, Any]) -> bytes:
    kept = {key: value for key, value in values.items() if value is not None or key == "key"}
    return json.dumps(kept).encode() + b"\n"


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
