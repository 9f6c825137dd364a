"""Torch files (.ckpt, .pth, .pt, .bin): read as data, written whole or not at all.

Nothing in a file is ever run; what it may name is listed in `storages.py`. Tensors are views of the mapped file,
so reading costs no memory until they are used. Knows nothing of what a model is.
"""

from __future__ import annotations

import io
import mmap
import struct
from collections.abc import Callable
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sovits_cli.checkpoints.restricted_unpickler import PickleBudget, RestrictedUnpickler, UnsafePickleError, printable
from sovits_cli.checkpoints.storages import StorageId, TensorRebuilder, parse_storage_id, view_storage
from sovits_cli.checkpoints.zip_archive import ZipEntry, map_file, read_zip_entries
from sovits_cli.errors import ModelError
from sovits_cli.files import atomic, open_regular_file, write_error

# A torch file is an uncompressed zip file with one root folder (torch/csrc/jit/serialization, PyTorchStreamWriter):
#
#   P K 03 04 | archive/data.pkl    the pickle: dictionaries, names, numbers; tensors only by storage key
#             | archive/byteorder   "little"
#             | archive/data/0      the bytes of storage "0"
#             | archive/data/1      ...
#             | central directory, end record (zip_archive.py)
#
# Official exports of some versions have two digits in place of the P K (process_ckpt.py, `my_save2`), which say the
# version: 0 5 03 04 ... is v2Pro, 0 3 03 04 ... a LoRA of v3 (`magic` in versions.py). Nothing else differs.

MAX_PICKLE_BYTES = 16 << 20
"""The pickle of a training state with 3000 tensors takes about 1 MB; tensors are outside of it."""

ZIP_MAGIC = b"PK"
"""How a torch file begins; the official program puts a version code in its place."""

# Before torch 1.6 (torch/serialization.py, `_legacy_save`) a file was five pickles in a row, then the storages:
#
#   magic | protocol | system info | object | list of storage keys | count, bytes of key 0 | count, bytes of key 1 | ...
_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_COUNT = struct.Struct("<q")
_TAR_MAGIC_AT = 257
_MAGIC_BYTES = 2


def load_torch_file(path: Path) -> object:
    """Read a torch file into plain data and tensors on the CPU.

    Objects of `utils.HParams` come as dictionaries, paths as text. Tensors keep their type and stay views of the
    file: writing to them does not change it.

    Raises:
        ModelError: missing, unreadable, cut short, of another format, or asking for anything but data.
    """
    data = map_file(path)
    try:
        if is_zip(data):
            return _load_zip(data, path)
        if data[:1] == b"\x80":
            return _load_legacy(data, path)
    except UnsafePickleError as refusal:
        raise ModelError(f"{path} {refusal}", code="model.unsafe", fields={"path": path}) from refusal
    raise _not_a_torch_file(data, path)


def read_magic(path: Path) -> bytes:
    """Read the first two bytes: `PK`, or the digits that official exports put in their place."""
    with open_regular_file(path) as file:
        return file.read(_MAGIC_BYTES)


def is_zip(data: mmap.mmap | bytes) -> bool:
    """Whether this is a zip file, possibly with digits in place of its first two letters."""
    return data[2:4] == b"\x03\x04" and (data[:2] == b"PK" or data[:2].isdigit())


def save_torch_file(path: Path, content: object, *, magic: bytes = ZIP_MAGIC) -> None:
    """Write what torch can store. The same content gives the same bytes.

    Args:
        magic: in place of the first two bytes of the file.

    Raises:
        ResourceError: the disk is full, or the folder cannot be written.
        UsageError: `path` is something that is no plain file.
    """
    with atomic(path, follow_links=False) as temporary:
        writer = _ErrorKeepingWriter(FileIO(temporary, "w"))
        try:
            with writer:
                torch.save(content, writer)
                writer.seek(0)
                writer.write(magic)
        except (OSError, RuntimeError) as error:
            if writer.failure is None:
                raise
            raise write_error(path, writer.failure) from error


class _ErrorKeepingWriter(BufferedWriter):
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


def _load_zip(data: mmap.mmap, path: Path) -> object:
    found = read_zip_entries(data, path)
    order = found.get("byteorder")
    if order is not None and data[order.offset : order.offset + order.size] != b"little":
        raise UnsafePickleError("was written on a big-endian machine: expected little-endian tensors")
    pickle = found["data.pkl"]
    if pickle.size > MAX_PICKLE_BYTES:
        raise UnsafePickleError(f"holds a pickle of {pickle.size} bytes: expected at most {MAX_PICKLE_BYTES}")

    made: dict[str, Tensor] = {}

    def storage(saved: object) -> Tensor:
        wanted = parse_storage_id(saved)
        if wanted.key not in made:
            made[wanted.key] = _zip_storage(data, found.get(f"data/{wanted.key}"), wanted)
        if made[wanted.key].dtype != wanted.dtype:
            raise UnsafePickleError(f"describes storage {printable(wanted.key)} with two types")
        return made[wanted.key]

    body = io.BytesIO(data[pickle.offset : pickle.offset + pickle.size])
    return _unpickler(len(data), pickle.size, storage).load(body)


def _zip_storage(data: mmap.mmap, entry: ZipEntry | None, wanted: StorageId) -> Tensor:
    """Check a claim against what the file holds, then view it."""
    held = 0 if entry is None else entry.size
    if entry is None or wanted.size_bytes > held:
        raise UnsafePickleError(f"claims a tensor storage of {wanted.size_bytes} bytes where it holds {held}")
    return view_storage(data, entry.offset, wanted)


def _load_legacy(data: mmap.mmap, path: Path) -> object:
    """Read the format before torch 1.6: magic, protocol, system, the object, its storage keys, their bytes."""
    start = io.BytesIO(data[:MAX_PICKLE_BYTES])
    size = min(len(data), MAX_PICKLE_BYTES)
    without_tensors = _unpickler(len(data), size, _unexpected_storage)
    if without_tensors.load(start) != _LEGACY_MAGIC:
        raise _not_a_torch_file(data, path)
    if without_tensors.load(start) != _LEGACY_PROTOCOL:
        raise UnsafePickleError("is a torch stream of an unknown protocol")
    without_tensors.load(start)
    body_at = start.tell()

    wanted: dict[str, StorageId] = {}

    claimed: dict[str, Tensor] = {}

    def note(saved: object) -> Tensor:
        found = parse_storage_id(saved)
        if wanted.get(found.key) != found:
            wanted[found.key], claimed[found.key] = found, _placeholder(found, len(data))
        return claimed[found.key]

    # Where the storages lie is known only after the object, so it is read twice: with placeholders, then with them.
    _unpickler(len(data), size, note).load(start)
    keys = without_tensors.load(start)
    placed = _locate_storages(data, start.tell(), keys, wanted)
    start.seek(body_at)
    return _unpickler(len(data), size, lambda saved: placed[parse_storage_id(saved).key]).load(start)


def _locate_storages(data: mmap.mmap, at: int, keys: object, wanted: dict[str, StorageId]) -> dict[str, Tensor]:
    """Find the storages of a stream: each an element count, then its bytes, in the order of `keys`."""
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or sorted(keys) != sorted(wanted):
        raise UnsafePickleError("lists other tensor storages than it uses")
    placed: dict[str, Tensor] = {}
    for key in keys:
        storage = wanted[key]
        end = at + _COUNT.size + storage.size_bytes
        if end > len(data) or _COUNT.unpack_from(data, at)[0] != storage.count:
            raise UnsafePickleError(f"is cut short: storage {printable(key)} claims {storage.size_bytes} bytes")
        placed[storage.key] = view_storage(data, at + _COUNT.size, storage)
        at = end
    return placed


def _placeholder(wanted: StorageId, file_bytes: int) -> Tensor:
    """Make a storage of the claimed size that takes no memory."""
    if wanted.size_bytes > file_bytes:
        raise UnsafePickleError(f"claims a tensor storage of {wanted.size_bytes} bytes in a file of {file_bytes}")
    return torch.empty(wanted.count, dtype=wanted.dtype, device="meta")


def _unexpected_storage(_saved: object) -> Tensor:
    raise UnsafePickleError("holds a tensor storage where none belongs")


def _unpickler(file_bytes: int, pickle_bytes: int, storage: Callable[[object], Tensor]) -> RestrictedUnpickler:
    budget = PickleBudget.of(pickle_bytes)
    return RestrictedUnpickler(TensorRebuilder(file_bytes, budget).allowed_globals(), storage, budget)


def _not_a_torch_file(data: mmap.mmap, path: Path) -> ModelError:
    """Say what the file looks like instead."""
    start = bytes(data[:512])
    if start.startswith(b"version https://git-lfs"):
        return ModelError(f"{path} is a Git LFS pointer, not the model itself", hint="git lfs pull")
    if start.lstrip()[:1] == b"<":
        return ModelError(f"{path} is a web page: expected a checkpoint", hint="download the file itself, not its page")
    if start[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] == b"ustar":
        return ModelError(
            f"{path} is a tar file, torch's format before 2017, which is not read",
            hint="if it is a packed download, unpack it and name the file inside",
        )
    if start[8:9] == b"{":
        return ModelError(f"{path} is a safetensors file: expected a torch file (.ckpt, .pth, .bin)")
    shown = "text" if start.isascii() and b"\0" not in start else f"a file starting with {start[:4].hex(' ')}"
    return ModelError(f"{path} is {shown}: expected a checkpoint", hint="name a .ckpt, .pth or .safetensors file")
