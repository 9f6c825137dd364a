"""How faster-whisper is called: offline, carefully, with what its models know."""

import sys
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from sovits_cli import paths
from sovits_cli.audio.reader import read_audio
from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import ModelError, UsageError
from sovits_cli.paths import models_dir
from sovits_cli.prep import whisper
from sovits_cli.prep.whisper import TranscribedSegment, Transcription, Whisper
from sovits_cli.text.languages import LANGUAGES
from tests.text import made_up


@pytest.fixture
def library(monkeypatch):
    """A stand-in for the class of faster-whisper that remembers how it is used."""
    made = []

    class WhisperModel:
        supported_languages = ("en", "zh", "ja", "ko")

        def __init__(self, folder, **options):
            if "broken" in folder:
                raise RuntimeError("Unable to open file 'model.bin'")
            self.folder, self.options, self.asked = folder, options, []
            made.append(self)

        def transcribe(self, wave, **options):
            self.asked.append(options)
            said = SimpleNamespace(
                start=0.0, end=1.0, text=" Hi. ", no_speech_prob=0.1, avg_logprob=-0.3, compression_ratio=1.0
            )
            return iter([said]), SimpleNamespace(language="en")

    module = ModuleType("faster_whisper")
    module.WhisperModel = WhisperModel
    monkeypatch.setitem(sys.modules, "faster_whisper", module)
    monkeypatch.setattr(whisper, "find_spec", lambda name: object())
    return made


def installed(name):
    folder = models_dir() / name
    folder.mkdir(parents=True)
    (folder / "model.bin").write_bytes(b"x")
    (folder / "tokenizer.json").write_bytes(b"{}")
    return folder


def test_the_library_is_asked_offline_and_carefully(library, monkeypatch):
    folder = installed("whisper-small")
    model = Whisper("small", "cuda:1")
    assert model.transcribe(np.zeros(16, np.float32), None) == Transcription(
        "en", (TranscribedSegment(0.0, 1.0, "Hi.", 0.1, -0.3, 1.0),)
    )
    assert library[0].folder == str(folder)
    assert library[0].options == {"device": "cuda", "device_index": 1, "compute_type": "float16"}
    asked = library[0].asked[0]
    assert (asked["language"], asked["vad_filter"], asked["condition_on_previous_text"]) == (None, True, False)
    model.transcribe(np.zeros(16, np.float32), "yue")
    assert library[0].asked[1]["language"] == "zh"
    monkeypatch.setitem(LANGUAGES, made_up.ROW.code, made_up.ROW)
    with pytest.raises(ModelError, match=r"^the whisper model does not know Quish: it knows 4 others$"):
        model.transcribe(np.zeros(16, np.float32), "qq")
    library[0].supported_languages = ("en", "fr")
    model.transcribe(np.zeros(16, np.float32), "qq")
    assert library[0].asked[2]["language"] == "fr"
    assert Whisper(str(folder), "cpu")
    assert library[1].options == {"device": "cpu", "device_index": 0, "compute_type": "int8"}


def test_models_that_are_not_there(library, monkeypatch):
    with pytest.raises(ModelError, match="no whisper model 'tiny': expected a faster-whisper folder") as failure:
        Whisper("tiny", "cpu")
    assert hint_for(failure.value).startswith("hf download Systran/faster-whisper-tiny --local-dir ")
    with pytest.raises(ModelError, match=r"cannot load the whisper model in .*: Unable to open file"):
        Whisper(str(installed("whisper-broken")), "cpu")
    monkeypatch.setattr(whisper, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="needs the package faster_whisper, which is not installed") as missing:
        Whisper("small", "cpu")
    assert missing.value.hint.startswith('pip install "sovits[asr]" (it brings GPL codecs')


def test_no_tokenizer_is_fetched(library):
    """The library would ask the hub for one."""
    (installed("whisper-small") / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"with model\.bin and tokenizer\.json"):
        Whisper("small", "cpu")
    assert not library


@pytest.mark.skipif(find_spec("faster_whisper") is None, reason="sovits[asr] is not installed")
def test_the_library_itself_with_random_weights(tmp_path):
    import ctranslate2

    from tests.prep import tiny_whisper

    ctranslate2.set_random_seed(7)  # random weights doubt themselves, and whisper then draws
    model = Whisper(str(tiny_whisper.write(tmp_path / "model")), "cpu")
    speech, _ = read_audio(paths.resolve_example("builtin:slt", paths.VOICE_SUFFIX), rate=whisper.RATE_HZ, mono=True)
    found = model.transcribe(speech, "en")
    assert found.language == "en"
    assert found.segments
    assert all(phrase.text.startswith("word") for phrase in found.segments)
    assert model.transcribe(np.zeros(16_000, np.float32), "en").segments == ()
    (tmp_path / "model" / "model.bin").write_bytes(b"cut short")
    with pytest.raises(ModelError, match=r"cannot load the whisper model in .*incomplete|Unsupported"):
        Whisper(str(tmp_path / "model"), "cpu")
