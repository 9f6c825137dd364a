"""Every failure a user can act on.

    SovitsError                 1  our own bug, or anything not below
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
`message` says what, which file or key, and what was expected; `hint` is what to type next.
"""

from __future__ import annotations

EXIT_OK = 0
EXIT_BUG = 1
EXIT_SOME_FAILED = 7
EXIT_INTERRUPTED = 130


class SovitsError(Exception):
    """A failure told in one line, with an optional hint of what to type next."""

    exit_code = EXIT_BUG

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SovitsError):
    """A flag, an argument, or a combination of them."""

    exit_code = 2


class SettingsError(UsageError):
    """A key or a value in a settings file, an environment variable or a flag."""


class InputError(SovitsError):
    """Input data that cannot be used."""

    exit_code = 3


class AudioError(InputError):
    """An audio file that cannot be read, written or used."""


class TextError(InputError):
    """A text that cannot be spoken: empty, unknown language, no readable character."""


class DatasetError(InputError):
    """A dataset folder or a list file that cannot be used."""


class ModelError(SovitsError):
    """A model or checkpoint that is missing, broken, or of another kind."""

    exit_code = 4


class ResourceError(SovitsError):
    """Not enough memory or disk, or a device that is not there."""

    exit_code = 5


class NetworkError(SovitsError):
    """A download that failed or did not match its checksum."""

    exit_code = 6
