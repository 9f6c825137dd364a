"""The text to speak: from a file, from standard input or as typed.

Knows nothing of languages or sentences.
"""

from __future__ import annotations

import sys

from sovits_cli.errors import TextError
from sovits_cli.inference import examples
from sovits_cli.text.encoding import DecodedText, decode_text

STDIN = "-"


def read(given: str, lang: str = "") -> DecodedText:
    """Read a file, a `builtin:` text, or `-` for standard input; `lang` is the language or mode it is likely in.

    Raises:
        TextError: it cannot be read, is no text, or is in an encoding that cannot be told.
        UsageError: no such built-in text.
    """
    if given == STDIN:
        return decode_text(sys.stdin.buffer.read(), "standard input", lang)
    path = examples.resolve(given, examples.TEXT_SUFFIX)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise TextError(
            f"{path} does not exist: a text file was expected", hint='-t FILE, or --say "..." to speak words as typed'
        ) from error
    except OSError as error:
        raise TextError(f"cannot read {path}: {error.strerror or error}") from error
    return decode_text(data, str(path), lang)
