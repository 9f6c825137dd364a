"""Files that appear whole or not at all, or grow in sight; paths and JSON of others, taken with care.

    atomic(out.pt)     .4711-1f0c22aa.partial.pt  -- written, closed -->  rename onto out.pt   readers see the old file
                       hidden, in the same folder: a rename within one file system is one step    or the new, never half
    growing(out.wav)   out.partial.wav            -- written, closed -->  rename onto out.wav  can be played meanwhile

    the body raises       atomic removes its file, growing leaves it; out.* is as it was
    the process is killed the file stays; whoever locks the folder next removes atomic's, by the process in its name
                          (`locks.py`), and the next `growing` into the same name removes its own

Nothing is flushed to the disk on purpose: after a power cut the file system decides. Knows nothing of what is written.

Model files are opened by `open_regular_file` alone: plain files only, without ever waiting for one. Opening a named
pipe waits until somebody writes into it, and a device may never end.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from sovits_cli.errors import ModelError, ResourceError, UsageError, disk_full

_DEEPEST_JSON: Final = 64
"""Levels of lists and objects in each other; what we write has four."""

_NON_BLOCKING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Some systems lack one or the other."""

MAX_MODEL_JSON_BYTES = 1 << 20
"""Of what a model folder says of itself: a few names."""

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@contextmanager
def atomic(path: Path, *, follow_links: bool = True) -> Iterator[Path]:
    """Give a temporary path to write; afterwards it is renamed to `path`, or removed if the body raised.

    The folder of `path` is made when it is missing. The temporary name keeps the suffix, so that writers that go by
    suffix work.

    Args:
        follow_links: write the file that a link at `path` leads to, as somebody who names an output wants it. In
            folders that others may have made a link is replaced instead: nothing is written where it leads.

    Raises:
        ResourceError: the disk is full, or the folder cannot be written.
        UsageError: `path` is something that is no plain file.
    """
    target = _target(path, follow_links=follow_links)
    temporary = target.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.partial{target.suffix}")
    try:
        with _reported_as(path, temporary):
            yield temporary
            temporary.replace(target)
    finally:
        with suppress(OSError):  # a folder that cannot be written fails here again; the body's error is what counts
            temporary.unlink(missing_ok=True)


def partial(path: Path) -> Path:
    """Where a file that takes long grows until it is whole: `out.partial.wav` beside `out.wav`."""
    return path.with_name(f"{path.stem}.partial{path.suffix}")


@contextmanager
def growing(path: Path) -> Iterator[Path]:
    """Give `partial(path)` to write, for what is of use before it is whole; afterwards it is renamed to `path`.

    Unlike with `atomic`, what the body wrote before it raised, or was killed, stays there. What an earlier run left
    there is removed. One writer at a time: see `locks.held_output`.

    Raises:
        ResourceError, UsageError: as `atomic`.
    """
    target = _target(path, follow_links=True)
    temporary = partial(target)
    with _reported_as(path, temporary):
        temporary.unlink(missing_ok=True)  # a link is not followed
        yield temporary
        temporary.replace(target)


@contextmanager
def _reported_as(path: Path, temporary: Path) -> Iterator[None]:
    """Report a write of `temporary` that fails, or finds the disk full, as one of `path`."""
    try:
        yield
    except OSError as error:
        if disk_full(error) or str(error.filename) == str(temporary):  # as text or as a path, by who opened it
            raise write_error(path, error) from error
        raise


def check_place(path: Path) -> None:
    """Refuse a path where no file could be written, before any work; nothing is left there.

    Raises:
        ResourceError: its folder cannot be written, or made.
        UsageError: something other than a plain file is there.
    """
    target = real_path(path)
    if target.exists() and not target.is_file():
        raise _no_plain_file(path)
    folder = target.parent
    probe = partial(target).with_name(f".{secrets.token_hex(6)}{partial(target).name}")
    try:
        if folder.exists():
            probe.touch()  # permissions alone do not tell: read-only disks, quotas, network folders
            return
        while not folder.exists():
            folder = folder.parent
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)


def _no_plain_file(path: Path) -> UsageError:
    return UsageError(f"cannot write {path}: it exists and is no plain file", hint="name another output file")


def real_path(path: Path) -> Path:
    """The absolute path with its links followed as far as they lead.

    Unlike for `Path.resolve`, a loop of links is no error: whoever opens such a path is told by the system.
    """
    return Path(os.path.realpath(path))


def _target(path: Path, *, follow_links: bool) -> Path:
    """Find the file meant, and make its folder."""
    try:
        if not follow_links and path.is_symlink():
            return real_path(path.parent) / path.name
        target = real_path(path)
        if target.exists() and not target.is_file():
            raise _no_plain_file(path)
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(path, error) from error
    return target


def write_error(path: Path, error: Exception) -> ResourceError:
    """Turn a failed write of `path` into the one line the user sees."""
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return ResourceError(
            f"cannot write {path}: it is larger than a file may be here",
            hint="ulimit -f says how large a file may be; choose a place on another disk",
        )
    if disk_full(error):
        return ResourceError(f"cannot write {path}: the disk is full", hint=f"free some space: df -h {path.parent}")
    reason = getattr(error, "strerror", None) or str(error)
    return ResourceError(f"cannot write {path}: {reason}", hint="choose a place that you may write to")


def inside(folder: Path, written: str, *, within: Path | None = None) -> Path:
    """The file that a path means which somebody else has written down: it must not lead out of its folder.

    Every path in a manifest, a table or a record goes through here, and every name through `plain_name`, before
    anything is opened, made or removed.

    Args:
        folder: where relative paths start.
        written: the path.
        within: the folder it has to stay in, if that is not `folder` itself.

    Raises:
        ValueError: it leads out, or is no path.
    """
    # by the names alone: `resolve` would follow links that point elsewhere on purpose, as those of a model cache do
    root, target = (Path(os.path.normpath(path.absolute())) for path in (within or folder, folder / written))
    if not written or "\0" in written or root not in target.parents:
        raise ValueError(f"{written[:80]!r} is no file in {within or folder}")
    return Path(os.path.normpath(folder / written))


def plain_name(written: str) -> str:
    """A file's name that somebody else has written down, and no path. Raises ValueError: it is none."""
    if written in {"", ".", ".."} or "\0" in written or Path(written).name != written:
        raise ValueError(f"{written[:80]!r} is no file name")
    return written


def refuse_link(path: Path) -> None:
    """Say that a link is in the place of a file that is about to be added to.

    Raises:
        ResourceError: it is a link, through which something else would be written.
    """
    if path.is_symlink():
        raise ResourceError(
            f"cannot add to {path}: it is a link", hint="put the file itself in its place, or remove it"
        )


def parse_json(text: str | bytes) -> Any:
    """Parse JSON that somebody else may have written. Raises ValueError: it is none, or nested out of all reason."""
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    level = [found]  # one level after the other: recursion would end where Python's does
    for _ in range(_DEEPEST_JSON):
        level = [item for value in level if isinstance(value, list | dict) for item in _items(value)]
        if not level:
            return found
    raise ValueError("nested too deep")


def _items(value: list[Any] | dict[str, Any]) -> Iterator[Any]:
    return (item for item in (value.values() if isinstance(value, dict) else value) if isinstance(item, list | dict))


def open_regular_file(path: Path, wanted: str = "a checkpoint") -> BinaryIO:
    """Open a plain file to read; one that is only there as a link counts as what it leads to.

    Args:
        wanted: what is expected, for messages.

    Raises:
        ModelError: it is missing, a folder, a pipe or a device, or may not be read.
    """
    try:
        # Opening a pipe waits for a writer, opening a tape rewinds it: look first, open without waiting, look again at
        # what was opened, which somebody may have put in the file's place meanwhile.
        if not stat.S_ISREG(mode := path.stat().st_mode):
            raise _not_a_regular_file(path, mode, wanted)
        descriptor = os.open(path, os.O_RDONLY | _NON_BLOCKING)
    except FileNotFoundError:
        raise ModelError(f"{path} does not exist: expected {wanted}", code="model.file_missing") from None
    except (OSError, ValueError) as error:
        raise unreadable_file(path, error) from error
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(mode := os.fstat(descriptor).st_mode):
        file.close()
        raise _not_a_regular_file(path, mode, wanted)
    return file


def read_text_file(path: Path, wanted: str, *, max_bytes: int) -> str:
    """Read a small UTF-8 file.

    Raises:
        ModelError: as `open_regular_file`; or it is larger, or no UTF-8.
    """
    with open_regular_file(path, wanted) as file:
        try:
            body = file.read(max_bytes + 1)
            if len(body) > max_bytes:
                raise ModelError(
                    f"{path} is larger than {max_bytes} bytes: expected {wanted}", hint="name another file"
                )
            return body.decode("utf-8")
        except (OSError, ValueError) as error:
            raise unreadable_file(path, error) from error


def unreadable_file(path: Path, error: Exception) -> ModelError:
    """Tell in one line what the system says of a file."""
    reason = getattr(error, "strerror", None) or str(error)
    return ModelError(f"{path} cannot be read: {reason}", hint="name a readable file")


def _not_a_regular_file(path: Path, mode: int, wanted: str) -> ModelError:
    kind = "a folder" if stat.S_ISDIR(mode) else _KINDS.get(stat.S_IFMT(mode), "no plain file")
    return ModelError(f"{path} is {kind}: expected {wanted}, one plain file", hint=f"ls -l {path}")
