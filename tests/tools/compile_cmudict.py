"""Compile the CMU pronouncing dictionary into `sovits_cli/text/tables/cmudict.z`.

    python -m tests.tools.compile_cmudict path/to/cmudict.dict

Takes the text file of https://github.com/cmusphinx/cmudict (BSD). Keeps the first reading of each word, drops
comments and the few words that the official program drops. The same input gives the same words; the bytes may
change with the version of zlib.
"""

from __future__ import annotations

import hashlib
import sys
import zlib
from pathlib import Path

from sovits_cli.text import en_lexicon, resources


def read(path: Path) -> dict[str, list[str]]:
    """Word -> phones of its first reading."""
    entries: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        word, *phones = line.partition("#")[0].split() or [""]
        if phones and "(" not in word and word not in en_lexicon.LEFT_OUT:
            entries.setdefault(word.lower(), phones)
    return entries


def compiled(entries: dict[str, list[str]]) -> bytes:
    """The file that `cmu.dictionary` reads."""
    lines = [line for word in sorted(entries) for line in (word, en_lexicon.encode_phones(entries[word]))]
    return zlib.compress("\n".join(lines).encode("ascii"), 9)


def held_out(word: str) -> bool:
    """One word in twenty, by a hash of its spelling: never in the training of the letter network."""
    return hashlib.md5(word.encode()).digest()[0] < 13


if __name__ == "__main__":
    data = compiled(read(Path(sys.argv[1])))
    (resources.TABLES / "cmudict.z").write_bytes(data)
    print(f"{len(data)} bytes")
