"""The zip container of a torch file: its directory, read by us and checked against the file's real size.

Only stored (uncompressed) entries exist in such files, so an entry is a window of the file and no claim can grow.
Knows nothing of pickles or tensors. Layout: PKWARE APPNOTE 6.3, sections 4.3 and 4.5.3.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sovits_cli.errors import ModelError
from sovits_cli.files import open_regular_file, unreadable_file

#   local header | name | extra | bytes of the entry     <- _LOCAL, once an entry; its sizes are ignored
#   ...
#   central directory: an entry's name, size, place of its local header, ...   <- _CENTRAL, once an entry
#   zip64 record, zip64 locator                          <- _END64, _END64_LOCATOR: only where a value fills its field
#   end record: number of entries, size and place of the directory, comment    <- _END
#
# Read from the end: the end record leads to the directory, the directory to the local headers. Every entry has to lie
# before the directory, and no two over the same bytes: together they are no larger than the file. Python's zipfile
# trusts more than this, and unpacks.

MAX_ENTRIES = 1 << 16
_MAX_COMMENT_BYTES = 0xFFFF
_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s4B4H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_FULL_16, _FULL_32 = 0xFFFF, 0xFFFFFFFF
_ENCRYPTED_BIT = 1
_ZIP64_EXTRA = 1


@dataclass(frozen=True)
class ZipEntry:
    """A window of the file: bytes `offset` (included) to `offset + size` (excluded)."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True)
class _DirectoryEntry:
    """An entry as the central directory lists it; `header` is where its local header starts."""

    name: bytes
    header: int
    size: int


def map_file(path: Path) -> mmap.mmap:
    """Map a file privately: pages are read when touched, and writing to them never reaches the file.

    Raises:
        ModelError: the file is missing, empty, no plain file, or may not be read.
    """
    with open_regular_file(path) as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise ModelError(f"{path} is empty: expected a checkpoint", hint="fetch or copy the file again")
        try:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except (OSError, ValueError) as error:
            raise unreadable_file(path, error) from error


def read_zip_entries(data: mmap.mmap, path: Path) -> dict[str, ZipEntry]:
    """List the entries of a torch zip file by the part of their name below its one root folder.

    Raises:
        ModelError: truncated, compressed, encrypted, overlapping or oddly named entries.
    """
    found: dict[str, ZipEntry] = {}
    start, end, count = _directory(data, path)
    for listed in _directory_entries(data, path, start, end, count):
        entry = _locate(data, path, listed, limit=start)
        if entry.name in found:
            raise _broken_zip(path, f"two entries are named {entry.name!r}")
        found[entry.name] = entry
    _refuse_overlap(path, found)
    return _strip_root_folder(path, found)


def _directory(data: mmap.mmap, path: Path) -> tuple[int, int, int]:
    """Find where the central directory starts and ends, and how many entries it has."""
    where = data.rfind(b"PK\x05\x06", max(0, len(data) - _END.size - _MAX_COMMENT_BYTES))
    if where < 0 or where + _END.size > len(data):
        raise ModelError(
            f"{path} is cut short: its zip directory is missing", hint="fetch or copy the file again: it is incomplete"
        )
    _, _, _, _, count, size, start, _ = _END.unpack_from(data, where)
    if count == _FULL_16 or _FULL_32 in (size, start):
        count, size, start = _directory64(data, path, where)
    if start + size > where:
        raise _broken_zip(path, "its directory lies outside the file")
    if count > MAX_ENTRIES or count * _CENTRAL.size > size:
        raise _broken_zip(path, f"its directory claims {count} entries")
    return start, start + size, count


def _directory64(data: mmap.mmap, path: Path, end: int) -> tuple[int, int, int]:
    """Read count, size and start of the directory from the zip64 record."""
    locator = end - _END64_LOCATOR.size
    if locator < 0 or data[locator : locator + 4] != b"PK\x06\x07":
        raise _broken_zip(path, "its zip64 locator is missing")
    _, _, where, _ = _END64_LOCATOR.unpack_from(data, locator)
    if where + _END64.size > locator or data[where : where + 4] != b"PK\x06\x06":
        raise _broken_zip(path, "its zip64 record is missing")
    fields = _END64.unpack_from(data, where)
    return fields[7], fields[8], fields[9]


def _directory_entries(data: mmap.mmap, path: Path, start: int, end: int, count: int) -> Iterator[_DirectoryEntry]:
    """Walk the entries of the central directory."""
    at = start
    for _ in range(count):
        if at + _CENTRAL.size > end or data[at : at + 4] != b"PK\x01\x02":
            raise _broken_zip(path, "its directory is damaged")
        fields = _CENTRAL.unpack_from(data, at)
        flags, method = fields[5], fields[6]
        packed, size, name_size, extra_size, comment_size = fields[10:15]
        header = fields[18]
        name_at = at + _CENTRAL.size
        name = data[name_at : name_at + name_size]
        extra = data[name_at + name_size : name_at + name_size + extra_size]
        at = name_at + name_size + extra_size + comment_size
        if at > end:
            raise _broken_zip(path, "its directory is damaged")
        size, packed, header = _zip64_values(path, extra, [size, packed, header])
        if method != 0 or flags & _ENCRYPTED_BIT or size != packed:
            raise _broken_zip(path, f"entry {_shown(name)} is compressed or encrypted, which torch never writes")
        yield _DirectoryEntry(name, header, size)


def _zip64_values(path: Path, extra: bytes, values: list[int]) -> list[int]:
    """Replace values that do not fit 32 bits by those of the zip64 extra field."""
    if _FULL_32 not in values:
        return values
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if kind == _ZIP64_EXTRA:
            wide = iter(struct.unpack_from(f"<{min(size, len(extra) - at - 4) // 8}Q", extra, at + 4))
            return [next(wide, value) if value == _FULL_32 else value for value in values]
        at += 4 + size
    raise _broken_zip(path, "a zip64 field is missing")


def _locate(data: mmap.mmap, path: Path, listed: _DirectoryEntry, *, limit: int) -> ZipEntry:
    """Find an entry's bytes through its local header; everything has to end before `limit`."""
    name = _name(path, listed.name)
    at = listed.header
    # The first two bytes of the file may be a version code instead of PK.
    if at + _LOCAL.size > limit or data[at + 2 : at + 4] != b"\x03\x04" or (at and data[at : at + 2] != b"PK"):
        raise _broken_zip(path, f"entry {name!r} has no header where its directory says")
    fields = _LOCAL.unpack_from(data, at)
    name_size, extra_size = fields[9], fields[10]
    if data[at + _LOCAL.size : at + _LOCAL.size + name_size] != listed.name:
        raise _broken_zip(path, f"entry {name!r} is named differently in its directory")
    offset = at + _LOCAL.size + name_size + extra_size
    if offset + listed.size > limit:
        raise _broken_zip(path, f"entry {name!r} claims {listed.size} bytes, more than the file holds")
    return ZipEntry(name, offset, listed.size)


def _name(path: Path, raw: bytes) -> str:
    """Decode an entry's name; one that would leave its folder is refused though we never unpack."""
    name = raw.decode("utf-8", errors="replace")
    parts = name.split("/")
    if not name.isprintable() or ".." in parts or "" in parts[:1] or "\\" in name or ":" in name:
        raise _broken_zip(path, f"entry {_shown(raw)} is a path out of the file")
    return name


def _refuse_overlap(path: Path, found: dict[str, ZipEntry]) -> None:
    """Refuse two entries over the same bytes, a trick to make a small file claim much."""
    end = 0
    # By offset, each has to begin where the one before it has ended.
    for entry in sorted(found.values(), key=lambda entry: entry.offset):
        if entry.offset < end:
            raise _broken_zip(path, f"entry {entry.name!r} overlaps another")
        end = entry.offset + entry.size


def _strip_root_folder(path: Path, found: dict[str, ZipEntry]) -> dict[str, ZipEntry]:
    """Strip the root folder, the one that holds `data.pkl`."""
    roots = [name.removesuffix("data.pkl") for name in found if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise ModelError(
            f"{path} is a zip file but no torch checkpoint: it has no data.pkl",
            hint="if it is a packed download, unpack it and name the file inside",
        )
    root = roots[0]
    if f"{root}constants.pkl" in found:
        raise ModelError(
            f"{path} is a TorchScript program: expected a checkpoint, which is data", hint="name a .ckpt or .pth file"
        )
    return {name.removeprefix(root): entry for name, entry in found.items() if name.startswith(root)}


def _broken_zip(path: Path, why: str) -> ModelError:
    return ModelError(f"{path} is broken: {why}", hint="get the file again, from a source you trust")


def _shown(name: bytes) -> str:
    return repr(name[:60].decode("utf-8", errors="replace"))
