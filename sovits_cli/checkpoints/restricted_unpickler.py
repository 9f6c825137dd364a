"""An unpickler that can only make plain data: it walks the opcodes itself and looks every global up in a list.

`pickle` is never run. A global outside the list is refused when it is read, before anything could be done with it.
Knows nothing of torch or files; what the globals on the list stand for is the caller's.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

MAX_STEPS = 1_000_000
"""Opcodes, and values copied by them, of one pickle. A training state of 3000 tensors takes about 200 000."""

_STEPS_PER_BYTE, _FREE_STEPS = 4, 1000
_ALLOCATED_PER_BYTE, _FREE_BYTES = 16, 1 << 20
"""What a pickle may cost for each of its bytes, and beside that. Every opcode takes a byte or more, so an honest
pickle needs no more steps than bytes; what copies a value it has already read, again and again, needs more."""

DICT_SLOT_BYTES = 100
"""What an entry of a dictionary takes, about."""

_MAX_INT_BITS = 64
_SHOWN_CHARACTERS = 80

Constructor = Callable[..., object]


@dataclass(frozen=True)
class GlobalName:
    """A global on the list, such as torch.FloatStorage: the name, never the object."""

    name: str


class AttributeDict(dict[str, object]):
    """The attributes of an object whose class stays out of our process."""


class _Mark:
    """Where a collection begins on the stack (the opcode MARK)."""


_MARK = _Mark()


class UnsafePickleError(Exception):
    """The pickle asks for something that is not data; the text says what."""


@dataclass
class PickleBudget:
    """What reading a pickle may still cost.

    A few bytes can ask for a copy of everything before them ("that text again, as bytes"), and so for any amount of
    time or memory:

        file      | text of 1 MB | recall, encode | recall, encode | recall, encode | …   3 bytes each
        memory    | 1 MB         | + 1 MB         | + 1 MB         | + 1 MB         | …

    So whatever walks or copies what is there pays for it here, by its size, before it does.
    """

    steps: int
    allocated_bytes: int

    @classmethod
    def of(cls, pickle_bytes: int) -> PickleBudget:
        """The budget of a pickle of this size."""
        steps = min(MAX_STEPS, _FREE_STEPS + _STEPS_PER_BYTE * pickle_bytes)
        return cls(steps, _FREE_BYTES + _ALLOCATED_PER_BYTE * pickle_bytes)

    def spend(self, *, steps: int = 0, allocated_bytes: int = 0) -> None:
        """Pay, or raise UnsafePickleError."""
        self.steps -= steps
        self.allocated_bytes -= allocated_bytes
        if self.steps < 0:
            raise UnsafePickleError(
                "holds a pickle of too many operations, or one that copies its parts again and again"
            )
        if self.allocated_bytes < 0:
            raise UnsafePickleError("holds a pickle that asks for far more memory than its size")


@dataclass
class RestrictedUnpickler:
    """Reads one pickle into plain data.

    Args:
        allowed_globals: our constructor for each allowed global; None for those that are only looked at. They pay
            from the same budget.
        load_persistent: turns a persistent id into its object.
        budget: what it may cost.
    """

    allowed_globals: Mapping[str, Constructor | None]
    load_persistent: Callable[[object], object]
    budget: PickleBudget
    _stack: list[object] = field(default_factory=list)
    _memo: dict[int, object] = field(default_factory=dict)

    def load(self, pickle: io.BytesIO) -> object:
        """Read one pickle from the current position up to its STOP.

        Raises:
            UnsafePickleError: it asks for a global that is not on the list, or for an opcode that data never needs.
        """
        self._stack, self._memo = [], {}
        try:
            for opcode, argument, _ in pickletools.genops(pickle):
                self.budget.spend(steps=1)
                if opcode.name == "STOP":
                    return self._pop()
                self._execute(opcode.name, argument)
        except (ValueError, IndexError, KeyError, TypeError, OverflowError) as error:
            raise UnsafePickleError(f"holds a damaged pickle ({_one_line(error)})") from error
        raise UnsafePickleError("holds a pickle without an end")

    def _execute(self, opcode: str, argument: object) -> None:
        if opcode in _CONSTANTS:
            self._push(_CONSTANTS[opcode])
        elif opcode in _LITERALS:
            self._push(argument)
        elif opcode in _STORES:
            self._memo[len(self._memo) if argument is None else _int(argument)] = self._top()
        elif opcode in _RECALLS:
            self._push(self._memo[_int(argument)])
        elif opcode == "GLOBAL":
            self._find_global(*str(argument).split(" ", 1))
        elif opcode == "INST":  # the oldest way to make an object; torch never wrote it
            raise UnsafePickleError(f"asks to make {printable(str(argument))}; a checkpoint is data")
        elif opcode in _ACTIONS:
            _ACTIONS[opcode](self)
        elif opcode not in _IGNORED:
            raise UnsafePickleError(f"uses the pickle operation {opcode}, which no checkpoint needs")

    def _push(self, value: object) -> None:
        self._stack.append(value)

    def _pop(self) -> object:
        value = self._stack.pop()
        if value is _MARK:
            raise ValueError("a mark where a value was expected")
        return value

    def _top(self) -> object:
        return self._stack[-1]

    def _pop_to_mark(self) -> list[object]:
        # from the top down to the innermost mark; -1 where there is none
        at = next(i for i in range(len(self._stack) - 1, -2, -1) if i < 0 or self._stack[i] is _MARK)
        if at < 0:
            raise ValueError("a mark is missing")
        self.budget.spend(steps=len(self._stack) - at)
        values = self._stack[at + 1 :]
        del self._stack[at:]
        return values

    def _push_mark(self) -> None:
        """Begin a collection (MARK)."""
        self._push(_MARK)

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("a global whose name is no text")
        self._find_global(module, name)

    def _find_global(self, module: str, name: str) -> None:
        full = f"{module}.{name}"
        self.budget.spend(allocated_bytes=len(full))
        if full not in self.allowed_globals:
            raise UnsafePickleError(f"asks to run {printable(full)}; a checkpoint is data")
        self._push(GlobalName(full))

    def _call(self) -> None:
        """Call the constructor of a global with a tuple of arguments (REDUCE, NEWOBJ)."""
        arguments, name = self._pop(), self._pop()
        constructor = self.allowed_globals.get(name.name) if isinstance(name, GlobalName) else None
        if constructor is None or not isinstance(arguments, tuple):
            shown = name.name if isinstance(name, GlobalName) else f"a {type(name).__name__}"
            raise UnsafePickleError(f"asks to call {shown}; a checkpoint is data")
        self.budget.spend(steps=len(arguments))
        self._push(constructor(*arguments))

    def _build(self) -> None:
        """Set the state of an object. Ours take it as data; ordered dictionaries and tensors need none."""
        state, target = self._pop(), self._top()
        if isinstance(target, AttributeDict) and isinstance(state, dict):
            self.budget.spend(steps=len(state), allocated_bytes=DICT_SLOT_BYTES * len(state))
            target.update((key, value) for key, value in state.items() if isinstance(key, str))

    def _persistent_id(self) -> None:
        self._push(self.load_persistent(self._pop()))

    def _discard(self) -> None:
        """Drop one value or one mark."""
        self._stack.pop()

    def _duplicate(self) -> None:
        self._push(self._top())

    def _tuple(self) -> None:
        self._push(tuple(self._pop_to_mark()))

    def _tuple_of(self, count: int) -> None:
        values = [self._pop() for _ in range(count)]
        self._push(tuple(reversed(values)))

    def _list(self) -> None:
        self._push(self._pop_to_mark())

    def _append(self) -> None:
        self._extend([self._pop()])

    def _appends(self) -> None:
        self._extend(self._pop_to_mark())

    def _extend(self, values: list[object]) -> None:
        target = self._top()
        if type(target) is not list:
            raise TypeError(f"appending to a {type(target).__name__}")
        target.extend(values)

    def _dict(self) -> None:
        pairs = self._pop_to_mark()
        self._push({})
        self._fill(pairs)

    def _set_item(self) -> None:
        value, key = self._pop(), self._pop()
        self._fill([key, value])

    def _set_items(self) -> None:
        self._fill(self._pop_to_mark())

    def _fill(self, pairs: list[object]) -> None:
        target = self._top()
        if not isinstance(target, dict) or len(pairs) % 2:
            raise TypeError(f"setting items of a {type(target).__name__}")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            # Scalars only: the hash of a deep tuple overflows the stack, that of a chosen big number collides.
            if not (key is None or isinstance(key, str | float) or _is_small_int(key)):
                raise TypeError(f"a {type(key).__name__} as a key")
            target[key] = value


def _int(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{type(value).__name__} where a number was expected")
    return value


def _is_small_int(value: object) -> bool:
    return isinstance(value, int) and value.bit_length() <= _MAX_INT_BITS


def printable(name: str) -> str:
    """Make a name fit to stand in one line of a terminal: its beginning, without control characters."""
    return "".join(c if c.isprintable() else "?" for c in name[:_SHOWN_CHARACTERS])


def _one_line(error: Exception) -> str:
    return printable(str(error)) or type(error).__name__


# A pickle is a program for a stack machine (names as in `pickletools`, PEP 307 and 3154). All that ours understands:
#
#   opcode                           stack before -> after            here
#   NONE, BININT, BINUNICODE, ...    -> value                         as they are in the file
#   MARK ... TUPLE, LIST, DICT, ...  mark v1 v2 ... -> (v1, v2, ...)  collections of them
#   BINPUT n, BINGET n               v -> v; -> memo[n]               recalled as often as the budget allows
#   GLOBAL "module name"             -> GlobalName                    only from the list; nothing is imported
#   REDUCE, NEWOBJ                   global args -> object            OUR constructor for that global, never its own
#   BUILD                            object state -> object           only attributes of an AttributeDict
#   BINPERSID                        id -> storage                    the caller's `load_persistent`
#
# INST, OBJ, EXT1, BYTEARRAY8, NEXT_BUFFER ... are refused: no checkpoint needs them.

_CONSTANTS: dict[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_IGNORED = frozenset({"PROTO", "FRAME"})
_LITERALS = frozenset(
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "UNICODE"}
    | {"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
    | {"STRING", "BINSTRING", "SHORT_BINSTRING"}
)
_STORES = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_RECALLS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_ACTIONS: dict[str, Callable[[RestrictedUnpickler], None]] = {
    "MARK": RestrictedUnpickler._push_mark,
    "STACK_GLOBAL": RestrictedUnpickler._stack_global,
    "REDUCE": RestrictedUnpickler._call,
    "NEWOBJ": RestrictedUnpickler._call,
    "BUILD": RestrictedUnpickler._build,
    "BINPERSID": RestrictedUnpickler._persistent_id,
    "POP": RestrictedUnpickler._discard,
    "DUP": RestrictedUnpickler._duplicate,
    "TUPLE": RestrictedUnpickler._tuple,
    "TUPLE1": lambda reader: reader._tuple_of(1),
    "TUPLE2": lambda reader: reader._tuple_of(2),
    "TUPLE3": lambda reader: reader._tuple_of(3),
    "EMPTY_LIST": lambda reader: reader._push([]),
    "LIST": RestrictedUnpickler._list,
    "APPEND": RestrictedUnpickler._append,
    "APPENDS": RestrictedUnpickler._appends,
    "EMPTY_DICT": lambda reader: reader._push({}),
    "DICT": RestrictedUnpickler._dict,
    "SETITEM": RestrictedUnpickler._set_item,
    "SETITEMS": RestrictedUnpickler._set_items,
}
