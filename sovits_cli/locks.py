"""One writer per folder: whoever writes into it holds its lock, and a second one is told who is there.

    .sovits.lock        what is locked; empty
    .sovits.lock.json   who holds it: {"pid": 4711, "host": "studio", "since": "2026-11-27T08:30:00+00:00"}

Both are gone when nobody works there.

What it relies on. The lock is the kernel's (`flock`, on Windows `LockFileEx`, by the library filelock), so it ends with
the process that holds it, however that ends: files that a killed one left lock nobody out. The second file only says
who it is. Between machines the lock is as good as that of the network file system: NFS 4 (and 3 with its lock daemon),
SMB, and Lustre mounted with `flock` keep it. Where a file system has no locks at all, filelock makes do with a file
that names the process and its machine: a dead holder is then noticed on its own machine only. Programs that do not
ask for the lock are not kept out; reading needs none, as files are replaced whole.

Not needed for files that any number of processes may write with the same content, each renamed in place whole: the
dictionary in the cache, for one.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from sovits_cli.errors import ResourceError
from sovits_cli.files import parse_json, write_error

LOCK_FILE: Final = ".sovits.lock"
HOLDER_FILE: Final = ".sovits.lock.json"

_HOLDER_TRIES: Final = 20
_HOLDER_WAIT_S: Final = 0.05
_MOST_HOST: Final = 64


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder for writing; it is made if it is missing, and gone afterwards if nothing came into it.

    Not for a second time by the one who holds it: that is refused like anybody else.

    Raises:
        ResourceError: another process (or thread) works there, or the folder cannot be written.
    """
    is_new = not folder.is_dir()
    lock = FileLock(folder / LOCK_FILE, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _acquire(lock)
        _say_who(folder / HOLDER_FILE)
    except Timeout:
        raise _taken(folder) from None
    except OSError as error:
        lock.release()
        raise write_error(folder, error) from error
    try:
        yield
    finally:
        with suppress(OSError):
            (folder / HOLDER_FILE).unlink(missing_ok=True)
        with suppress(OSError):  # Windows keeps what is open; there filelock removes it afterwards
            Path(lock.lock_file).unlink(missing_ok=True)
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


def _say_who(place: Path) -> None:
    """Write down who holds the lock; a link that somebody put there is replaced, not followed."""
    place.unlink(missing_ok=True)
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    with place.open("x", encoding="utf-8") as file:
        json.dump({"pid": os.getpid(), "host": socket.gethostname(), "since": now}, file)


def _taken(folder: Path) -> ResourceError:
    who = next(filter(None, _looks(folder / HOLDER_FILE)), "")
    return ResourceError(
        f"{folder}: another sovits{who and f' ({who})'} works here",
        hint="wait until it is done, stop it, or name another folder",
    )


def _looks(place: Path) -> Iterator[str]:
    """Look who holds the lock, a few times: it may have been taken a moment ago."""
    for _ in range(_HOLDER_TRIES):
        yield _holder(place)
        time.sleep(_HOLDER_WAIT_S)


def _holder(place: Path) -> str:
    """Read who holds the lock: "pid 4711, since 2026-11-27 08:30:00"; empty where that is not said."""
    try:
        said = parse_json(place.read_text(encoding="utf-8"))
        pid, host = int(said["pid"]), str(said["host"])
        since = datetime.fromisoformat(said["since"]).astimezone()
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return ""
    where = "" if host == socket.gethostname() else f" on {host[:_MOST_HOST]}"
    return f"pid {pid}{where}, since {since:%Y-%m-%d %H:%M:%S}"
