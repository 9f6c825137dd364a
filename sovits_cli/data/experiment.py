"""The official experiment folder: its files and their names, its tables, its feature tensors, our `dataset.json`.

    2-name2text.txt       name, phones, phones per character, normalised text      prepare_datasets/1-get-text.py
    3-bert/NAME.pt        (D, P) float                                             1-get-text.py
    4-cnhubert/NAME.pt    (1, C, F) float                                          2-get-hubert-wav32k.py
    5-wav32k/NAME         mono int16 at 32 kHz                                     2-get-hubert-wav32k.py
    6-name2semantic.tsv   name, semantic tokens                                    3-get-semantic.py
    7-sv_cn/NAME.pt       (1, V) float                                             2-get-sv.py
    8-phones/NAME.txt     "end_seconds phone" a line                               ours
    dataset.json          the model of the features, and the sources               ours

NAME is the basename of a recording, suffix included. Knows no audio and no settings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from torch import Tensor

from sovits_cli.checkpoints.torch_files import load_torch_file, save_torch_file
from sovits_cli.errors import DatasetError, ModelError, SovitsError, UnforeseenError
from sovits_cli.files import atomic, parse_json, plain_name

TEXT_FILE = "2-name2text.txt"
BERT_FOLDER = "3-bert"
CONTENT_FOLDER = "4-cnhubert"
WAVE_FOLDER = "5-wav32k"
SEMANTIC_FILE = "6-name2semantic.tsv"
SPEAKER_FOLDER = "7-sv_cn"
PHONES_FOLDER = "8-phones"
INFO_FILE = "dataset.json"
SEMANTIC_HEADER = "item_name\tsemantic_audio"

Row = TypeVar("Row")


class LeftOutCause(StrEnum):
    """Why an item is not used, in a word or two."""

    LONG = "over max_sec"
    SHORT = "under min_sec"
    PHONES = "too many phones"
    RATE = "phones per second"
    MISSING = "feature missing"
    BROKEN = "unreadable or unfit"


class ExcludedClipError(DatasetError):
    """A clip that a limit or a missing file keeps out. `seconds` is its audio, None where that is not known."""

    def __init__(self, message: str, cause: LeftOutCause, seconds: float | None = None) -> None:
        super().__init__(message)
        self.cause = cause
        self.seconds = seconds


@dataclass(frozen=True)
class LeftOut:
    """An item that is not used, and why.

    Args:
        name: its basename, or where it is written ("line 12") if there is none.
        reason: one line.
        cause: in a word or two.
        seconds: its audio, None where that is not known.
        bug: what no code expected, where the item is not to blame.
    """

    name: str
    reason: str
    cause: LeftOutCause = LeftOutCause.BROKEN
    seconds: float | None = None
    bug: UnforeseenError | None = field(default=None, compare=False, metadata={"json": False})

    @classmethod
    def from_error(cls, name: str, error: SovitsError, *, seconds: float | None = None) -> LeftOut:
        """An item that failed; `seconds` of its audio, if they are known better than by the error."""
        bug = error if isinstance(error, UnforeseenError) else None
        if not isinstance(error, ExcludedClipError):
            return cls(name, error.message, seconds=seconds, bug=bug)
        return cls(name, error.message, error.cause, error.seconds if seconds is None else seconds)


@dataclass(frozen=True)
class TextRow:
    """One row of `2-name2text.txt`. `word2ph` is phones per character of `norm`, None where there is no relation."""

    name: str
    phones: tuple[str, ...]
    word2ph: tuple[int, ...] | None
    norm: str


@dataclass(frozen=True)
class Table(Generic[Row]):
    """A table: rows by name in file order, and the lines that are no row."""

    rows: dict[str, Row]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class DatasetInfo:
    """What `dataset.json` says: which model the features belong to, and what the folder was made from.

    Args:
        model: name or folder of the model whose features these are.
        version: row of `versions.VERSIONS`.
        symbols: symbol table of the phones.
        languages: tokens found in the transcripts.
        sources: files and folders that `prep` was given.
        items: clips in both tables.
        seconds: their audio.
    """

    model: str
    version: str
    symbols: str
    languages: tuple[str, ...]
    sources: tuple[str, ...]
    items: int
    seconds: float


class Experiment:
    """An experiment folder. Nothing is read or made before it is asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.text_file = root / TEXT_FILE
        self.semantic_file = root / SEMANTIC_FILE
        self.info_file = root / INFO_FILE
        self.bert_dir = root / BERT_FOLDER
        self.content_dir = root / CONTENT_FOLDER
        self.wave_dir = root / WAVE_FOLDER
        self.speaker_dir = root / SPEAKER_FOLDER
        self.phones_dir = root / PHONES_FOLDER

    def exists(self) -> bool:
        """Tell whether the folder holds the transcripts of an experiment."""
        return self.text_file.is_file()

    def bert_path(self, name: str) -> Path:
        """The file of BERT features (D, P); only where the language has them."""
        return self.bert_dir / f"{name}.pt"

    def content_path(self, name: str) -> Path:
        """The file of content features (1, C, F)."""
        return self.content_dir / f"{name}.pt"

    def wave_path(self, name: str) -> Path:
        """The file of 32 kHz mono int16 audio in WAV form; the name keeps the suffix of its source."""
        return self.wave_dir / name

    def speaker_path(self, name: str) -> Path:
        """The file of the speaker embedding (1, V); only for versions that take one."""
        return self.speaker_dir / f"{name}.pt"

    def phones_path(self, name: str) -> Path:
        """The file of the timed phones, a copy of the sidecar `<stem>.phones`; only where there is one."""
        return self.phones_dir / f"{name}.txt"

    def read_text(self) -> Table[TextRow]:
        """Read `2-name2text.txt`. Raises DatasetError: missing, not UTF-8, or a name twice."""
        return _read_table(self.text_file, 4, _text_row, header=None)

    def write_text(self, rows: Iterable[TextRow]) -> None:
        """Write `2-name2text.txt` whole."""
        _write_lines(self.text_file, ["\t".join(_text_cells(row)) for row in rows])

    def read_semantic(self) -> Table[np.ndarray]:
        """Read `6-name2semantic.tsv`: int64 tokens (S,) by name. Raises DatasetError as `read_text` does."""
        return _read_table(self.semantic_file, 2, _token_row, header=SEMANTIC_HEADER)

    def write_semantic(self, rows: Iterable[tuple[str, Iterable[int]]]) -> None:
        """Write `6-name2semantic.tsv` whole."""
        lines = [f"{name}\t{' '.join(str(int(code)) for code in tokens)}" for name, tokens in rows]
        _write_lines(self.semantic_file, [SEMANTIC_HEADER, *lines])

    def read_info(self) -> DatasetInfo | None:
        """Read `dataset.json`; None where there is none, as in a folder made by the official program."""
        if not self.info_file.is_file():
            return None
        try:
            found = parse_json(_read(self.info_file))
            return DatasetInfo(
                model=str(found["model"]),
                version=str(found["version"]),
                symbols=str(found["symbols"]),
                languages=tuple(found["languages"]),
                sources=tuple(found["sources"]),
                items=int(found["items"]),
                seconds=float(found["seconds"]),
            )
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise DatasetError(
                f"{self.info_file} is not what prep writes: {error!r}",
                code="dataset.file_broken",
                fields={"path": str(self.info_file)},
            ) from error

    def write_info(self, info: DatasetInfo) -> None:
        """Write `dataset.json` whole."""
        with atomic(self.info_file, follow_links=False) as temporary:
            text = json.dumps(asdict(info), ensure_ascii=False, indent=1) + "\n"
            temporary.write_bytes(
                text.encode("utf-8", errors="backslashreplace")
            )  # paths that are no text, as JSON has it


# A line that is no row is left out with its number, and the rest is used; a name in two rows stops, since nothing says
# which of the two the features of that name belong to.
def _read_table(path: Path, width: int, parse: Callable[[list[str]], Row], *, header: str | None) -> Table[Row]:
    good: dict[str, Row] = {}
    bad: list[LeftOut] = []
    first_seen: dict[str, int] = {}
    for number, line in enumerate(_read(path).split("\n"), start=1):
        row = line.removesuffix("\r")
        if not row.strip() or (number == 1 and row == header):
            continue
        cells = row.split("\t")
        name = cells[0]
        try:
            if len(cells) != width:
                raise ValueError(f"{len(cells)} fields, expected {width}")
            plain_name(name)
            parsed = parse(cells)
        except ValueError as error:
            bad.append(LeftOut(name or f"line {number}", f"{path.name} line {number}: {error}"))
            continue
        if name in first_seen:
            raise DatasetError(
                f"{path}: {name!r} is in line {first_seen[name]} and in line {number}, expected each name once",
                code="dataset.name_twice",
            )
        first_seen[name] = number
        good[name] = parsed
    return Table(good, tuple(bad))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DatasetError(f"{path} is missing", code="dataset.not_prepared") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 at byte {error.start}", hint="save it as UTF-8") from error
    except OSError as error:
        raise DatasetError(
            f"cannot read {path}: {error.strerror}", hint="check the path and its permissions"
        ) from error


def _write_lines(path: Path, lines: list[str]) -> None:
    with atomic(path, follow_links=False) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def _text_row(cells: list[str]) -> TextRow:
    name, phones, counts, norm = cells
    if not phones.split():
        raise ValueError("no phones")
    return TextRow(name, tuple(phones.split()), _counts(counts), norm)


# Phones per character are written as Python prints a list: "[2, 1, 2]", or "None". The official program reads them with
# `eval`; here they are parsed, and anything else is no row.
def _counts(text: str) -> tuple[int, ...] | None:
    if text.strip() == "None":
        return None
    inside = text.strip().removeprefix("[").removesuffix("]")
    try:
        return tuple(int(part) for part in inside.split(",")) if inside.strip() else ()
    except ValueError:
        raise ValueError(f"phones per character are {text[:40]!r}, expected a list of integers or None") from None


def _text_cells(row: TextRow) -> tuple[str, str, str, str]:
    counts = "None" if row.word2ph is None else str(list(row.word2ph))
    return row.name, " ".join(row.phones), counts, " ".join(row.norm.split())


def _token_row(cells: list[str]) -> np.ndarray:
    try:
        tokens = np.array(cells[1].split(), dtype=np.int64)
    except (ValueError, OverflowError):
        raise ValueError("semantic tokens that are no integers") from None
    if not tokens.size:
        raise ValueError("no semantic tokens")
    return tokens


def save_feature(path: Path, tensor: Tensor) -> None:
    """Store a tensor on its own. The same tensor gives the same bytes."""
    save_torch_file(path, tensor.detach().cpu().contiguous())


def load_feature(path: Path) -> Tensor:
    """Read a tensor, without gradient.

    Raises:
        DatasetError: missing, broken, something else than a tensor, or with NaN or infinite values, which would spoil a
            training step without saying whose they are.
    """
    found = _mapped(path).clone()  # the map would keep the file open
    if found.is_floating_point() and not bool(found.isfinite().all()):
        raise DatasetError(
            f"{path.parent.name}/{path.name} holds NaN or infinite values",
            code="dataset.file_broken",
            fields={"path": str(path)},
        )
    return found


def feature_shape(path: Path) -> tuple[int, ...]:
    """Shape of a stored tensor, without reading its numbers. Raises DatasetError as `load_feature` does."""
    return tuple(_mapped(path).shape)


def _mapped(path: Path) -> Tensor:
    """A view of the file's bytes, which are read when used."""
    if not path.is_file():
        raise DatasetError(f"{path} is missing", code="dataset.feature_missing", fields={"path": str(path)})
    try:
        found = load_torch_file(path)
    except ModelError as error:
        raise DatasetError(
            f"{path} is no feature file", code="dataset.file_broken", fields={"path": str(path)}
        ) from error
    if not isinstance(found, Tensor):
        raise DatasetError(
            f"{path} holds a {type(found).__name__}, expected a tensor",
            code="dataset.file_broken",
            fields={"path": str(path)},
        )
    return found
