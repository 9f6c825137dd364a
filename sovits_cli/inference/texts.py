"""The text to speak: from a file, from standard input or as typed. UTF-8, or UTF-16 with its mark.

Knows nothing of languages or sentences.
"""

from __future__ import annotations

import shlex
import sys

from sovits_cli.errors import TextError
from sovits_cli.inference import examples

STDIN = "-"

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_EAST_ASIAN = ("gb18030", "shift_jis", "euc_kr", "big5")
_EAST_ASIAN_SHARE = 0.4
"""With fewer bytes above 127 than this, a text that is not UTF-8 is more likely a western one."""


def read(given: str) -> str:
    """Read a file, a `builtin:` text, or `-` for standard input.

    Raises:
        TextError: it cannot be read, is no text, or is in another encoding.
        UsageError: no such built-in text.
    """
    if given == STDIN:
        return _decoded(sys.stdin.buffer.read(), "standard input", "iconv -f {encoding} -t utf-8")
    path = examples.resolve(given, examples.TEXT_SUFFIX)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise TextError(
            f"{path} does not exist: a text file was expected", hint='-t FILE, or --say "..." to speak words as typed'
        ) from error
    except OSError as error:
        raise TextError(f"cannot read {path}: {error.strerror or error}") from error
    place = shlex.quote(str(path))
    better = shlex.quote(str(path.with_name(f"{path.stem}-utf8{path.suffix}")))
    return _decoded(data, str(path), f"iconv -f {{encoding}} -t utf-8 {place} > {better}")


def _decoded(data: bytes, source: str, conversion: str) -> str:
    if data.startswith(_UTF16_MARKS):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as error:
            raise TextError(f"{source} is cut short: its UTF-16 ends within a character") from error
    if b"\0" in data:
        raise TextError(f"{source} is no text: it holds zero bytes", hint="give a plain text file in UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        guess = _guessed(data)
        raise TextError(
            f"{source} is not UTF-8 (byte {error.start + 1}): it looks like {guess}",
            hint=conversion.format(encoding=guess),
        ) from error


def _guessed(data: bytes) -> str:
    """The likeliest of the common encodings."""
    high = sum(byte > 127 for byte in data) / len(data)
    for encoding in _EAST_ASIAN if high > _EAST_ASIAN_SHARE else ():
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "cp1252"
