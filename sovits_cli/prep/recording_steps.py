"""Steps that need no model: the length and digest of a recording, its timed phones, its mixed audio, its transcript.

    RecordingStep   length and digest; too short and too long ones are left out
    AlignmentStep   a sidecar `<stem>.phones` is copied to `8-phones/`
    AudioStep       32 kHz mono int16 at the official loudness, for `5-wav32k/`
    TranscriptStep  the transcript as phones, for `2-name2text.txt`

A recording is opened three times, whatever the version: for its header, for the bytes of its digest, and to be decoded,
once for all steps that listen to it (`mixed_samples`). One that did not change since an earlier run is not opened.
"""

from __future__ import annotations

import errno
import io
import wave
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sovits_cli.audio.reader import probe_audio, read_audio
from sovits_cli.data.experiment import Experiment, TextRow
from sovits_cli.errors import AudioError, DatasetError
from sovits_cli.files import atomic
from sovits_cli.prep.resume_log import digest_of_file, digest_of_values
from sovits_cli.prep.step_runner import Clip, PrepStep
from sovits_cli.terms import DATASET_RATE_HZ
from sovits_cli.text import lexicon, reading, segment, symbols
from sovits_cli.text.languages import LANGUAGES
from sovits_cli.text.lexicon import Lexicon
from sovits_cli.text.reading import Piece, Reading
from sovits_cli.versions import SymbolTable

ROUNDING_S = 0.01
"""A slice of exactly `max_sec` may be a sample longer at another rate."""

SIDECAR_SUFFIX = ".phones"

AUDIO_REVISION = 1
"""Raised when the same recording gives other samples."""

TRANSCRIPT_REVISION = 4
"""Raised when the same text gives other phones."""

MIX_PEAK = 0.95
MIX_SHARE = 0.5
MAX_PEAK = 2.2
"""Recordings that peak higher are broken, as the official program has it."""

SILENT_PEAK = 1e-4
"""Below -80 dB there is only noise, which the mix would lift to full scale."""

_INT16 = 1 << 15


@dataclass(frozen=True)
class RecordingInfo:
    """Digest of a recording's bytes, and seconds of its audio."""

    digest: str
    seconds: float


class RecordingStep(PrepStep[RecordingInfo]):
    """Keyed by size and time of change, so that files that did not change are not read again."""

    name = "recordings"

    def __init__(self, min_sec: float, max_sec: float) -> None:
        self._min_sec = min_sec
        self._max_sec = max_sec

    def key(self, clip: Clip) -> str:
        """Path, size and time of change."""
        path = clip.row.path
        try:
            state = path.stat()
        except OSError as error:
            raise AudioError(f"cannot read {path}: {error.strerror}") from error
        return digest_of_values(str(path), state.st_size, state.st_mtime_ns)

    def recall(self, clip: Clip, row: Any) -> bool:
        """Take digest and length from the log."""
        self._take(clip, RecordingInfo(str(row["digest"]), float(row["seconds"])))
        return True

    def prepare(self, clip: Clip) -> RecordingInfo:
        """Read the header, then all bytes."""
        path = clip.row.path
        seconds = probe_audio(path).duration_s
        try:
            return RecordingInfo(digest_of_file(path), seconds)
        except OSError as error:
            raise AudioError(f"cannot read {path}: {error.strerror}") from error

    def finish(self, clip: Clip, prepared: RecordingInfo) -> Any:
        """Check the length."""
        self._take(clip, prepared)
        return {"digest": prepared.digest, "seconds": prepared.seconds}

    def _take(self, clip: Clip, info: RecordingInfo) -> None:
        clip.digest, clip.seconds = info.digest, info.seconds
        if info.seconds < self._min_sec:
            raise AudioError(f"{info.seconds:.2f} s, expected at least {self._min_sec:g} s")
        if info.seconds > self._max_sec + ROUNDING_S:
            raise AudioError(f"{info.seconds:.1f} s, over max_sec {self._max_sec:g}: cut it into slices")


class AlignmentStep(PrepStep[bytes | None]):
    """Copies a sidecar, and removes a copy whose sidecar is gone. Recordings without one are none the worse.

    Args:
        experiment: the dataset.
        source: the experiment folder that is read, if any.
    """

    name = "alignments"

    def __init__(self, experiment: Experiment, source: Experiment | None) -> None:
        self._experiment = experiment
        self._source = source

    def key(self, clip: Clip) -> str:
        """The bytes of the sidecar; empty without one."""
        path = self._sidecar(clip)
        try:
            return digest_of_file(path) if path.is_file() else ""
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:  # the recording's own name just fits
                return ""
            raise DatasetError(f"cannot read {path}: {error.strerror}") from error

    def recall(self, clip: Clip, row: Any) -> bool:  # noqa: ARG002 - the result is a file
        """Tell whether the copy is there, or rightly not."""
        return self._experiment.phones_path(clip.name).is_file() == bool(clip.keys[self.name])

    def prepare(self, clip: Clip) -> bytes | None:
        """Read the sidecar."""
        return self._sidecar(clip).read_bytes() if clip.keys[self.name] else None

    def finish(self, clip: Clip, prepared: bytes | None) -> Any:
        """Write the copy."""
        target = self._experiment.phones_path(clip.name)
        if prepared is None:
            target.unlink(missing_ok=True)
            return
        with atomic(target, follow_links=False) as temporary:
            temporary.write_bytes(prepared)

    def _sidecar(self, clip: Clip) -> Path:
        if self._source is not None:
            return self._source.phones_path(clip.name)
        return clip.row.path.with_suffix(SIDECAR_SUFFIX)


# GPT-SoVITS, prepare_datasets/2-get-hubert-wav32k.py, `name2go`, with x the recording at 32 kHz and p its peak:
#
#     y = 0.95 / p * 0.5 * x + 0.5 * x          half at a peak of 0.95, half as it is
#
# (there both terms times 32768, cast to int16; for the encoder the same with 1145.14 in the place of 32768). Unlike
# there, what exceeds int16 is clipped (it wraps around), a silent recording is refused, and the resampler is soxr's,
# not ffmpeg's.
def mixed_samples(clip: Clip) -> np.ndarray:
    """Samples (T,) at 32 kHz, float32, full scale 1.0, at the official loudness; decoded once for a pass.

    Audio of an experiment folder is mixed already. Raises AudioError: unreadable, silent, or far over full scale.
    """
    if clip.samples is None:
        clip.samples = _decode(clip)
    return clip.samples


def _decode(clip: Clip) -> np.ndarray:
    samples, _ = read_audio(clip.row.path, rate=DATASET_RATE_HZ, mono=True)
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < SILENT_PEAK:
        raise AudioError("silent")
    if peak > MAX_PEAK:
        raise AudioError(f"peak {peak:.1f} times full scale, expected at most {MAX_PEAK}")
    if clip.row.existing:
        return samples
    return np.asarray((MIX_PEAK * MIX_SHARE / peak + (1 - MIX_SHARE)) * samples, dtype=np.float32)


def to_int16(samples: np.ndarray) -> np.ndarray:
    """Cut floats down to int16 as the official program does (towards zero), any shape, clipped at full scale."""
    return np.clip(samples * np.float32(_INT16), -_INT16, _INT16 - 1).astype(np.int16)


class AudioStep(PrepStep[None]):
    """Written in the worker threads: nothing of it needs an order."""

    name = "audio"

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment

    def key(self, clip: Clip) -> str:
        """The recording, and whether it is mixed already."""
        return digest_of_values(self.name, AUDIO_REVISION, clip.digest, clip.row.existing is not None)

    def recall(self, clip: Clip, row: Any) -> bool:  # noqa: ARG002 - the result is a file
        """Tell whether the file is there."""
        return self._experiment.wave_path(clip.name).is_file()

    def prepare(self, clip: Clip) -> None:
        """Decode, mix and write; in WAV form whatever the suffix, as names are keys."""
        target = self._experiment.wave_path(clip.name)
        samples = mixed_samples(clip)
        if target.exists() and target.samefile(clip.row.path):
            return
        with atomic(target, follow_links=False) as temporary:
            temporary.write_bytes(_wav_bytes(to_int16(samples)))

    def finish(self, clip: Clip, prepared: None) -> Any:
        """Nothing is left to do."""


def _wav_bytes(samples: np.ndarray) -> bytes:
    """Samples (T,) int16 as the bytes of a mono WAV file at 32 kHz."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as handle:
        handle.setnchannels(1)
        handle.setsampwidth(2)
        handle.setframerate(DATASET_RATE_HZ)
        handle.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()


class TranscriptStep(PrepStep[Reading]):
    """Rows of earlier runs come from the log, or from `table`, the transcripts already in the dataset.

    Unlike in the official program (1-get-text.py), a percent sign is read out, not turned into a dash, and words of
    other languages within a text are read in theirs.

    Args:
        symbol_table: of the model.
        table: rows by name.
        compat: read as the official program does.
        words: how some words are read.
    """

    name = "transcripts"

    def __init__(
        self,
        symbol_table: SymbolTable,
        table: Mapping[str, TextRow],
        *,
        compat: bool = False,
        words: Lexicon = lexicon.EMPTY_LEXICON,
    ) -> None:
        self._symbols = symbol_table
        self._table = table
        self._compat = compat
        self._words = words

    def key(self, clip: Clip) -> str:
        """Language, text, and the phones that an experiment folder brought along."""
        # Also the versions of packages that registered a language: their new release may read otherwise.
        row = clip.row
        existing = row.existing.phones if row.existing else None
        how = (row.language, self._compat, self._words.key, *_registered(row.language))
        return digest_of_values(self.name, TRANSCRIPT_REVISION, self._symbols.value, *how, row.text, existing)

    def recall(self, clip: Clip, row: Any) -> bool:
        """Take the row of the log, or of the table."""
        if row is not None:
            self._take(clip, Reading(tuple(_piece(cells) for cells in row["pieces"])))
        elif clip.name in self._table:
            self._take(clip, _whole(self._table[clip.name], clip.row.language))
        return clip.text is not None

    def prepare(self, clip: Clip) -> Reading:
        """Read the text, unless its phones are there and the model knows them all."""
        row = clip.row
        if row.existing and set(row.existing.phones) <= symbols.known(self._symbols):
            return _whole(row.existing, row.language)
        return reading.read_text(row.text, row.language, self._symbols, compat=self._compat, words=self._words)

    def finish(self, clip: Clip, prepared: Reading) -> Any:
        """Keep the row."""
        self._take(clip, prepared)
        return {
            "pieces": [
                {
                    "lang": piece.lang,
                    "norm": piece.norm,
                    "phones": list(piece.phones),
                    "word2ph": None if piece.word2ph is None else list(piece.word2ph),
                }
                for piece in prepared.pieces
            ]
        }

    @staticmethod
    def _take(clip: Clip, read: Reading) -> None:
        counts = read.word2ph
        clip.text = TextRow(clip.name, tuple(read.phones), None if counts is None else tuple(counts), read.norm)
        clip.pieces = read.pieces


def _registered(lang: str) -> tuple[str, ...]:
    """The packages and their versions that languages of a mode come from, beside our own."""
    return tuple(filter(None, (LANGUAGES[code].origin for code in segment.find_mode(lang).languages)))


def _piece(cells: Mapping[str, Any]) -> Piece:
    counts = cells["word2ph"]
    return Piece(
        lang=str(cells["lang"]),
        text="",
        norm=str(cells["norm"]),
        phones=tuple(cells["phones"]),
        word2ph=None if counts is None else tuple(counts),
    )


# `2-name2text.txt` does not say in which language a row is. Where the mode of the transcript is one language, it is
# that one; in a mixed mode a row counts as one of a language with BERT features, so that those it has (a row with
# phones per character) are used; a row without counts has none in any language.
def _whole(row: TextRow, lang: str) -> Reading:
    """A row of a table as a reading of one language."""
    with_counts = [code for code, language in LANGUAGES.items() if language.has_bert]
    code = lang if lang in LANGUAGES else with_counts[0]
    return Reading((Piece(code, "", row.norm, row.phones, row.word2ph),))
