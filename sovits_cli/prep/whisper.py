"""Speech recognition by faster-whisper: what is said in a recording. Knows nothing of datasets. Downloads nothing."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sovits_cli.errors import ModelError, UsageError
from sovits_cli.paths import models_dir
from sovits_cli.text import languages
from sovits_cli.text.language import Language

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.transcribe import Segment

RATE_HZ = 16_000
MODEL_FILE = "model.bin"
TOKENIZER_FILE = "tokenizer.json"
"""Where it is missing, the library would fetch one from the hub."""

_FOLDER = "whisper-{}"
_MIN_SILENCE_MS = 700
"""Silence longer than this is not shown to the model (GPT-SoVITS, tools/asr/fasterwhisper_asr.py)."""


@dataclass(frozen=True)
class TranscribedSegment:
    """A stretch of speech, as whisper cuts it.

    Args:
        start_s, end_s: where it is in the recording.
        text: what was recognised.
        no_speech: how likely it is that nobody speaks, 0 to 1.
        confidence: mean log probability of its tokens.
        repetition: how many times smaller its text is when compressed.
    """

    start_s: float
    end_s: float
    text: str
    no_speech: float
    confidence: float
    repetition: float


@dataclass(frozen=True)
class Transcription:
    """What was recognised in a recording: its language, as whisper names it, and segments in order."""

    language: str
    segments: tuple[TranscribedSegment, ...]


class SpeechRecogniser(Protocol):
    """Whoever transcribes."""

    def transcribe(self, wave: np.ndarray, language: str | None) -> Transcription:
        """Samples (T,) float32 at `RATE_HZ` to segments; `language` is a code of ours, None: it is detected."""


class Whisper:
    """A whisper model of any size on a device.

    Raises:
        UsageError: the package is missing.
        ModelError: the model is not there, or cannot be loaded.
    """

    def __init__(self, name: str, device: str) -> None:
        if find_spec("faster_whisper") is None:
            raise UsageError(
                "transcribing with whisper needs the package faster_whisper, which is not installed",
                hint='pip install "sovits[asr]" (it brings GPL codecs, x264 and x265, in the package av)',
            )
        self._model = _load(_folder(name), device)

    # Whisper looks at 30 s of log-mel frames at a time. A voice detector first cuts the recording down to its speech,
    # so that silence is never decoded; each chunk of it is decoded by itself, without the text of the one before:
    #
    #     recording   |  speech  |    700 ms or more    |     speech     |
    #     chunks      [== 30 s ==][== 30 s ==] ...
    #     segments    [ 0.0-3.1 ][ 3.1-7.4 ] ...      times count from the beginning of the recording
    def transcribe(self, wave: np.ndarray, language: str | None) -> Transcription:
        """Transcribe a recording (T,). Raises ModelError: an unknown language, or too little memory."""
        known = None if language is None else self._known(languages.find_language(language))
        try:
            segments, info = self._model.transcribe(
                wave,
                language=known,
                beam_size=5,
                condition_on_previous_text=False,  # one loop does not make the next
                vad_filter=True,
                vad_parameters={"min_silence_duration_ms": _MIN_SILENCE_MS},
            )
            segments = tuple(map(_segment, segments))
        except RuntimeError as error:
            raise ModelError(f"whisper fails: {error}", code="prep.whisper_fails") from error
        return Transcription(known or info.language, segments)

    def _known(self, spoken: Language) -> str:
        """What the model calls a language. Raises ModelError: it does not know it."""
        supported = self._model.supported_languages
        known = next((code for code in spoken.recogniser_codes if code in supported), None)
        if known is None:
            only = f"only {supported[0]}" if len(supported) == 1 else f"{len(supported)} others"
            raise ModelError(
                f"the whisper model does not know {spoken.name}: it knows {only}",
                code="prep.whisper_language",
                fields={"lang": spoken.code},
            )
        return known


def _segment(segment: Segment) -> TranscribedSegment:
    return TranscribedSegment(
        start_s=segment.start,
        end_s=segment.end,
        text=segment.text.strip(),
        no_speech=segment.no_speech_prob,
        confidence=segment.avg_logprob,
        repetition=segment.compression_ratio,
    )


def _folder(name: str) -> Path:
    """Find the folder of a model: `name` itself, or an installed one. Raises ModelError."""
    installed = models_dir() / _FOLDER.format(name)
    for folder in (Path(name), installed):
        if (folder / MODEL_FILE).is_file() and (folder / TOKENIZER_FILE).is_file():
            return folder
    raise ModelError(
        f"no whisper model {name!r}: expected a faster-whisper folder with {MODEL_FILE} and {TOKENIZER_FILE}, "
        f"at {installed} or by its path",
        code="prep.no_whisper_model",
        fields={"name": name, "folder": str(installed)},
    )


def _load(folder: Path, device: str) -> WhisperModel:
    from faster_whisper import WhisperModel

    kind, _, index = device.partition(":")
    options: dict[str, Any] = {"device": kind if kind == "cuda" else "cpu", "device_index": int(index or 0)}
    try:
        return WhisperModel(str(folder), compute_type="float16" if kind == "cuda" else "int8", **options)
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelError(f"cannot load the whisper model in {folder}: {error}", hint="download it again") from error
