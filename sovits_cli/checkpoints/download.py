"""One file from the hub: fetched, resumed where it broke off, checked, and only then given its name.

Knows nothing of models: who asks for a file says how it is verified.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path

from sovits_cli.checkpoints.hub_client import HubClient
from sovits_cli.checkpoints.hub_protocol import RETRY, InterruptedTransferError, RemoteFile, RemoteInfo
from sovits_cli.errors import ModelError, NetworkError, ResourceError
from sovits_cli.files import write_error

OnProgress = Callable[[int, int | None], None]
"""Called with the bytes that are here, and all, where that is known."""

Verify = Callable[[Path], str]
"""Says what a file is. Raises ModelError: it is not what it should be."""

# A file on its way:
#
#   HEAD      size and checksum (ETag): SHA-256 of a large file, the git blob name (SHA-1) of a small one
#   GET       .NAME.<12 digits of the checksum>.partial  grows; the name ties it to one content
#     broke   GET with "Range: bytes=<size of .partial>-"; 206 goes on there, 200 begins anew
#   verify    SHA-256 of the whole against what is known beforehand, what the hub says, and what was first pulled
#             then the caller's `verify`: kind and version of a model by its content
#   rename    .partial -> NAME, which is atomic: NAME is whole or not there; stale .partial of other contents go
#
# A .partial that fails its checksum is removed, and fetched once more if it had been begun by an earlier run.

PARTIAL = ".partial"
_BLOCK = 1 << 20
_REPORT_EVERY_BYTES = 1 << 22
_TRIES = 5
_PAUSE_S = 1.0
_WORTH_BYTES = 1 << 20
"""A try that brings so much begins the count of tries anew."""


@dataclass(frozen=True)
class DownloadResult:
    """A file that is here now.

    Args:
        sha256: of its content.
        revision: commit of the repository that it came from, where the hub says it.
        what: what it was verified as.
    """

    sha256: str
    revision: str | None
    what: str


def download_file(
    remote: RemoteFile,
    target: Path,
    *,
    sha256: str | None = None,
    verify: Verify | None = None,
    on_progress: OnProgress | None = None,
    on_note: Callable[[str], None] | None = None,
) -> DownloadResult:
    """Fetch a file to `target`, going on with what an earlier try left.

    Args:
        sha256: what its digest has to be, where that is known; what the hub says of it is checked in any case.
        verify: looks at what came before it gets its name, and returns its kind in words.
        on_progress: is given the bytes that are here, and of all.
        on_note: is given what the user should know.

    Raises:
        NetworkError: it cannot be reached, broke off too often, or is not the file it should be.
        ResourceError: the disk is full or the folder cannot be written.
    """
    with HubClient() as hub:
        info = hub.describe(remote)
        if sha256 is not None and info.sha256 not in (None, sha256):
            raise _checksum_error(remote, sha256, info.checksum)
        partial = target.with_name(f".{target.name}.{hashlib.sha256(info.checksum.encode()).hexdigest()[:12]}{PARTIAL}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            found = _download_verified(
                _Source(hub, remote, info, on_note or _ignore), partial, sha256, on_progress or _ignore
            )
            what = _verified(remote, partial, verify)
            partial.replace(target)
            _remove_stale_partials(target)
        except OSError as error:
            raise write_error(target, error) from error
    return DownloadResult(found, info.revision, what)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class _Source:
    """Where a file comes from."""

    hub: HubClient
    remote: RemoteFile
    info: RemoteInfo
    on_note: Callable[[str], None]


def _download_verified(source: _Source, partial: Path, sha256: str | None, on_progress: OnProgress) -> str:
    """The SHA-256 of the file, which is here now; begun anew if what an earlier try left turns out to be another."""
    was_begun = partial.is_file()
    _transfer(source, partial, on_progress)
    try:
        return _verified_sha256(source.remote, source.info, partial, sha256)
    except NetworkError:
        if not was_begun:
            raise
    _transfer(source, partial, on_progress)
    return _verified_sha256(source.remote, source.info, partial, sha256)


def _transfer(source: _Source, partial: Path, on_progress: OnProgress) -> None:
    """Fetch what is missing of the file, with as many tries as are worth it."""
    size = source.info.size
    here = partial.stat().st_size if partial.is_file() and size is not None else 0
    here = here if here <= (size or 0) else 0  # longer than announced: it is of something else
    _check_room(partial, size, here)
    tries = 0
    with partial.open("r+b" if here else "w+b") as file:
        file.seek(here)
        while file.tell() != size:
            before = file.tell()
            try:
                _receive(source, file, on_progress)
                if size is None:
                    return
            except InterruptedTransferError:
                # A slow line that keeps bringing something is never given up; one that brings nothing is, soon.
                tries = 1 if file.tell() - before >= _WORTH_BYTES else tries + 1
                if tries >= _TRIES:
                    raise
                time.sleep(_PAUSE_S)


def _receive(source: _Source, file: BufferedRandom, on_progress: OnProgress) -> None:
    """Take what comes in one answer, never more than was announced."""
    size, last = source.info.size, file.tell()
    limit = source.remote.max_bytes if size is None else size
    with source.hub.blocks(source.info, source.remote, start=last, on_note=source.on_note) as (start, blocks):
        file.seek(start)
        file.truncate()
        for block in blocks:
            if file.tell() + len(block) > limit:
                raise NetworkError(
                    f"{source.remote} cannot be fetched: more than {limit} bytes come", hint="name another mirror"
                )
            file.write(block)
            here = file.tell()
            if abs(here - last) >= _REPORT_EVERY_BYTES or here == size:
                last = here
                on_progress(here, size)
    if size is not None and file.tell() < size:
        raise InterruptedTransferError(
            f"{source.remote} cannot be fetched: {file.tell()} of {size} bytes came", hint=RETRY
        )


def _verified_sha256(remote: RemoteFile, info: RemoteInfo, partial: Path, sha256: str | None) -> str:
    """The SHA-256 of what came, if it is what was known beforehand and what the hub says."""
    found = sha256_of(partial)
    wanted = sha256 or info.sha256 or found
    if found != wanted or (info.sha256 is None and _git_blob(partial) != info.checksum):
        partial.unlink()
        raise _checksum_error(remote, wanted, found)
    return found


def _verified(remote: RemoteFile, partial: Path, verify: Verify | None) -> str:
    """What came, in words; it is removed if it is something else than it should be."""
    try:
        return verify(partial) if verify else ""
    except ModelError as error:
        partial.unlink()
        raise NetworkError(
            f"{remote} is not the file it should be: {error.message.removeprefix(f'{partial} ')}",
            hint="try again; if it stays so, the mirror (HF_ENDPOINT) is not to be trusted",
        ) from error


def _remove_stale_partials(target: Path) -> None:
    """Remove what was begun of other contents of this file."""
    for other in target.parent.glob(f".{'[[]'.join(target.name.split('['))}.*{PARTIAL}"):
        other.unlink(missing_ok=True)


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


def _checksum_error(remote: RemoteFile, wanted: str, found: str) -> NetworkError:
    return NetworkError(
        f"{remote} is not the file it should be: its SHA-256 begins with {found[:12]}, expected {wanted[:12]}",
        hint="try again; if it stays so, the mirror (HF_ENDPOINT) is not to be trusted",
    )


def _ignore(*_: object) -> None:
    """Told, and keeps it to itself."""
