"""Tensors out of a mapped file: bounded views of its bytes, never more than the file holds.

Knows torch's storage names and rebuild functions; not containers and not what a model is.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeGuard

import torch
from torch import Tensor

from sovits_cli.checkpoints.restricted_unpickler import (
    DICT_SLOT_BYTES,
    AttributeDict,
    Constructor,
    GlobalName,
    PickleBudget,
    UnsafePickleError,
)

DTYPES: dict[str, torch.dtype] = {
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.DoubleStorage": torch.float64,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}

_MAX_AXES = 16
_MAX_PATH_CHARACTERS = 1 << 16
_TENSOR_BYTES = 600
"""What a tensor takes besides its elements, about."""

_MAX_REUSE = 4
"""Tied weights name a storage twice; tensors of more than this many times the file are a trick."""


# What torch writes for a tensor, inside the pickle and outside of it:
#
#   pickle  REDUCE torch._utils._rebuild_tensor_v2 (storage, offset 1, shape (2, 3), stride (3, 1), ...)
#                                                      |
#           BINPERSID ("storage", torch.HalfStorage, "0", "cpu", 8)          "0" is its key, 8 its number of elements
#                                                      |
#   bytes   entry data/0 of the zip:   | e0 | e1 e2 e3 | e4 e5 e6 | e7 |     float16, little-endian
#                                           '--- the tensor, (2, 3) ---'
#
# Both are claims of a stranger. The 8 elements have to lie in the file, and the last element of the tensor, offset +
# sum((shape - 1) * stride), in the storage: as_strided itself would read beyond.


@dataclass(frozen=True)
class StorageId:
    """What a pickle says of a storage: its key in the container, its type, how many elements it claims."""

    key: str
    dtype: torch.dtype
    count: int

    @property
    def size_bytes(self) -> int:
        """Bytes it takes, if the claim is true."""
        return self.count * self.dtype.itemsize


def parse_storage_id(saved: object) -> StorageId:
    """Check torch's persistent id `("storage", type, key, location, count, ...)`; the location is ignored."""
    if not isinstance(saved, tuple) or len(saved) < 5 or saved[0] != "storage":
        raise UnsafePickleError("names something that is no tensor storage")
    kind, key, count = saved[1], saved[2], saved[4]
    dtype = DTYPES.get(kind.name) if isinstance(kind, GlobalName) else None
    if dtype is None or not isinstance(key, str) or type(count) is not int or count < 0:
        raise UnsafePickleError("describes a tensor storage of an unknown type")
    if len(saved) > 5 and saved[5] is not None:
        raise UnsafePickleError("holds a view of another storage, which torch stopped writing in 2017")
    return StorageId(key, dtype, count)


def view_storage(data: mmap.mmap, offset: int, storage: StorageId) -> Tensor:
    """Give the elements as a flat tensor on the mapped bytes; copied only where they are not aligned."""
    if storage.count == 0:
        return torch.empty(0, dtype=storage.dtype)
    if offset % storage.dtype.itemsize:
        raw = bytearray(data[offset : offset + storage.size_bytes])
        return torch.frombuffer(raw, dtype=storage.dtype, count=storage.count)
    return torch.frombuffer(data, dtype=storage.dtype, count=storage.count, offset=offset)


class TensorRebuilder:
    """The constructors that a checkpoint may call: they pay from a budget, and cover a few times the file at most."""

    def __init__(self, file_bytes: int, budget: PickleBudget) -> None:
        self._covered_bytes_left = file_bytes * _MAX_REUSE
        self._budget = budget

    def allowed_globals(self) -> dict[str, Constructor | None]:
        """Every global that a checkpoint may use; None where it may be looked at but not called."""
        looked_at = dict.fromkeys([*DTYPES, *_DTYPE_NAMES])
        own: dict[str, Constructor] = {
            "collections.OrderedDict": self._ordered_dict,
            "_codecs.encode": self._encode_latin1,
            **dict.fromkeys(_TENSOR_NAMES, self.rebuild_tensor),
            **dict.fromkeys(_HPARAMS_NAMES, self._hparams),
            **dict.fromkeys(_PATH_NAMES, self._path),
        }
        return {**looked_at, **_PLAIN_CONSTRUCTORS, **own}

    def rebuild_tensor(
        self,
        storage: object,
        offset: object,
        shape: object,
        stride: object,
        *_flags: object,
    ) -> Tensor:
        """Rebuild a tensor as torch does: a view with every index inside its storage.

        Args:
            storage: what the persistent id became, a flat tensor.
            offset: of the first element.
            shape, stride: of the tensor, in elements.
            _flags: gradient flags and hooks, which are ignored.

        Raises:
            UnsafePickleError: any of these is of another type, or an index lies outside.
        """
        if not isinstance(storage, Tensor) or not _is_index(offset):
            raise UnsafePickleError("rebuilds a tensor from something that is no storage")
        if not _is_indices(shape) or not _is_indices(stride) or len(shape) != len(stride):
            raise UnsafePickleError("rebuilds a tensor of an impossible shape")
        count = 1
        for length in shape:
            count *= length
        # Strides are never negative in torch, so the largest index is that of the last element; -1 where there is none.
        last = offset + sum((length - 1) * step for length, step in zip(shape, stride, strict=True)) if count else -1
        if last >= storage.numel() or count > storage.numel():
            raise UnsafePickleError(f"holds a tensor of {count} elements over a storage of {storage.numel()}")
        self._covered_bytes_left -= count * storage.element_size()
        if self._covered_bytes_left < 0:
            raise UnsafePickleError(f"holds tensors of more than {_MAX_REUSE} times its size")
        self._budget.spend(allocated_bytes=_TENSOR_BYTES)
        return storage.as_strided(shape, stride, offset if count else 0)

    def _hparams(self) -> AttributeDict:
        """Make an object of `utils.HParams`; what is in it comes as its state."""
        self._budget.spend(allocated_bytes=DICT_SLOT_BYTES)
        return AttributeDict()

    def _encode_latin1(self, text: object, encoding: object) -> bytes:
        """Undo how Python 3 writes bytes into the old pickle protocol that torch uses."""
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
            raise UnsafePickleError("encodes bytes in an unknown way")
        self._budget.spend(allocated_bytes=len(text))
        return text.encode("latin-1")

    def _ordered_dict(self, pairs: object = ()) -> dict[str, object]:
        """Make an ordered dictionary. Its items mostly follow one by one; Python 2 gave them as a list of pairs."""
        if not isinstance(pairs, tuple | list):
            raise UnsafePickleError("fills an ordered dictionary in an unknown way")
        self._budget.spend(steps=len(pairs), allocated_bytes=DICT_SLOT_BYTES * len(pairs))
        filled: dict[str, object] = {}
        for pair in pairs:
            if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str):
                raise UnsafePickleError("fills an ordered dictionary in an unknown way")
            filled[pair[0]] = pair[1]
        return filled

    def _path(self, *parts: object) -> str:
        """Take a path of a Lightning state as text."""
        texts = [part for part in parts if isinstance(part, str)]
        length = sum(map(len, texts))
        if length > _MAX_PATH_CHARACTERS:
            raise UnsafePickleError(f"holds a path of {length} characters")
        self._budget.spend(steps=length, allocated_bytes=DICT_SLOT_BYTES * len(texts) + length)
        return str(PurePosixPath(*texts))


def _parameter(tensor: object, *_flags: object) -> object:
    """Take a parameter as its tensor: whether it is trained is the model's business."""
    if not isinstance(tensor, Tensor):
        raise UnsafePickleError("holds a parameter that is no tensor")
    return tensor


def _size(values: object = ()) -> tuple[int, ...]:
    """Take a torch.Size as a tuple."""
    if not _is_indices(values):
        raise UnsafePickleError("holds a size that is no tuple of numbers")
    return values


def _is_index(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < 1 << 62


def _is_indices(values: object) -> TypeGuard[tuple[int, ...]]:
    return isinstance(values, tuple) and len(values) <= _MAX_AXES and all(_is_index(value) for value in values)


_DTYPE_NAMES = tuple(str(dtype) for dtype in DTYPES.values())
_TENSOR_NAMES = ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2")
_PARAMETER_NAMES = ("torch._utils._rebuild_parameter", "torch.nn.parameter.Parameter")
_HPARAMS_NAMES = ("utils.HParams", "GPT_SoVITS.utils.HParams")
_PATH_NAMES = tuple(
    f"{module}.{name}"
    for module in ("pathlib", "pathlib._local")
    for name in ("Path", "PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
)
_PLAIN_CONSTRUCTORS: dict[str, Constructor | None] = {
    "torch.Size": _size,
    **dict.fromkeys(_PARAMETER_NAMES, _parameter),
}
