"""Whether a run can be written where it is to be, told before anything is trained. Looks only; writes nothing."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

from sovits_cli.errors import ResourceError
from sovits_cli.files import write_error

ELSEWHERE = "sovits train --out PLACE writes the run elsewhere"


def check_place(folder: Path) -> None:
    """Look whether files can be made in a folder that may have to be made itself.

    Raises:
        ResourceError: something that is no folder is in the way, or the place is read-only.
    """
    there = [part for part in (folder, *folder.parents) if os.path.lexists(part)]
    for part in there:
        if not part.is_dir():
            raise ResourceError(
                f"cannot write {folder}: {part} is in the way, which is no folder",
                hint=f"move {part} away; {ELSEWHERE}",
            )
    nearest = there[0] if there else Path()
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ResourceError(f"cannot write {folder}: {nearest} cannot be written into", hint=ELSEWHERE)


def check_room(folder: Path, needed_bytes: int) -> None:
    """Look whether a file of this size fits.

    Raises:
        ResourceError: the disk has less room, or no file may be so large here.
    """
    nearest = next((part for part in (folder, *folder.parents) if part.is_dir()), Path())
    free = shutil.disk_usage(nearest).free
    if free < needed_bytes:
        raise ResourceError(
            f"cannot write {folder}: a training state takes {needed_bytes / 1e6:.1f} MB, {free / 1e6:.1f} MB are free",
            hint=f"free some space: df -h {nearest}; {ELSEWHERE}",
        )
    with suppress(ImportError):  # Windows has no such limits
        import resource

        most, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        if most != resource.RLIM_INFINITY and most < needed_bytes:
            raise write_error(folder, OSError(errno.EFBIG, os.strerror(errno.EFBIG)))
