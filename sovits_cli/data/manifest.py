"""Which recordings say what: rows, and the official `.list` file in and out.

A list has four fields a line: path, speaker, language code, text. Some programs add one or two more, an emotion and a
remark, which are not read:

    a.wav|amy|EN|Hello there.|happy|take two     fields five and six: "Hello there." is said
    a.wav|amy|EN|One | two.                      a bar with a space beside it is part of the text
    a.wav|amy|EN|Dr. [Nguyen|win] is in.         so is one in brackets
    a.wav|amy|EN|a|b|c|d                         and so are three or more of them

The official program leaves out every line with more than four. Knows nothing of audio or features; folders and other
manifests are found by `data/manifest_readers.py`.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sovits_cli.data.experiment import Experiment, LeftOut, TextRow
from sovits_cli.errors import DatasetError, TextError
from sovits_cli.files import atomic, real_path
from sovits_cli.text import encoding, languages, segment

LIST_FIELDS = 4
MAX_EXTRA_FIELDS = 2
"""Fields after the text that are no text: emotion and remark."""

_BAR = re.compile(r"\|(?![^\[\]]*\])")
"""A bar that is not in brackets."""

_COLUMN = re.compile(r"(?<!\s)\|(?!\s)(?![^\[\]]*\])")
"""One that has no space beside it either."""

_LONGEST_NAME_BYTES = 251
"""Of a name that files are named after: file systems take 255, of which `.txt` may come to it."""

_UNSPECIFIED = ("", "auto")
"""What a list says where nobody chose a language: the one of the command is used."""

_AROUND_PATHS = " '\"\r\n\u202a"
"""What the official program strips from both ends of a path."""


@dataclass(frozen=True)
class ManifestRow:
    """One recording and what it says.

    Args:
        path: the audio file; its basename is the key of every feature.
        speaker: kept for lists; nothing below uses it.
        language: a language, or another mode of `text.segment`.
        text: the transcript.
        where: file and line it was found in, for messages.
        existing: phones made by an earlier run, where the source is an experiment folder.
        alias: its name where another recording has the same; empty: that of the file.
    """

    path: Path
    speaker: str
    language: str
    text: str
    where: str
    existing: TextRow | None = None
    alias: str = ""

    @property
    def name(self) -> str:
        """Basename with suffix, as the official program keys its files, unless another recording has it too."""
        return self.alias or self.path.name


@dataclass(frozen=True)
class Manifest:
    """What a source holds.

    Args:
        source: the file or folder.
        kind: what it was read as, in words.
        rows: what can be used.
        left_out: what cannot, and why.
        experiment: set if the source is one.
        notes: lines for the user, on encodings and languages that were guessed.
    """

    source: Path
    kind: str
    rows: tuple[ManifestRow, ...]
    left_out: tuple[LeftOut, ...]
    experiment: Experiment | None = None
    notes: tuple[str, ...] = ()

    def checked(self) -> Manifest:
        """Leave unusable names out, and tell equal ones apart. Raises DatasetError: one of them twice, or none."""
        bad = [item for item in self.rows if any(sign in item.name for sign in "\t\n\r")]
        left_out = [LeftOut(item.name, "tab or line break in the file name") for item in bad]
        kept = tuple(_with_usable_name(item) for item in self.rows if item not in bad)
        rows, notes = _with_languages(_with_unique_names(kept))
        found = replace(self, rows=rows, left_out=(*self.left_out, *left_out), notes=(*self.notes, *notes))
        if not kept:
            raise _nothing_usable(found)
        return found


def read_list(path: Path, language: str) -> Manifest:
    """Read a `.list` file. Relative paths start at its folder, or else at the working folder.

    Args:
        path: the list.
        language: code for lines that name none.

    Raises:
        DatasetError: the file cannot be read.
    """
    texts = TextFileReader(language)
    listed = parse_list(texts.read(path), path, language)
    return replace(listed, notes=(*texts.notes, *listed.notes))


def parse_list(text: str, path: Path, language: str) -> Manifest:
    """Parse the text of a `.list` file. What is no row is left out, with its line and reason."""
    rows: list[ManifestRow] = []
    left_out: list[LeftOut] = []
    extra_fields: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row, extra = _list_row(line, path, number, language)
        except (DatasetError, TextError) as error:
            left_out.append(LeftOut(f"{path.name} line {number}", error.message))
        else:
            rows.append(row)
            extra_fields += [extra] if extra else []
    notes = tuple(_extra_field_notes(path, extra_fields))
    return Manifest(path, "a .list file", tuple(rows), tuple(left_out), notes=notes)


def _extra_field_notes(path: Path, columns: Sequence[str]) -> Iterator[str]:
    if columns:
        yield (
            f"{path}: {len(columns)} lines have fields after the text that are not read, the first: "
            f"{columns[0][:60]!r}; a bar that belongs to a text has a space beside it"
        )


def write_list(path: Path, rows: Iterable[ManifestRow]) -> None:
    """Write a `.list` file that the official program reads."""
    lines = [f"{item.path}|{item.speaker}|{item.language.upper()}|{list_text(item.text)}\n" for item in rows]
    with atomic(path) as place:
        place.write_text("".join(lines), encoding="utf-8", newline="\n")


def list_text(text: str) -> str:
    """A text as the last field of a list: on one line, and with bars that read as part of it."""
    return " ".join(_BAR.sub(" | ", text).split())


def language_code(found: str, default: str) -> str:
    """Turn a code in any case into ours; `default` stands where a list says none. Raises TextError."""
    code = found.strip().lower()
    if code in _UNSPECIFIED:
        code = default.strip().lower()
    return segment.find_mode(languages.canonical_code(code)).code


class TextFileReader:
    """Reads the text files of one source, in any encoding, and remembers which encodings were a guess.

    Args:
        language: what is likely written in them.
    """

    def __init__(self, language: str) -> None:
        self._language = language
        self._guessed: dict[str, list[Path]] = {}

    def read(self, path: Path) -> str:
        """Read a file, in lines that end in a line feed. Raises DatasetError: missing, unreadable, or no text."""
        try:
            found = encoding.decode_text(path.read_bytes(), str(path), self._language)
        except TextError as error:
            raise DatasetError(error.message, **error.advice) from error
        except OSError as error:
            raise DatasetError(
                f"cannot read {path}: {error.strerror}", hint="check the path and its permissions"
            ) from error
        if found.is_guess:
            self._guessed.setdefault(found.encoding, []).append(path)
        return found.text

    @property
    def notes(self) -> tuple[str, ...]:
        """A line for each encoding that was guessed."""
        return tuple(encoding.encoding_note(_named(paths), name) for name, paths in self._guessed.items())


def _named(paths: Sequence[Path]) -> str:
    first = str(paths[0])
    return first if len(paths) == 1 else f"{first} (and {len(paths) - 1} more)"


def _list_row(line: str, source: Path, number: int, language: str) -> tuple[ManifestRow, str]:
    """A line, and what is not read of it."""
    cells = line.split("|", LIST_FIELDS - 1)
    if len(cells) != LIST_FIELDS:
        raise DatasetError(f"{len(cells)} fields, expected path|speaker|language|text")
    place, speaker, code, rest = cells
    text, more = text_field(rest)
    if not text.strip():
        raise DatasetError("no text")
    said = ManifestRow(
        path=_resolved(place, source.parent),
        speaker=speaker,
        language=language_code(code, language),
        text=text.strip(),
        where=f"{source}:{number}",
    )
    return said, more


def text_field(rest: str) -> tuple[str, str]:
    """Split what follows the third bar of a line into the text and the fields after it, as the header has it."""
    if len(_BAR.findall(rest)) > MAX_EXTRA_FIELDS:
        return rest, ""
    text, *columns = _COLUMN.split(rest)
    return text, "|".join(columns)


def _resolved(written: str, folder: Path) -> Path:
    place = written.strip(_AROUND_PATHS).rstrip("/\\")
    if not place:
        raise DatasetError("no path")
    candidates = [folder / place, Path(place)]
    if "\\" in place:
        candidates += [folder / place.replace("\\", "/"), Path(place.replace("\\", "/"))]
    try:
        return next(path for path in candidates if is_file(path))
    except StopIteration:
        raise DatasetError(f"no file {place}") from None


def is_file(path: Path) -> bool:
    """Whether there is such a file. Raises DatasetError: that cannot be told, as for names over 255 bytes."""
    try:
        return path.is_file()
    except OSError as error:
        raise DatasetError(f"cannot look for {str(path)[:80]}…: {error.strerror}") from error


def _with_usable_name(item: ManifestRow) -> ManifestRow:
    """Give another name where files and tables cannot bear that of the recording: not in UTF-8, or very long."""
    written = os.fsencode(item.name)
    name = written.decode("utf-8", errors="replace").replace("\ufffd", "_")
    if name == item.name and len(written) <= _LONGEST_NAME_BYTES:
        return item
    short = name.encode()[: _LONGEST_NAME_BYTES // 2].decode(errors="ignore")
    mark = hashlib.sha256(written).hexdigest()[:8]
    return replace(item, alias=f"{Path(short).stem}-{mark}{Path(name).suffix[:8]}")


def _with_unique_names(rows: Sequence[ManifestRow]) -> tuple[ManifestRow, ...]:
    """Recordings of one name in several folders each get a mark of their own, made of their place.

    Raises:
        DatasetError: the same recording twice.
    """
    owners: dict[str, dict[Path, ManifestRow]] = {}
    for item in rows:
        key, place = unicodedata.normalize("NFC", item.name).casefold(), real_path(item.path)
        earlier = owners.setdefault(key, {}).setdefault(place, item)
        if earlier is not item:
            raise DatasetError(
                f"{item.path} is there twice ({earlier.where} and {item.where})", hint="remove one of the two"
            )
    twins = {id(item): place for group in owners.values() if len(group) > 1 for place, item in group.items()}
    root = Path(os.path.commonpath([place.parent for place in twins.values()])) if twins else Path()
    return tuple(
        replace(item, alias=_marked(item.name, twins[id(item)].relative_to(root))) if id(item) in twins else item
        for item in rows
    )


def _marked(name: str, place: Path) -> str:
    """A name with a mark that tells its place: "a.wav" in one/ is "a-3f2c9d10.wav"."""
    mark = hashlib.sha256(place.as_posix().encode()).hexdigest()[:8]
    return f"{Path(name).stem}-{mark}{Path(name).suffix}"


def _with_languages(rows: tuple[ManifestRow, ...]) -> tuple[tuple[ManifestRow, ...], list[str]]:
    """Scripts that several languages have, in `auto`, as the texts of all of them tell; and a line where they do not.

    One text by itself may hold nothing else.
    """
    document = "\n".join(item.text for item in rows if item.language == segment.AUTO)
    how = segment.resolve_mode(segment.AUTO, document)
    told = tuple(replace(item, language=how) if item.language == segment.AUTO else item for item in rows)
    return told, list(filter(None, [segment.latin_doubt(how, document)]))


def _nothing_usable(manifest: Manifest) -> DatasetError:
    reason = manifest.left_out[0] if manifest.left_out else None
    told = f"{len(manifest.left_out)} left out, the first: {reason.name}: {reason.reason}" if reason else "it is empty"
    return DatasetError(
        f"{manifest.source} ({manifest.kind}) has no utterance that can be used: {told}",
        hint="give a folder of recordings with their transcripts beside them, or a .list of path|speaker|language|text",
    )
