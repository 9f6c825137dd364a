"""Where rows come from: a `.list`, an LJSpeech table, slices, a folder with transcripts, or an experiment.

Knows nothing of audio beyond file names. Each reader gives a `Manifest`; `read_manifest` picks the one that fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from sovits_cli.data.experiment import Experiment, LeftOut
from sovits_cli.data.manifest import Manifest, ManifestRow, TextFileReader, is_file, language_code, read_list
from sovits_cli.errors import DatasetError, TextError
from sovits_cli.files import inside, parse_json

TRANSCRIPT_SUFFIXES = (".txt", ".lab")
AUDIO_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".oga", ".aif", ".aiff", ".au", ".caf", ".w64", ".rf64")
SLICES_FILE = "slices.jsonl"
LJSPEECH_FILE = "metadata.csv"
LJSPEECH_AUDIO = "wavs"

_ALIGNMENT = re.compile(r"\s*\d+\s+\d+\s+\S+\s*")
"""A line of an HTK label file: start, end, name."""


def read_manifest(source: Path, language: str) -> Manifest:
    """Read whatever `source` is; `language` is the code of transcripts that name none.

    Raises:
        TextError: unknown language.
        DatasetError: nothing there that can be used, or two recordings of one name.
    """
    code = language_code(language, language)
    if not source.exists():
        raise DatasetError(f"{source} does not exist", code="dataset.no_source")
    found = _from_folder(source, code) if source.is_dir() else _from_file(source, code)
    return found.checked()


def _from_file(source: Path, language: str) -> Manifest:
    if source.suffix.lower() == ".list":
        return read_list(source, language)
    if source.suffix.lower() == ".csv":
        return read_ljspeech(source, language)
    if source.suffix.lower() == ".jsonl":
        return read_slices(source, language)
    raise DatasetError(
        f"{source} is no dataset: expected a folder, a .list, an LJSpeech metadata.csv or a slices.jsonl",
        code="dataset.unknown_source",
        fields={"folder": str(source.parent)},
    )


# The first that is there decides:
#
#     2-name2text.txt   an experiment folder, of ours or of the official program
#     metadata.csv      an LJSpeech table           id|text|normalised text, audio in wavs/
#     *.list            the official list           path|speaker|language|text
#     slices.jsonl      slices                      {"file": ..., "text": ..., "language": ...}, or sidecars
#     none of them      recordings with sidecars    talk.wav, talk.txt, in sub-folders too
def _from_folder(source: Path, language: str) -> Manifest:
    if Experiment(source).exists():
        return read_experiment(Experiment(source), language)
    if (source / LJSPEECH_FILE).is_file():
        return read_ljspeech(source / LJSPEECH_FILE, language)
    lists = sorted(source.glob("*.list"))
    if len(lists) > 1:
        raise DatasetError(
            f"{source} holds {len(lists)} .list files, expected one",
            code="dataset.several_lists",
            fields={"first": str(lists[0])},
        )
    if lists:
        return read_list(lists[0], language)
    if (source / SLICES_FILE).is_file():
        return read_slices(source / SLICES_FILE, language)
    return read_folder(source, language)


def read_folder(folder: Path, language: str) -> Manifest:
    """Read recordings with a transcript beside each: `talk.wav` and `talk.txt` or `talk.lab`, in sub-folders too."""
    return _with_sidecars(folder, "recordings with transcripts", _sound_files(folder), TextFileReader(language))


def find_recordings(folder: Path, texts: TextFileReader) -> tuple[list[ManifestRow], list[Path]]:
    """Find the recordings of a folder or of slices whose transcript lies beside them, and those without one.

    Raises:
        DatasetError: no such folder, or no recording in it.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder of recordings", code="dataset.not_a_folder")
    rows: list[ManifestRow] = []
    without_text: list[Path] = []
    for path in _sound_files(folder):
        try:
            text = _transcript(path, texts)
        except DatasetError:
            text = None
        if text is None:
            without_text.append(path)
        else:
            rows.append(ManifestRow(path, folder.name, texts.language, text, str(path.parent)))
    return rows, without_text


def _sound_files(folder: Path) -> list[Path]:
    """All recordings in a folder and below. Raises DatasetError where there are none."""
    found = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in AUDIO_SUFFIXES]
    found = [path for path in found if path.is_file() and not path.name.startswith(".")]
    if not found:
        raise DatasetError(
            f"{folder} holds no recording: expected {', '.join(AUDIO_SUFFIXES[:5])} or another sound file",
            code="dataset.no_recording",
        )
    return found


def read_slices(path: Path, language: str) -> Manifest:
    """Read the manifest of `sovits slice`; a row may hold its `text` and `language`, else a transcript lies beside."""
    texts_of_rows: dict[Path, tuple[str, str]] = {}
    recordings: list[Path] = []
    left_out: list[LeftOut] = []
    texts = TextFileReader(language)
    for number, line in enumerate(texts.read(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
            # A manifest may be somebody else's: its files lie in its folder, or the row is none.
            recording = inside(path.parent, str(row["file"]))
            text = str(row.get("text") or "").strip()
            code = language_code(str(row.get("language") or ""), language)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            why = f": {error}" if isinstance(error, ValueError) else ""
            left_out.append(LeftOut(f"{path.name} line {number}", f"no row of a slices manifest{why}"))
            continue
        except TextError as error:
            left_out.append(LeftOut(f"{path.name} line {number}", error.message))
            continue
        recordings.append(recording)
        if text:
            texts_of_rows[recording] = text, code
    return _with_sidecars(path.parent, "slices", recordings, texts, given=texts_of_rows, left_out=left_out)


def read_ljspeech(path: Path, language: str) -> Manifest:
    """Read an LJSpeech table: id|text|normalised text, audio in `wavs/`."""
    rows: list[ManifestRow] = []
    left_out: list[LeftOut] = []
    files = TextFileReader(language)
    for number, line in enumerate(files.read(path).split("\n"), start=1):
        if not line.strip():
            continue
        name, *texts = (cell.strip() for cell in line.split("|", 2))
        text = next((cell for cell in reversed(texts) if cell), "")
        try:
            recording = _ljspeech_audio(path.parent, name)
        except DatasetError as error:
            left_out.append(LeftOut(f"{path.name} line {number}", error.message))
            continue
        if recording is None or not text:
            reason = f"no {LJSPEECH_AUDIO}/{name}.wav" if recording is None else "no text"
            left_out.append(LeftOut(f"{path.name} line {number}", reason))
            continue
        rows.append(ManifestRow(recording, path.parent.name, language, text, f"{path}:{number}"))
    return Manifest(path, "an LJSpeech table", tuple(rows), tuple(left_out), notes=files.notes)


def read_experiment(experiment: Experiment, language: str) -> Manifest:
    """Read an official experiment folder: its phones are kept, its audio is taken as it is."""
    table = experiment.read_text()
    rows: list[ManifestRow] = []
    left_out = list(table.left_out)
    for row in table.rows.values():
        path = experiment.wave_path(row.name)
        if path.is_file():
            where = str(experiment.text_file)
            rows.append(ManifestRow(path, experiment.root.name, language, row.norm, where, existing=row))
        else:
            left_out.append(LeftOut(row.name, f"no {path.parent.name}/{path.name}"))
    return Manifest(experiment.root, "an experiment folder", tuple(rows), tuple(left_out), experiment)


def _with_sidecars(
    folder: Path,
    kind: str,
    recordings: Iterable[Path],
    texts: TextFileReader,
    *,
    given: Mapping[Path, tuple[str, str]] | None = None,
    left_out: Iterable[LeftOut] = (),
) -> Manifest:
    """Recordings with their transcripts: those that are given, with their language, else what lies beside them."""
    rows: list[ManifestRow] = []
    unreadable = list(left_out)
    without_text: list[LeftOut] = []
    for path in recordings:
        try:
            text, code = (given or {}).get(path) or (_transcript(path, texts), texts.language)
        except DatasetError as error:
            unreadable.append(LeftOut(path.name, error.message))
            continue
        if text is None:
            reason = f"no transcript: expected {path.stem}.txt or {path.stem}.lab beside it"
            without_text.append(LeftOut(path.name, reason))
        else:
            rows.append(ManifestRow(path, folder.name, code, text, str(path.parent)))
    if without_text and not rows:
        first = without_text[0].name
        raise DatasetError(
            f"none of the {len(without_text)} recordings in {folder} has a transcript beside it, such as {first} "
            f"and {Path(first).stem}.txt",
            hint="write what is said into a .txt beside each recording, or give a .list of path|speaker|language|text",
        )
    return Manifest(folder, kind, tuple(rows), (*unreadable, *without_text), notes=texts.notes)


def _transcript(recording: Path, texts: TextFileReader) -> str | None:
    """Read the text beside a recording; None if there is none. Raises DatasetError: no recording, or no text in it."""
    if not is_file(recording):
        raise DatasetError("no such file")
    beside = (recording.with_suffix(suffix) for suffix in TRANSCRIPT_SUFFIXES)
    sidecar = next((path for path in beside if is_file(path)), None)
    if sidecar is None:
        return None
    lines = [line for line in texts.read(sidecar).splitlines() if line.strip()]
    if not lines:
        raise DatasetError(f"{sidecar.name} is empty")
    if all(_ALIGNMENT.fullmatch(line) for line in lines):
        raise DatasetError(f"{sidecar.name} holds timed labels, expected the text that is said")
    return " ".join(" ".join(lines).split())


def _ljspeech_audio(folder: Path, name: str) -> Path | None:
    if not name or "/" in name or "\\" in name:
        return None
    for parent in (folder / LJSPEECH_AUDIO, folder):
        for suffix in ("", *AUDIO_SUFFIXES):
            path = parent / f"{name}{suffix}"
            if path.suffix.lower() in AUDIO_SUFFIXES and is_file(path):
                return path
    return None
