"""One writer per folder: whoever writes into it holds its lock, and a second one is told who is there.

    .sovits.lock        what is locked; empty
    .sovits.lock.json   who holds it: {"pid": 4711, "host": "studio", "since": "2026-11-27T08:30:00+00:00"}

Both are gone when nobody works there. The order of things, so that neither a crash nor a race leaves a false lock:

    first                                   second
    open .sovits.lock, flock it
    write .sovits.lock.json                 open .sovits.lock, flock it: taken
    clear leftovers of dead processes       read .sovits.lock.json (again for a second: it may not be there yet)
    ... work ...                            ResourceError "another sovits (pid 4711, since ...) works here"
    remove .sovits.lock.json
    remove .sovits.lock                     had opened the file before it was removed: holds one that has no name,
    unlock                                  notices that `.sovits.lock` is not there, and locks anew

What it relies on. The lock is the kernel's (`flock`, on Windows `LockFileEx`, by the library filelock), so it ends with
the process that holds it, however that ends: files that a killed one left lock nobody out. The second file only says
who it is. Between machines the lock is as good as that of the network file system: NFS 4 (and 3 with its lock daemon),
SMB, and Lustre mounted with `flock` keep it. Where a file system has no locks at all, filelock makes do with a file
that names the process and its machine: a dead holder is then noticed on its own machine only. Programs that do not
ask for the lock are not kept out; reading needs none, as files are replaced whole.

Whoever takes the lock clears away what killed processes left half-written in the folder and those directly in it.

Not needed for files that any number of processes may write with the same content, each renamed in place whole: the
dictionary in the cache, for one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final

import psutil
from filelock import FileLock, Timeout

from sovits_cli.errors import ResourceError
from sovits_cli.files import parse_json, real_path, write_error

LOCK_FILE: Final = ".sovits.lock"
HOLDER_FILE: Final = ".sovits.lock.json"

_LEFTOVER: Final = re.compile(r"\.(?:slicing-(\d+)-[0-9a-f]+|(?:(\d+)-)?[0-9a-z]+\.partial(?:\.[^.]*)?)")
"""What a process was writing: `.4711-1f0c22aa.partial.pt` (`files.atomic`), a folder `.slicing-4711-1f0c22aa`; older
versions did not always name the process. A download that is to be resumed has a name of another form."""

_CLOCK_S: Final = 2.0
"""File systems keep times as coarsely as this."""

_HOLDER_TRIES: Final = 20
_HOLDER_WAIT_S: Final = 0.05
_MAX_HOST_LENGTH: Final = 64
_MAX_NAME_LENGTH: Final = 80


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder for writing; it is made if it is missing, and gone afterwards if nothing came into it.

    The holder itself cannot take it a second time: it is refused like anybody else.

    Raises:
        ResourceError: another process (or thread) works there, or the folder cannot be written.
    """
    with _held(folder, folder / LOCK_FILE, folder / HOLDER_FILE):
        try:
            _clear_leftovers(folder)
        except OSError as error:
            raise write_error(folder, error) from error
        yield


@contextmanager
def held_output(path: Path) -> Iterator[None]:
    """Hold one file for writing, and none beside it, as `held` holds a folder: by `.NAME.lock`.

    Raises:
        ResourceError: another process (or thread) writes it, or its folder cannot be written.
    """
    target = real_path(path)
    name = f".{target.name}{LOCK_FILE}"[-_MAX_NAME_LENGTH:]
    with _held(path, target.with_name(name), target.with_name(f"{name}.json")):
        yield


@contextmanager
def _held(what: Path, lock_file: Path, holder_file: Path) -> Iterator[None]:
    """Hold a lock for writing `what`."""
    folder = lock_file.parent
    is_new = not folder.is_dir()
    lock = FileLock(lock_file, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _acquire(lock)
        _write_holder(holder_file)
    except Timeout:
        raise _taken(what, holder_file) from None
    except OSError as error:
        lock.release()
        raise write_error(what, error) from error
    try:
        yield
    finally:
        with suppress(OSError):
            holder_file.unlink(missing_ok=True)
        with suppress(OSError):  # Windows keeps what is open; there filelock removes it afterwards
            lock_file.unlink(missing_ok=True)
        lock.release()
        if is_new:
            with suppress(OSError):  # not empty: something was written
                folder.rmdir()


def _acquire(lock: FileLock) -> None:
    """Acquire the lock of the file that has its name now.

    The one before may remove the file after we have opened it and before we lock it: then we hold what nobody else
    will find.
    """
    lock.acquire()
    while not Path(lock.lock_file).exists():
        lock.release()
        lock.acquire()


def _clear_leftovers(folder: Path) -> None:
    """Remove what a process was writing here that is no more. Links to folders are not followed."""
    with os.scandir(folder) as found:
        entries = list(found)
    for inner in [Path(entry) for entry in entries if entry.is_dir(follow_symlinks=False)]:
        with suppress(OSError), os.scandir(inner) as found:  # a folder that may not be looked into
            entries += found
    for entry in entries:
        named = _LEFTOVER.fullmatch(entry.name)
        if named and not _is_at_work(int(named[1] or named[2] or 0), entry):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry, ignore_errors=True)
            else:
                Path(entry).unlink(missing_ok=True)


def _is_at_work(pid: int, entry: os.DirEntry[str]) -> bool:
    """Whether the process still runs: one of this number that is older than what it wrote.

    It need not hold the lock: it may be an `infer` that writes into a folder of another command. A process younger than
    the file is another one that got the same number.
    """
    try:
        return pid > 0 and psutil.Process(pid).create_time() <= entry.stat(follow_symlinks=False).st_mtime + _CLOCK_S
    except (psutil.Error, OSError, OverflowError):
        return False


def _write_holder(holder_file: Path) -> None:
    """Write down who holds the lock; a link that somebody put there is replaced, not followed."""
    holder_file.unlink(missing_ok=True)
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    with holder_file.open("x", encoding="utf-8") as file:
        json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since": now}, file)


def _taken(what: Path, holder_file: Path) -> ResourceError:
    who = next(filter(None, _holder_tries(holder_file)), "")
    return ResourceError(
        f"{what}: another sovits{who and f' ({who})'} works here",
        hint=f"wait until it is done, stop it, or name another {'folder' if what.is_dir() else 'file'}",
    )


def _holder_tries(holder_file: Path) -> Iterator[str]:
    """Read who holds the lock, a few times: it may have been taken a moment ago."""
    for _ in range(_HOLDER_TRIES):
        yield _holder(holder_file)
        time.sleep(_HOLDER_WAIT_S)


def _holder(holder_file: Path) -> str:
    """Read who holds the lock: "pid 4711, since 2026-11-27 08:30:00"; empty where the file does not tell."""
    try:
        holder = parse_json(holder_file.read_text(encoding="utf-8"))
        pid, host = int(holder["pid"]), str(holder["host"])
        since = datetime.fromisoformat(holder["since"]).astimezone()
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return ""
    where = "" if host == socket.gethostname() else f" on {host[:_MAX_HOST_LENGTH]}"
    return f"pid {pid}{where}, since {since:%Y-%m-%d %H:%M:%S}"
