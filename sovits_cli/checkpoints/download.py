"""One file from the hub: fetched, resumed where it broke off, checked, and only then given its name.

The hub's addresses, metadata and transfer are huggingface_hub's, so mirrors (HF_ENDPOINT) and proxies work as there.
No token is sent. Knows nothing of models.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedRandom, FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sovits_cli import __version__
from sovits_cli.errors import NetworkError, ResourceError
from sovits_cli.files import write_error

if TYPE_CHECKING:
    from huggingface_hub import HfFileMetadata

Heard = Callable[[int, int | None], None]
"""Told of the bytes that are here, and of all, where that is known."""

PARTIAL = ".partial"
_BLOCK = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GIT_BLOB = re.compile(r"[0-9a-f]{40}")
_REPORT_EVERY_BYTES = 1 << 22


@dataclass(frozen=True)
class Remote:
    """A file on the hub: repository, and path in it."""

    repo: str
    path: str

    def __str__(self) -> str:
        return f"{self.repo}/{self.path}"


def fetch(remote: Remote, target: Path, *, sha256: str | None = None, heard: Heard | None = None) -> str:
    """Fetch a file to `target`, going on with what an earlier try left.

    Args:
        sha256: what its digest has to be, where that is known; what the hub announces is checked in any case.
        heard: of the progress.

    Returns:
        Its SHA-256.

    Raises:
        NetworkError: it cannot be reached, broke off too often, or is not the file it should be.
        ResourceError: the disk is full or the folder cannot be written.
    """
    said = _said(remote)
    announced = said.etag or ""
    if sha256 is not None and _SHA256.fullmatch(announced) and announced != sha256:
        raise _altered(remote, sha256, announced)
    partial = target.with_name(f".{target.name}.{hashlib.sha256(announced.encode()).hexdigest()[:12]}{PARTIAL}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _transfer(remote, said, partial, heard)
        found = digest(partial)
        wanted = sha256 or (announced if _SHA256.fullmatch(announced) else found)
        if found != wanted or (_GIT_BLOB.fullmatch(announced) and _git_blob(partial) != announced):
            partial.unlink()
            raise _altered(remote, wanted, found)
        partial.replace(target)
    except OSError as error:
        raise write_error(target, error) from error
    return found


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _said(remote: Remote) -> HfFileMetadata:
    """What the hub says of the file: where it lies, its size and its tag."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(remote.repo, remote.path, endpoint=os.environ.get("HF_ENDPOINT") or None)
    with _translated(remote):
        return get_hf_file_metadata(url, token=False, library_name="sovits", library_version=__version__)


def _transfer(remote: Remote, said: HfFileMetadata, partial: Path, heard: Heard | None) -> None:
    """Fetch what is missing of the file."""
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers, disable_progress_bars  # type: ignore[attr-defined]

    disable_progress_bars()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # what fails is told by us
    here = partial.stat().st_size if partial.is_file() else 0
    if said.size is not None and here > said.size:
        here = 0
    _check_room(partial, said.size, here)
    headers = build_hf_headers(token=False, library_name="sovits", library_version=__version__)
    with BufferedRandom(_Watched(partial, here, said.size, heard)) as file, _translated(remote):
        http_get(said.location, file, resume_size=here, headers=headers, expected_size=said.size)


class _Watched(FileIO):
    """A file that is written from `start` on, and tells how much there is."""

    def __init__(self, path: Path, start: int, total: int | None, heard: Heard | None) -> None:
        super().__init__(path, "r+b" if start else "w+b")
        self.seek(start)
        self._total, self._heard, self._told = total, heard, start

    def write(self, block: Any) -> int:
        """Write, and tell."""
        written = super().write(block)
        here = self.tell()
        if self._heard is not None and (abs(here - self._told) >= _REPORT_EVERY_BYTES or here == self._total):
            self._told = here
            self._heard(here, self._total)
        return written


class _translated:  # noqa: N801 - reads as a verb where it is used
    """Turns the errors of the hub library, and of the HTTP library below it, into ours."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

        http_error = HfHubHTTPError.__bases__[0]  # of whichever library the hub's own builds on
        if isinstance(error, EntryNotFoundError):
            raise NetworkError(
                f"{self._remote} is not on the hub any more", hint="pip install --upgrade sovits"
            ) from error
        if isinstance(error, http_error) or _is_transport(error):
            raise NetworkError(
                f"{self._remote} cannot be fetched: {_reason(error)}",
                hint="try again: what is here already is kept; HF_ENDPOINT=https://… names a mirror",
            ) from error


def _is_transport(error: BaseException | None) -> bool:
    """Sockets, and sizes that do not fit; not our own disk, whose errors carry a file name or a full disk."""
    if not isinstance(error, OSError):
        return False
    return isinstance(error, ConnectionError | TimeoutError) or error.errno is None


def _check_room(partial: Path, size: int | None, here: int) -> None:
    free = shutil.disk_usage(partial.parent).free
    if size is not None and size - here > free:
        raise ResourceError(
            f"{partial.parent} has {free / 1e9:.1f} GB free: {(size - here) / 1e9:.1f} GB are to come",
            hint="free some space, or move everything with SOVITS_HOME",
        )


def _git_blob(path: Path) -> str:
    """The name git has for the file, which the hub says of small files."""
    state = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            state.update(block)
    return state.hexdigest()


def _altered(remote: Remote, wanted: str, found: str) -> NetworkError:
    return NetworkError(
        f"{remote} is not the file it should be: its SHA-256 begins with {found[:12]}, expected {wanted[:12]}",
        hint="try again; if it stays so, the mirror (HF_ENDPOINT) is not to be trusted",
    )


def _reason(error: BaseException | None) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__)[:200]
