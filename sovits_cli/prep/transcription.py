"""Transcripts for recordings that have none: recognised, filtered, and written to a `.list` that people can correct.

A row of the list is never transcribed again. What cannot be used has a row without text: it is left out until somebody
writes the text, or deletes the row to have it transcribed again. Knows no particular recogniser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from sovits_cli.audio.reader import read_audio
from sovits_cli.data.experiment import LeftOut
from sovits_cli.data.manifest import LIST_FIELDS, Manifest, ManifestRow, TextFileReader, list_line, parse_list
from sovits_cli.data.manifest_readers import find_recordings
from sovits_cli.errors import DatasetError, InputError, SovitsError, TextError, contained, nothing_done
from sovits_cli.events import Note, Progress, Reporter
from sovits_cli.files import atomic, real_path, refuse_link, write_error
from sovits_cli.locks import held
from sovits_cli.prep.whisper import RATE_HZ, SpeechRecogniser, TranscribedSegment, Transcription
from sovits_cli.text.languages import language_of_recogniser
from sovits_cli.text.segment import AUTO, find_mode

LIST_FILE = "transcripts.list"

_FRAME_S = 0.03
_SILENT_DB = -50.0
"""No frame of speech is below this level, full scale being 0."""

_BELOW_PEAK_DB = 40.0
"""Nor so far below the loudest frame of its recording."""

_MIN_LOUD_SHARE = 0.1
"""Share of loud frames under which a segment was made up over silence."""

# Whisper's own rules (whisper/transcribe.py, `no_speech_threshold`, `logprob_threshold`, and for the third
# `compression_ratio_threshold`): a segment over the first and under the second is no speech; text that compresses
# better than the third repeats itself.
_MAX_NO_SPEECH, _MIN_CONFIDENCE, _MAX_REPETITION = 0.6, -1.0, 2.4

_LOOP = re.compile(r"(\w[^\n]{3,60}?)(?:[\W_]*\1){3,}|(\w[^\n]{0,2}?)(?:[\W_]*\2){11,}")
"""The same words four times in a row, or the same few letters twelve times; laughter is shorter."""

_MAX_LETTERS_PER_S = 35.0
"""Nobody speaks faster, in any script."""


@dataclass(frozen=True)
class _TranscriptList:
    """What a list holds: its rows with a text, and the recordings whose row has none."""

    rows: Manifest
    without_text: frozenset[Path]

    @property
    def recordings(self) -> set[Path]:
        """Recordings that have a row, with or without a text."""
        return {real_path(row.path) for row in self.rows.rows} | self.without_text


@dataclass(frozen=True)
class _Recordings:
    """The recordings of a source, by whether a transcript lies beside them.

    Args:
        with_text: with one; `unlistable` are those of them whose path no list can hold.
        without_text: without one.
        left_out: without one, and with a path that no list can hold.
        texts: what the transcripts were read with.
    """

    with_text: Sequence[ManifestRow]
    unlistable: Sequence[ManifestRow]
    without_text: Sequence[Path]
    left_out: Sequence[LeftOut]
    texts: TextFileReader

    @property
    def paths(self) -> set[Path]:
        """All that a list can hold."""
        return {real_path(path) for path in (*self.without_text, *(row.path for row in self.with_text))}

    def missing_in(self, listed: _TranscriptList) -> list[Path]:
        """Those without a transcript anywhere: they are to be transcribed."""
        known = listed.recordings
        return [path for path in self.without_text if real_path(path) not in known]


#     beside the recording    row in the list    what happens
#     talk.txt                none               its text is added to the list
#     none                    none               transcribed; a row is added at once, without text if it is of no use
#     any                     with text          the row counts, however it came there
#     any                     without text       left out
def transcribe_missing(
    source: Path, lang: str, list_path: Path, make_recogniser: Callable[[], SpeechRecogniser], reporter: Reporter
) -> Manifest:
    """The rows of `source`, with what was recognised where nobody wrote it down.

    Args:
        source: a folder of recordings, or slices.
        lang: mode or language of what is said; `auto`: each recording has its own.
        list_path: the list; rows that are there are taken as they stand.
        make_recogniser: called if there is anything to transcribe.
        reporter: hears of progress.

    Raises:
        DatasetError: nothing can be used.
        ResourceError: the list cannot be written, or another process writes it. What was transcribed is kept.
    """
    with held(list_path.parent):
        refuse_link(list_path)
        recordings = _find(source, lang)
        listed = _read(list_path, lang)
        _rewrite_as_utf8(list_path, recordings.texts)
        missing = recordings.missing_in(listed)
        if missing:
            reporter.emit(Note(f"transcripts go to {list_path}: correct them there and run the same command again"))
        for row in recordings.with_text:
            if real_path(row.path) not in listed.recordings:
                _append(list_path, row)
        recogniser = make_recogniser() if missing else None
        failed = _transcribe_all(missing, lang, list_path, recogniser, reporter) if recogniser else []
        manifest = _combined(source, recordings, _read(list_path, lang), [*recordings.left_out, *failed])
    try:
        return manifest.checked()
    except DatasetError as error:
        nothing = DatasetError(error.message, code="prep.nothing_transcribed", fields={"list": str(list_path)})
        failure = nothing_done(nothing, [item.bug for item in manifest.left_out])
    raise failure


def plan_transcription(source: Path, lang: str, list_path: Path, reporter: Reporter) -> Manifest:
    """What `transcribe_missing` would give without transcribing or writing anything: how much is to be done.

    Args: those of `transcribe_missing`.

    Raises:
        DatasetError: no recordings are there.
    """
    recordings = _find(source, lang)
    listed = _read(list_path, lang)
    missing = recordings.missing_in(listed)
    if missing:
        reporter.emit(Note(f"{len(missing)} recordings are to be transcribed first: what they say is not known yet"))
    manifest = _combined(source, recordings, listed, recordings.left_out)
    unlisted = [row for row in recordings.with_text if real_path(row.path) not in listed.recordings]
    planned = replace(manifest, rows=(*manifest.rows, *unlisted))
    return planned.checked() if planned.rows else planned


def _find(source: Path, lang: str) -> _Recordings:
    texts = TextFileReader(lang)
    with_text, without_text = find_recordings(source, texts)
    unlistable = [path for path in without_text if not _is_utf8(path)]
    return _Recordings(
        with_text=[row for row in with_text if _is_utf8(row.path)],
        unlistable=[row for row in with_text if not _is_utf8(row.path)],
        without_text=[path for path in without_text if _is_utf8(path)],
        left_out=[LeftOut(path.name, "its name is not UTF-8: rename it") for path in unlistable],
        texts=texts,
    )


def _combined(source: Path, recordings: _Recordings, listed: _TranscriptList, left_out: Sequence[LeftOut]) -> Manifest:
    """What the list says of the recordings that are there, beside what was left out in this run."""
    here, named = recordings.paths, {item.name for item in left_out}
    rows = (*recordings.unlistable, *(row for row in listed.rows.rows if real_path(row.path) in here))
    empty = sorted(path for path in listed.without_text & here if path.name not in named)
    reason = f"no text in {listed.rows.source.name}: write it there, or delete the row"
    notes = (*recordings.texts.notes, *listed.rows.notes)
    not_used = (*left_out, *(LeftOut(path.name, reason) for path in empty))
    return Manifest(source, "recordings, transcribed", rows, not_used, notes=notes)


def _transcribe_all(
    missing: Sequence[Path], lang: str, list_path: Path, recogniser: SpeechRecogniser, reporter: Reporter
) -> Sequence[LeftOut]:
    """Transcribe recordings, a row each; gives what is of no use. One that a bug of ours struck gets no row."""
    left_out: list[LeftOut] = []

    def fail(path: Path, error: SovitsError) -> None:
        left_out.append(LeftOut.from_error(path.name, error))

    for done, path in enumerate(missing, start=1):
        with contained(partial(fail, path)):
            row, reason = _transcribe(path, lang, recogniser)
            _append(list_path, row)
            left_out += [LeftOut(path.name, reason)] if reason else []
        reporter.emit(Progress("transcribing", done, len(missing), "recordings"))
    return left_out


def _transcribe(path: Path, lang: str, recogniser: SpeechRecogniser) -> tuple[ManifestRow, str]:
    """What is said in a recording; with an empty text and the reason where it is of no use."""
    only = None if lang == AUTO else find_mode(lang).main
    code, text, reason = only or "", "", ""
    try:
        wave, _ = read_audio(path, rate=RATE_HZ, mono=True)
        # Whisper makes up words over silence, so that it does not get to see any.
        if float(_levels_db(wave).max(initial=-np.inf)) < _SILENT_DB:
            reason = "silent"
        else:
            transcription = recogniser.transcribe(wave, only)
            code = only or language_of_recogniser(transcription.language).code
            text, reason = _usable_text(transcription, wave)
    except TextError:
        reason = f"spoken in {transcription.language}, which no front end reads"
    except InputError as error:
        reason = error.message
    return ManifestRow(real_path(path), path.parent.name, code, "" if reason else text, str(path)), reason


def _usable_text(transcription: Transcription, wave: np.ndarray) -> tuple[str, str]:
    """The text of the segments in which somebody speaks, or why there is none."""
    levels = _levels_db(wave)
    floor = max(_SILENT_DB, float(levels.max()) - _BELOW_PEAK_DB)
    kept = [part for part in transcription.segments if part.text and not _is_silence(part, levels > floor)]
    text = " ".join(" ".join(part.text for part in kept).split())
    if not any(character.isalnum() for character in text):
        return "", "no speech was heard"
    loop = _LOOP.search(text)
    if loop or any(part.repetition > _MAX_REPETITION for part in kept):
        repeated = (loop[1] or loop[2]) if loop else text[:30]
        return "", f"what was heard repeats itself: {repeated.strip()!r}"
    # Less than a second of speech may be all of one word: its letters are measured against a second.
    speech_s = sum(part.end_s - part.start_s for part in kept)
    if len(text) > _MAX_LETTERS_PER_S * max(speech_s, 1.0):
        return "", f"{len(text)} letters were heard in {speech_s:.1f} s"
    return text, ""


def _is_silence(part: TranscribedSegment, loud: np.ndarray) -> bool:
    """Whether a segment was made up over silence; `loud` (F,) tells which frames are not."""
    if part.no_speech > _MAX_NO_SPEECH and part.confidence < _MIN_CONFIDENCE:
        return True
    frames = loud[int(part.start_s / _FRAME_S) : max(1, round(part.end_s / _FRAME_S))]
    return len(frames) == 0 or float(frames.mean()) < _MIN_LOUD_SHARE


def _levels_db(wave: np.ndarray) -> np.ndarray:
    """Levels (F,) of frames of 30 ms of samples (T,)."""
    size = int(_FRAME_S * RATE_HZ)
    frames = wave[: len(wave) // size * size].reshape(-1, size)
    levels: np.ndarray = 10 * np.log10(np.square(frames, dtype=np.float64).mean(axis=1) + 1e-12)
    return levels


def _read(list_path: Path, lang: str) -> _TranscriptList:
    """Read a list, also the rows without text, which `parse_list` leaves out; an empty one where there is no file."""
    if not list_path.is_file():
        return _TranscriptList(Manifest(list_path, "", (), ()), frozenset())
    texts = TextFileReader(lang)
    text = texts.read(list_path)
    parsed = parse_list(text, list_path, lang)
    rows = replace(parsed, notes=(*texts.notes, *parsed.notes))
    cells = (line.split("|") for line in text.split("\n"))
    empty = (real_path(Path(row[0])) for row in cells if len(row) >= LIST_FIELDS and not row[3].strip())
    return _TranscriptList(rows, frozenset(empty))


def _rewrite_as_utf8(list_path: Path, texts: TextFileReader) -> None:
    """Make the list UTF-8 again where an editor saved it otherwise: rows are added to it."""
    if not list_path.is_file():
        return
    text = texts.read(list_path)
    if list_path.read_bytes() != text.encode():
        with atomic(list_path, follow_links=False) as temporary:
            temporary.write_bytes(text.encode())


def _is_utf8(path: Path) -> bool:
    """Whether a path can be written in UTF-8; file names on Linux may be any bytes."""
    try:
        str(real_path(path)).encode()
    except UnicodeEncodeError:
        return False
    return True


def _append(list_path: Path, row: ManifestRow) -> None:
    """Add a row; it is on disk when this returns."""
    line = list_line(replace(row, path=real_path(row.path)))
    try:
        list_path.parent.mkdir(parents=True, exist_ok=True)
        with list_path.open("ab", buffering=0) as handle:
            handle.write(line.encode())
    except OSError as error:
        raise write_error(list_path, error) from error
