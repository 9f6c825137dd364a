"""What a result depends on, as a short digest: of files, of folders, of values."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

_CHUNK_BYTES = 1 << 20
_DIGEST_BYTES = 16


def of_values(*values: object) -> str:
    """Digest of plain values (what JSON can write)."""
    written = json.dumps(values, ensure_ascii=False, sort_keys=True).encode(errors="backslashreplace")
    return hashlib.blake2b(written, digest_size=_DIGEST_BYTES).hexdigest()


def of_file(path: Path) -> str:
    """Digest of a file's bytes. Raises OSError."""
    state = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK_BYTES):
            state.update(chunk)
    return state.hexdigest()


def of_place(path: Path) -> str:
    """Digest of a file, or of all files directly in a folder with their names. Raises OSError."""
    if path.is_file():
        return of_file(path)
    inside = sorted(entry for entry in path.iterdir() if entry.is_file() and not entry.name.startswith("."))
    return of_values(*((entry.name, of_file(entry)) for entry in inside))
