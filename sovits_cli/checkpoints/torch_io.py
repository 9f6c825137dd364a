"""The one place where torch writes files: whole or not at all, and a disk that is full is told as such.

Knows nothing of what is written.
"""

from __future__ import annotations

from io import BufferedWriter, FileIO
from pathlib import Path
from typing import Any

import torch

from sovits_cli.files import atomic, write_error

ZIP_START = b"PK"
"""How a torch file begins; the official program puts a version code in its place."""


def save(path: Path, content: object, *, start: bytes = ZIP_START) -> None:
    """Write what torch can store. The same content gives the same bytes.

    Args:
        start: in place of the first two bytes of the file.

    Raises:
        ResourceError: the disk is full, or the folder cannot be written.
        UsageError: `path` is something that is no plain file.
    """
    with atomic(path, follow_links=False) as temporary:
        writer = _Writer(FileIO(temporary, "w"))
        try:
            with writer:
                torch.save(content, writer)
                writer.seek(0)
                writer.write(start)
        except (OSError, RuntimeError) as error:
            if writer.failure is None:
                raise
            raise write_error(path, writer.failure) from error


class _Writer(BufferedWriter):
    """Keeps the error of the system: torch answers it with a RuntimeError of its own, from its destructor at times."""

    failure: OSError | None = None

    def write(self, block: Any, /) -> int:
        """Write; what fails is kept."""
        try:
            return super().write(block)
        except OSError as error:
            self.failure = self.failure or error
            raise

    def flush(self) -> None:
        """Write what is left; what fails is kept."""
        try:
            super().flush()
        except OSError as error:
            self.failure = self.failure or error
            raise
