"""The folder of slices: its manifest, its file names, and the replacing of one source's slices by new ones.

    slices.jsonl   one line a slice: file, source, rate, start, end, duration_s, level
    gaps.jsonl     one line a stretch of silence left out: source, rate, start, end, duration_s

`start` and `end` are samples of the source at its own `rate`, `end` not included: for each source, slices and gaps
together are every sample once. Lines of other sources, and keys added by others (`text`), are kept.
Knows nothing of audio.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sovits_cli.errors import DatasetError, ResourceError
from sovits_cli.files import atomic, parse_json, plain_name, write_error
from sovits_cli.terms import Span

SLICES_FILE: Final = "slices.jsonl"
GAPS_FILE: Final = "gaps.jsonl"
Row = dict[str, Any]

_SLICE_NAME: Final = re.compile(r"(.+)_\d{10,}_\d{10,}\.wav", re.DOTALL)
_STAGING: Final = ".slicing-"
_SAVE_EVERY_S: Final = 2.0
_ERRORS: Final = "surrogateescape"  # file names may be any bytes; JSON has escapes for what is not UTF-8
_MAX_NAME_BYTES: Final = 200


class SliceFolder:
    """A folder of slices, opened for adding sources by whoever holds its lock (`locks.held`).

    Sources are absolute paths. The manifest is written by `save`, and by `replace_slices` from time to time.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._slices = _read_rows(path / SLICES_FILE, ("source", "file"), _slice_file)
        self._gaps = _read_rows(path / GAPS_FILE, ("source",))
        self._names = {_SLICE_NAME.sub(r"\1", rows[0]["file"]): source for source, rows in self._slices.items()}
        self._unsaved = False
        self._saved_s = time.monotonic()
        try:
            self._unlisted = self._find_unlisted() if path.is_dir() else {}
        except OSError as error:
            raise write_error(path, error) from error

    def name(self, source: Path) -> str:
        """Choose what the files of a source begin with: its own name, unless that is taken or very long."""
        key = str(source)
        name = next((name for name, owner in self._names.items() if owner == key), None)
        if name is None:
            name = source.name
            if name in self._names or len(os.fsencode(name)) > _MAX_NAME_BYTES:
                digest = hashlib.sha256(os.fsencode(source)).hexdigest()[:8]
                name = f"{source.stem[:40]}-{digest}{source.suffix[:8]}"
            self._names[name] = key
        return name

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """Give a hidden folder for the new slices of one source; it is gone afterwards."""
        folder = self.path / f"{_STAGING}{os.getpid()}-{secrets.token_hex(4)}"
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise write_error(self.path, error) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    # In an order in which a kill at any point leaves a manifest whose files are all there:
    #
    #     1 new files move in place    2 the manifest is written    3 files that only the old manifest named are removed
    def replace_slices(self, source: Path, staging: Path, slices: Sequence[Row], gaps: Sequence[Row]) -> int:
        """Replace the earlier slices of a source by the staged ones.

        Args:
            source: the recording.
            staging: folder of the new files.
            slices: their rows; keys that others added to rows of the same file (`text`) are kept.
            gaps: rows of what was left out.

        Returns:
            How many earlier slices there were.
        """
        key = str(source)
        earlier = {str(row["file"]): row for row in self._slices.get(key, [])}
        rows = [{**earlier.get(row["file"], {}), **row} for row in slices]
        kept = {str(row["file"]) for row in rows}
        try:
            for file in kept:
                (staging / file).replace(self.path / file)
            self._slices[key], self._gaps[key], self._unsaved = rows, list(gaps), True
            if earlier or time.monotonic() - self._saved_s > _SAVE_EVERY_S:
                self.save()
            for file in earlier.keys() - kept:
                (self.path / file).unlink(missing_ok=True)
        except OSError as error:
            raise write_error(self.path, error) from error
        return len(earlier)

    def unlisted(self, source: Path) -> int:
        """Count files named like slices of this source that no manifest knows: from another program, perhaps."""
        listed = {row["file"] for row in self._slices.get(str(source), [])}
        return len(self._unlisted.get(self.name(source), set()) - listed)

    def save(self) -> None:
        """Write both manifests, each whole or not at all, if anything has changed."""
        if not self._unsaved:
            return
        for name, groups in ((SLICES_FILE, self._slices), (GAPS_FILE, self._gaps)):
            with (
                atomic(self.path / name, follow_links=False) as temporary,
                temporary.open("w", encoding="utf-8", errors="backslashreplace") as out,
            ):
                for rows in groups.values():
                    out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        self._unsaved, self._saved_s = False, time.monotonic()

    def _find_unlisted(self) -> dict[str, set[str]]:
        """Find slices that are not listed, by name."""
        listed = {row["file"] for rows in self._slices.values() for row in rows}
        found: dict[str, set[str]] = {}
        for child in self.path.iterdir():
            if (match := _SLICE_NAME.fullmatch(child.name)) and child.name not in listed:
                found.setdefault(match[1], set()).add(child.name)
        return found


def slice_row(file: str, source: Path, rate: int, span: Span, level: Row) -> Row:
    """Make one line of slices.jsonl.

    Args:
        file: name of the slice in the folder.
        source: the recording, as an absolute path.
        rate: of the recording.
        span: of the recording, in samples.
        level: of the slice, by name.
    """
    return {"file": file, **gap_row(source, rate, span), "level": level}


def gap_row(source: Path, rate: int, span: Span) -> Row:
    """Make one line of gaps.jsonl."""
    position = {"source": str(source), "rate": rate, "start": span.start, "end": span.end}
    return {**position, "duration_s": round(span.samples / rate, 6)}


def _slice_file(row: Row) -> None:
    """Check the file of a row, which is replaced or removed when its source is sliced again. Raises ValueError."""
    file = row["file"]
    if not isinstance(file, str) or not _SLICE_NAME.fullmatch(plain_name(file)):
        raise ValueError(f"its file is {str(file)[:80]!r}, expected the name of a slice in this folder")


def _no_check(row: Row) -> None:
    """Accept any row: one that names no file of the folder."""


def _read_rows(path: Path, keys: Sequence[str], check: Callable[[Row], None] = _no_check) -> dict[str, list[Row]]:
    """Read a manifest: source -> its rows. Raises DatasetError for what is none."""
    groups: dict[str, list[Row]] = {}
    if not path.exists():
        return groups
    try:
        lines = path.read_text(encoding="utf-8", errors=_ERRORS).split("\n")
    except OSError as error:
        raise ResourceError(f"cannot read {path}: {error.strerror}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
            source, *_ = [str(row[key]) for key in keys]
        except (ValueError, KeyError, TypeError) as error:
            raise _bad_row(path, number, f"expected JSON with {' and '.join(keys)}") from error
        try:
            check(row)
        except ValueError as error:
            raise _bad_row(path, number, str(error)) from error
        groups.setdefault(source, []).append(row)
    return groups


def _bad_row(path: Path, number: int, why: str) -> DatasetError:
    return DatasetError(
        f"{path} line {number} is no row of a slices manifest: {why}",
        code="slice.manifest_unreadable",
        fields={"path": str(path)},
    )
