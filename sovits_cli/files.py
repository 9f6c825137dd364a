"""Files that appear whole or not at all: written under a temporary name beside the target, then renamed.

Knows nothing of what is written.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sovits_cli.errors import ResourceError, UsageError, disk_full


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path to write; afterwards it is renamed to `path`, or removed if the body raised.

    The folder of `path` is made when it is missing. The temporary name is hidden and keeps the suffix, so that
    writers that go by suffix work.

    Raises:
        ResourceError: the disk is full, or the folder cannot be written.
        UsageError: `path` is something that is no plain file.
    """
    target = _target(path)
    temporary = target.with_name(f".{secrets.token_hex(6)}.partial{target.suffix}")
    try:
        yield temporary
        temporary.replace(target)
    except OSError as error:
        if disk_full(error) or error.filename == str(temporary):
            raise write_error(path, error) from error
        raise
    finally:
        with suppress(OSError):  # a folder that cannot be written says so again; what the body raised is the news
            temporary.unlink(missing_ok=True)


def real_path(path: Path) -> Path:
    """The absolute path with its links followed as far as they lead.

    Unlike for `Path.resolve`, a loop of links is no error: whoever opens such a path is told by the system.
    """
    return Path(os.path.realpath(path))


def _target(path: Path) -> Path:
    """Follow links to the file meant, and make its folder."""
    try:
        target = real_path(path)
        if target.exists() and not target.is_file():
            raise UsageError(f"cannot write {path}: it exists and is no plain file", hint="name another output file")
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
