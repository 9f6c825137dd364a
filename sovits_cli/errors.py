"""Every failure a user can act on.

    SovitsError                 1  anything not below
    ├── UnforeseenError         1  our own bug
    ├── UsageError              2  a flag or a combination of flags
    │   └── SettingsError       2  a key or value in a settings file, variable or flag
    ├── InputError              3  input data
    │   ├── AudioError          3  an audio file
    │   ├── TextError           3  a text, language or character
    │   └── DatasetError        3  a dataset folder or list file
    ├── ModelError              4  a model or checkpoint
    ├── ResourceError           5  memory, disk, device
    └── NetworkError            6  a download

Other exit codes: 0 done, 7 finished but some items failed, 130 interrupted.

What an error carries:

    message  one line: what, which file or key, and what was expected
    code     a stable dotted word to tell failures apart by: "text.unknown_language"
    fields   what the code is about, by name: {"lang": "xx"}
    hint     advice that holds however the code is called ("record it again with less gain")

No message and no hint names a flag or a command: `cli/hints.py` alone makes those, of code and fields.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol, TypedDict

EXIT_OK = 0
EXIT_BUG = 1
EXIT_SOME_FAILED = 7
EXIT_INTERRUPTED = 130


class Advice(TypedDict):
    """What an error or an event carries besides its message, as keyword arguments to pass on."""

    hint: str | None
    code: str
    fields: Mapping[str, object]


class Advised(Protocol):
    """An error or an event that may say what to do about it."""

    @property
    def hint(self) -> str | None:
        """Advice that holds however the code is called."""

    @property
    def code(self) -> str:
        """A stable dotted word for what happened."""

    @property
    def fields(self) -> Mapping[str, object]:
        """What the code is about, by name."""


class SovitsError(Exception):
    """A failure told in one line.

    Args:
        message: what happened, to which file or key, and what was expected.
        hint: plain advice, without flags and commands.
        code: a stable dotted word; without one, that of the class.
        fields: what the code is about, by name.
    """

    exit_code = EXIT_BUG
    code = "error"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        fields: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or type(self).code
        self.fields: Mapping[str, object] = dict(fields or {})

    @property
    def advice(self) -> Advice:
        """Hint, code and fields, for whoever tells this failure in other words: `Warned(text, **error.advice)`."""
        return {"hint": self.hint, "code": self.code, "fields": self.fields}

    @property
    def unforeseen(self) -> BaseException | None:
        """The exception that no code expected behind this failure; None where somebody or something is to blame."""
        return None


class UnforeseenError(SovitsError):
    """An exception that no code expected: a bug of ours. Its `__cause__` is that exception."""

    code = "internal"

    def __init__(self, cause: BaseException) -> None:
        super().__init__(f"internal error: {type(cause).__name__}: {cause}")
        self.__cause__ = cause

    @property
    def unforeseen(self) -> BaseException | None:
        """The exception that no code expected."""
        return self.__cause__


class UsageError(SovitsError):
    """A flag, an argument, or a combination of them."""

    exit_code = 2
    code = "usage"


class SettingsError(UsageError):
    """A key or a value in a settings file, an environment variable or a flag."""

    code = "settings"


class InputError(SovitsError):
    """Input data that cannot be used."""

    exit_code = 3
    code = "input"


class AudioError(InputError):
    """An audio file that cannot be read, written or used."""

    code = "audio"


class TextError(InputError):
    """A text that cannot be spoken: empty, unknown language, no readable character."""

    code = "text"


class DatasetError(InputError):
    """A dataset folder or a list file that cannot be used."""

    code = "dataset"


class ModelError(SovitsError):
    """A model or checkpoint that is missing, broken, or of another kind."""

    exit_code = 4
    code = "model"


class ResourceError(SovitsError):
    """Not enough memory or disk, or a device that is not there."""

    exit_code = 5
    code = "resource"


class NetworkError(SovitsError):
    """A download that failed or did not match its checksum."""

    exit_code = 6
    code = "network"


@contextmanager
def contained(failed: Callable[[SovitsError], None]) -> Iterator[None]:
    """Keep the failure of one item of a batch from stopping the others.

    What the item is to blame for goes to `failed`: its InputError as it is, and any exception that nobody expected as
    an UnforeseenError. What would strike every other item as well is raised again: a lack of memory or disk, and every
    other SovitsError (the model, a flag). Ctrl-C passes through.

        for clip in clips:
            with contained(lambda error: leave_out(clip.name, error)):
                process(clip)
    """
    try:
        yield
    except InputError as error:
        failed(error)
    except SovitsError:
        raise
    except Exception as error:
        if out_of_memory(error) or disk_full(error):
            raise
        failed(UnforeseenError(error))


def nothing_done(error: InputError, failures: Sequence[SovitsError | None]) -> SovitsError:
    """What to raise where every item of a batch failed: `error`, or our own bug if nothing else went wrong.

    Args:
        error: says that nothing could be done.
        failures: what `contained` gave for each item; None for one that was left out by a rule.
    """
    first = failures[0] if failures else None
    reported: SovitsError = error
    if first is not None and all(failure is not None and failure.unforeseen for failure in failures):
        reported = SovitsError(error.message, **first.advice)
    reported.__cause__ = first
    return reported


def out_of_memory(error: BaseException) -> bool:
    """Whether memory is used up: Python's, a GPU's, a CPU tensor's."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"  # torch.OutOfMemoryError, by its name: torch may not be loaded
        # c10/core/impl/alloc_cpu.cpp: "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
        or (isinstance(error, RuntimeError) and "can't allocate memory" in str(error))
    )


def disk_full(error: BaseException) -> bool:
    """Whether a write failed because there is no room: on the disk, in the user's quota, or for a file of this size."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
