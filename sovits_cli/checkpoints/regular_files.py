"""The one place where model files are opened: plain files only, without ever waiting for one.

Opening a named pipe waits until somebody writes into it, and a device may never end. Knows no formats.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from sovits_cli.errors import ModelError

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
        ModelError: as `open_plain`; or it is larger, or no UTF-8.
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
