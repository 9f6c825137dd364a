"""Transcripts for recordings that have none: heard, filtered, and written to a `.list` that people can correct.

A row of the list is never heard again. What cannot be used has a row without text: it is left out until somebody
writes the text, or deletes the row to have it heard again. Knows no particular recogniser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from sovits_cli.audio.reader import read_audio
from sovits_cli.data import manifest
from sovits_cli.data.experiment import LeftOut
from sovits_cli.data.manifest import Manifest, ManifestRow, TextFileReader
from sovits_cli.data.manifest_readers import find_recordings
from sovits_cli.errors import DatasetError, InputError, SovitsError, TextError, contained
from sovits_cli.events import Note, Progress, Reporter
from sovits_cli.files import atomic, real_path, refuse_link, write_error
from sovits_cli.locks import held
from sovits_cli.prep.whisper import RATE_HZ, SpeechRecogniser, TranscribedSegment, Transcription
from sovits_cli.text import languages, segment

LIST_FILE = "transcripts.list"

_FRAME_S = 0.03
_SILENT_DB = -50.0
"""No frame of speech is below this level, full scale being 0."""

_BELOW_PEAK_DB = 40.0
"""Nor so far below the loudest frame of its recording."""

_FEWEST_LOUD = 0.1
"""Share of loud frames under which a phrase was heard in silence."""

_MOST_NO_SPEECH, _LEAST_CONFIDENCE = 0.6, -1.0
"""A phrase over the one and under the other is no speech (whisper's own rule)."""

_MOST_REPETITION = 2.4
"""Text that compresses better than this repeats itself (whisper's own rule)."""

_LOOP = re.compile(r"(\w[^\n]{3,60}?)(?:[\W_]*\1){3,}|(\w[^\n]{0,2}?)(?:[\W_]*\2){11,}")
"""The same words four times in a row, or the same few letters twelve times; laughter is shorter."""

_MOST_LETTERS_PER_S = 35.0
"""Nobody speaks faster, in any script."""


@dataclass(frozen=True)
class _Recordings:
    """The recordings of a source.

    Args:
        told: with a transcript beside them; `unlisted` are those of them whose path no list can hold.
        untold: without one.
        waiting: those of them that the list has no row for.
        left_out: without one, and with a path that no list can hold.
        known: with a row.
        texts: what was read with.
    """

    told: Sequence[ManifestRow]
    unlisted: Sequence[ManifestRow]
    untold: Sequence[Path]
    waiting: Sequence[Path]
    left_out: Sequence[LeftOut]
    known: Collection[Path]
    texts: TextFileReader


def transcribe_missing(
    source: Path, lang: str, place: Path, listen: Callable[[], SpeechRecogniser], reporter: Reporter
) -> Manifest:
    """The rows of `source`, with what was heard where nobody wrote it down.

    Args:
        source: a folder of recordings, or slices.
        lang: mode or language of what is said; `auto`: each recording has its own.
        place: the list; rows that are there are taken as they stand.
        listen: makes the one who hears, if there is anything to hear.
        reporter: hears of progress.

    Raises:
        DatasetError: nothing can be used.
        ResourceError: the list cannot be written, or another process writes it. What was heard before is kept.
    """
    with held(place.parent):
        refuse_link(place)
        found = _found(source, lang, place)
        _as_utf8(place, found.texts)
        if found.waiting:
            reporter.emit(Note(f"transcripts go to {place}: correct them there and run the same command again"))
        for said in found.told:
            if real_path(said.path) not in found.known:
                _append(place, said)
        left_out = [*found.left_out, *_hear_all(found.waiting, lang, place, listen, reporter)]
        listed = _listed(source, lang, place, found, left_out)
    try:
        return listed.checked()
    except DatasetError as error:
        bugs = [item.bug for item in listed.left_out if item.bug]
        if bugs and len(bugs) == len(listed.left_out):
            raise SovitsError(error.message, **bugs[0].advice) from bugs[0]
        hint = f"write what is said into {place} and run the same command again, or name a larger --asr-model"
        raise DatasetError(error.message, hint=hint) from error


def plan_transcription(source: Path, lang: str, place: Path, reporter: Reporter) -> Manifest:
    """What `transcribed` would give without hearing anything, and without writing anything: how much is to be heard.

    Raises:
        DatasetError: no recordings are there.
    """
    found = _found(source, lang, place)
    if found.waiting:
        reporter.emit(Note(f"{len(found.waiting)} recordings are to be heard first: what they say is not known yet"))
    rows = _listed(source, lang, place, found, found.left_out)
    missing = [said for said in found.told if real_path(said.path) not in found.known]
    listed = replace(rows, rows=(*rows.rows, *missing))
    return listed.checked() if listed.rows else listed


def _found(source: Path, lang: str, place: Path) -> _Recordings:
    texts = TextFileReader(lang)
    told, untold = find_recordings(source, lang, texts)
    known = _rows(place, lang)
    named = [path for path in untold if _is_text(path)]
    return _Recordings(
        told=[said for said in told if _is_text(said.path)],
        unlisted=[said for said in told if not _is_text(said.path)],
        untold=named,
        waiting=[path for path in named if real_path(path) not in known],
        left_out=[LeftOut(path.name, "its name is not UTF-8: rename it") for path in untold if not _is_text(path)],
        known=known,
        texts=texts,
    )


def _hear_all(
    waiting: Sequence[Path], lang: str, place: Path, listen: Callable[[], SpeechRecogniser], reporter: Reporter
) -> Sequence[LeftOut]:
    """Hear recordings, a row each; gives what is of no use. One that nobody can hear for a bug of ours gets no row."""
    left_out: list[LeftOut] = []
    recogniser = listen() if waiting else None

    def failed(path: Path, error: SovitsError) -> None:
        left_out.append(LeftOut.from_error(path.name, error))

    for done, path in enumerate(waiting, start=1):
        assert recogniser is not None
        with contained(partial(failed, path)):
            said, reason = _hear(path, lang, recogniser)
            _append(place, said)
            left_out += [LeftOut(path.name, reason)] if reason else []
        reporter.emit(Progress("transcribing", done, len(waiting), "recordings"))
    return left_out


def _listed(source: Path, lang: str, place: Path, found: _Recordings, left_out: Sequence[LeftOut]) -> Manifest:
    """What the list says of the recordings that are there."""
    listed = manifest.read_list(place, lang) if place.is_file() else Manifest(place, "", (), ())
    here = {real_path(path) for path in (*found.untold, *(said.path for said in found.told))}
    rows = (*found.unlisted, *(said for said in listed.rows if real_path(said.path) in here))
    others = _without_text(place, lang, here, {item.name for item in left_out})
    notes = (*found.texts.notes, *listed.notes)
    return Manifest(source, "recordings, transcribed", rows, (*left_out, *others), notes=notes)


def _hear(path: Path, lang: str, recogniser: SpeechRecogniser) -> tuple[ManifestRow, str]:
    """What is said in a recording; with an empty text and the reason where it is of no use."""
    only = None if lang == segment.AUTO else segment.find_mode(lang).main
    code, text, reason = only or "", "", ""
    try:
        wave, _ = read_audio(path, rate=RATE_HZ, mono=True)
        if float(_levels_db(wave).max(initial=-np.inf)) < _SILENT_DB:
            reason = "silent"
        else:
            heard = recogniser.hear(wave, only)
            code = only or languages.language_of_recogniser(heard.language).code
            text, reason = _usable(heard, wave)
    except TextError:
        reason = f"spoken in {heard.language}, which no front end reads"
    except InputError as error:
        reason = error.message
    return ManifestRow(real_path(path), path.parent.name, code, "" if reason else text, str(path)), reason


def _usable(heard: Transcription, wave: np.ndarray) -> tuple[str, str]:
    """The text of the segments in which somebody speaks, or why there is none."""
    levels = _levels_db(wave)
    floor = max(_SILENT_DB, float(levels.max()) - _BELOW_PEAK_DB)
    kept = [phrase for phrase in heard.segments if phrase.text and not _is_silence(phrase, levels > floor)]
    text = " ".join(" ".join(phrase.text for phrase in kept).split())
    if not any(character.isalnum() for character in text):
        return "", "no speech was heard"
    loop = _LOOP.search(text)
    if loop or any(phrase.repetition > _MOST_REPETITION for phrase in kept):
        again = (loop[1] or loop[2]) if loop else text[:30]
        return "", f"what was heard repeats itself: {again.strip()!r}"
    speech_s = sum(phrase.end_s - phrase.start_s for phrase in kept)
    if len(text) > _MOST_LETTERS_PER_S * max(speech_s, 1.0):
        return "", f"{len(text)} letters were heard in {speech_s:.1f} s"
    return text, ""


def _is_silence(phrase: TranscribedSegment, loud: np.ndarray) -> bool:
    """Whether a phrase was made up over silence."""
    if phrase.no_speech > _MOST_NO_SPEECH and phrase.confidence < _LEAST_CONFIDENCE:
        return True
    stretch = loud[int(phrase.start_s / _FRAME_S) : max(1, round(phrase.end_s / _FRAME_S))]
    return len(stretch) == 0 or float(stretch.mean()) < _FEWEST_LOUD


def _levels_db(wave: np.ndarray) -> np.ndarray:
    """Levels (F,) of frames of 30 ms."""
    size = int(_FRAME_S * RATE_HZ)
    frames = wave[: len(wave) // size * size].reshape(-1, size)
    levels: np.ndarray = 10 * np.log10(np.square(frames, dtype=np.float64).mean(axis=1) + 1e-12)
    return levels


def _as_utf8(place: Path, texts: TextFileReader) -> None:
    """Make the list UTF-8 again where an editor saved it otherwise: rows are added to it."""
    if not place.is_file():
        return
    text = texts.read(place)
    if place.read_bytes() != text.encode():
        with atomic(place, follow_links=False) as temporary:
            temporary.write_bytes(text.encode())


def _rows(place: Path, lang: str) -> set[Path]:
    """Recordings that the list has a row for, with or without a text."""
    if not place.is_file():
        return set()
    return {real_path(said.path) for said in manifest.read_list(place, lang).rows} | _empty_rows(place, lang)


def _empty_rows(place: Path, lang: str) -> set[Path]:
    lines = TextFileReader(lang).read(place).split("\n") if place.is_file() else []
    cells = (line.split("|") for line in lines)
    return {real_path(Path(row[0])) for row in cells if len(row) >= manifest.LIST_FIELDS and not row[3].strip()}


def _without_text(place: Path, lang: str, here: set[Path], named: set[str]) -> Sequence[LeftOut]:
    """Recordings that an earlier run could not use, and nobody wrote a text for."""
    paths = sorted(path for path in _empty_rows(place, lang) & here if path.name not in named)
    return [LeftOut(path.name, f"no text in {place.name}: write it there, or delete the row") for path in paths]


def _is_text(path: Path) -> bool:
    """Whether a path can be written in UTF-8; file names on Linux may be any bytes."""
    try:
        str(real_path(path)).encode()
    except UnicodeEncodeError:
        return False
    return True


def _append(place: Path, said: ManifestRow) -> None:
    """Add a row; it is on disk when this returns."""
    row = f"{real_path(said.path)}|{said.speaker}|{said.language.upper()}|{manifest.list_text(said.text)}\n"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("ab", buffering=0) as handle:
            handle.write(row.encode())
    except OSError as error:
        raise write_error(place, error) from error
