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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sovits_cli.data.experiment import Experiment, LeftOut, TextRow
from sovits_cli.errors import DatasetError, TextError
from sovits_cli.files import real_path
from sovits_cli.text import characters, languages, segment

LIST_FIELDS = 4
MAX_EXTRA_FIELDS = 2
"""Fields after the text that are not text: emotion and remark."""

_BAR = re.compile(r"\|(?![^\[\]]*\])")
"""A bar that is not in brackets."""

_COLUMN = re.compile(r"(?<!\s)\|(?!\s)(?![^\[\]]*\])")
"""One that has no space beside it either."""

_MAX_NAME_BYTES = 251
"""Of a name that files are named after: file systems take 255, and `.txt` may be added to it."""

_UNSPECIFIED = ("", "auto")
"""What a list says where nobody chose a language: the one of the command is used."""

_AROUND_PATHS = " '\"\r\n\u202a"
"""What the official program strips from both ends of a path (tools/my_utils.py, `clean_path`)."""


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
        """Leave unusable names out, and tell equal ones apart. Raises DatasetError: no row, or one of them twice."""
        # Names are cells of tab-separated tables.
        bad = [item for item in self.rows if any(sign in item.name for sign in "\t\n\r")]
        left_out = [LeftOut(item.name, "tab or line break in the file name") for item in bad]
        kept = tuple(_with_usable_name(item) for item in self.rows if item not in bad)
        rows, notes = _with_languages(_with_unique_names(kept))
        checked = replace(self, rows=rows, left_out=(*self.left_out, *left_out), notes=(*self.notes, *notes))
        if not kept:
            raise _nothing_usable(checked)
        return checked


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


def _extra_field_notes(path: Path, extra_fields: Sequence[str]) -> Iterator[str]:
    if extra_fields:
        yield (
            f"{path}: {len(extra_fields)} lines have fields after the text that are not read, the first: "
            f"{extra_fields[0][:60]!r}; a bar that belongs to a text has a space beside it"
        )


def list_line(row: ManifestRow) -> str:
    """Write a row as a line of a list, which the official program reads too."""
    return f"{row.path}|{row.speaker}|{row.language.upper()}|{list_text(row.text)}\n"


def list_text(text: str) -> str:
    """Write a text as the last field of a list: on one line, and with bars that read as part of it."""
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
        self.language = language
        self._guessed: dict[str, list[Path]] = {}

    def read(self, path: Path) -> str:
        """Read a file, in lines that end in a line feed. Raises DatasetError: missing, unreadable, or no text."""
        try:
            found = characters.decode_text(path.read_bytes(), str(path), self.language)
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
        return tuple(characters.encoding_note(_named(paths), name) for name, paths in self._guessed.items())


def _named(paths: Sequence[Path]) -> str:
    first = str(paths[0])
    return first if len(paths) == 1 else f"{first} (and {len(paths) - 1} more)"


def _list_row(line: str, source: Path, number: int, language: str) -> tuple[ManifestRow, str]:
    """Read a line, and what of it is not used. Raises DatasetError, TextError: it is no row."""
    cells = line.split("|", LIST_FIELDS - 1)
    if len(cells) != LIST_FIELDS:
        raise DatasetError(f"{len(cells)} fields, expected path|speaker|language|text")
    path, speaker, code, rest = cells
    text, extra = text_field(rest)
    if not text.strip():
        raise DatasetError("no text")
    row = ManifestRow(
        path=_resolved(path, source.parent),
        speaker=speaker,
        language=language_code(code, language),
        text=text.strip(),
        where=f"{source}:{number}",
    )
    return row, extra


# Up to two bars that stand alone end the text; three or more, or one with a space beside it, are part of it:
#
#     Hello there.|happy|take two    ->  "Hello there."           + happy, take two
#     One | two.|happy               ->  "One | two."             + happy
#     a|b|c|d                        ->  "a|b|c|d"
#     Dr. [Nguyen|win] is in.        ->  all of it: a bar in brackets gives a reading
def text_field(rest: str) -> tuple[str, str]:
    """Split what follows the third bar of a line into the text and the fields after it, as the header has it."""
    if len(_BAR.findall(rest)) > MAX_EXTRA_FIELDS:
        return rest, ""
    text, *extra_fields = _COLUMN.split(rest)
    return text, "|".join(extra_fields)


def _resolved(written: str, folder: Path) -> Path:
    """Find the file that a path in a list means: below the list's folder, or else the working folder."""
    path = written.strip(_AROUND_PATHS).rstrip("/\\")
    if not path:
        raise DatasetError("no path")
    candidates = [folder / path, Path(path)]
    if "\\" in path:  # a list from Windows
        candidates += [folder / path.replace("\\", "/"), Path(path.replace("\\", "/"))]
    try:
        return next(candidate for candidate in candidates if is_file(candidate))
    except StopIteration:
        raise DatasetError(f"no file {path}") from None


def is_file(path: Path) -> bool:
    """Whether there is such a file. Raises DatasetError: that cannot be told, as for names over 255 bytes."""
    try:
        return path.is_file()
    except OSError as error:
        raise DatasetError(f"cannot look for {str(path)[:80]}…: {error.strerror}") from error


def _with_usable_name(row: ManifestRow) -> ManifestRow:
    """Give another name where files and tables cannot have that of the recording: not in UTF-8, or very long."""
    written = os.fsencode(row.name)
    name = written.decode("utf-8", errors="replace").replace("\ufffd", "_")
    if name == row.name and len(written) <= _MAX_NAME_BYTES:
        return row
    short = name.encode()[: _MAX_NAME_BYTES // 2].decode(errors="ignore")
    digest = hashlib.sha256(written).hexdigest()[:8]
    return replace(row, alias=f"{Path(short).stem}-{digest}{Path(name).suffix[:8]}")


def _with_unique_names(rows: Sequence[ManifestRow]) -> tuple[ManifestRow, ...]:
    """Give recordings of one name in several folders names of their own, made of their paths.

    Raises:
        DatasetError: the same recording twice.
    """
    # Equal as the least capable file system sees it, which neither minds case nor tells composed letters from others.
    by_name: dict[str, dict[Path, ManifestRow]] = {}
    for row in rows:
        key, path = unicodedata.normalize("NFC", row.name).casefold(), real_path(row.path)
        earlier = by_name.setdefault(key, {}).setdefault(path, row)
        if earlier is not row:
            raise DatasetError(
                f"{row.path} is there twice ({earlier.where} and {row.where})", hint="remove one of the two"
            )
    twins = {id(row): path for group in by_name.values() if len(group) > 1 for path, row in group.items()}
    # Of the path below what all of them share: the names stay the same when the whole source is moved.
    root = Path(os.path.commonpath([path.parent for path in twins.values()])) if twins else Path()
    return tuple(
        replace(row, alias=_with_digest(row.name, twins[id(row)].relative_to(root))) if id(row) in twins else row
        for row in rows
    )


def _with_digest(name: str, path: Path) -> str:
    """A name with a digest of its path: "a.wav" in one/ is "a-3f2c9d10.wav"."""
    digest = hashlib.sha256(path.as_posix().encode()).hexdigest()[:8]
    return f"{Path(name).stem}-{digest}{Path(name).suffix}"


def _with_languages(rows: tuple[ManifestRow, ...]) -> tuple[tuple[ManifestRow, ...], list[str]]:
    """Decide for rows in `auto` what a script that several languages share stands for, by the texts of all of them.

    One text by itself may hold nothing that tells. Gives the rows, and a note for the user where all of them do not.
    """
    document = "\n".join(row.text for row in rows if row.language == segment.AUTO)
    mode = segment.resolve_mode(segment.AUTO, document)
    resolved = tuple(replace(row, language=mode) if row.language == segment.AUTO else row for row in rows)
    return resolved, list(filter(None, [segment.latin_ambiguity(mode, document)]))


def _nothing_usable(manifest: Manifest) -> DatasetError:
    first = manifest.left_out[0] if manifest.left_out else None
    why = f"{len(manifest.left_out)} left out, the first: {first.name}: {first.reason}" if first else "it is empty"
    return DatasetError(
        f"{manifest.source} ({manifest.kind}) has no utterance that can be used: {why}",
        hint="give a folder of recordings with their transcripts beside them, or a .list of path|speaker|language|text",
    )
