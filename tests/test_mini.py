"""The bundled model: small, spoken with as the README says, and mostly understood by an independent recogniser."""

import json
from pathlib import Path

import soundfile
from typer.testing import CliRunner

from sovits_cli import Voice
from sovits_cli.checkpoints import catalogue
from sovits_cli.checkpoints.catalogue import find_model
from sovits_cli.cli.app import app
from sovits_cli.errors import EXIT_OK, EXIT_SOME_FAILED
from tests.tools.recogniser import hear, word_error_rate

MOST_MB = 25
MOST_WORD_ERRORS = 0.25
VOICES = ("slt", "rms", "awb", "kal16")

SENTENCES = (Path(__file__).parent / "tools" / "held_out.txt").read_text(encoding="utf-8").splitlines()


def speak(*arguments):
    result = CliRunner().invoke(app, ["infer", "--seed", "1", "--quiet", *arguments])
    assert result.exit_code in (EXIT_OK, EXIT_SOME_FAILED), result.output
    return result


def test_is_small_enough_for_the_wheel():
    mini = find_model("mini")
    assert mini.origin == "bundled"
    assert mini.size_bytes < MOST_MB * 1e6


def test_is_mostly_understood(empty_folder):
    """Sentences not in training, each voice in turn; `tests/benchmarks/mini.py` hears all."""
    mini, pairs = Voice.load("mini"), []
    references = {name: mini.reference(f"builtin:{name}") for name in VOICES}
    for name, sentence in zip(VOICES * 4, SENTENCES[::3], strict=False):
        audio = mini.speak(sentence, references[name], seed=1)
        soundfile.write("out.wav", audio.samples, audio.rate)
        pairs.append((sentence, hear(Path("out.wav"))))
    assert len(pairs) == 16
    assert word_error_rate(pairs) <= MOST_WORD_ERRORS, pairs


def test_speaks_a_file_of_any_reference(empty_folder):
    wave, rate = soundfile.read(Path(catalogue.__file__).parent.parent / "examples" / "rms.flac")
    soundfile.write("r.wav", wave, rate)
    Path("text.txt").write_text("It rained all day. We stayed at home, and read.\n", encoding="utf-8")
    speak("--ref", "r.wav", "-t", "text.txt", "-o", "out.wav")
    spoken = soundfile.info("out.wav")
    assert (spoken.samplerate, spoken.channels) == (16_000, 1)
    assert 2 < spoken.duration < 10


def test_the_story_of_the_readme_leaves_no_doubtful_sentence(empty_folder):
    told = json.loads(speak("--ref", "builtin:slt", "-t", "builtin:story", "--json").stdout)
    assert told["doubtful"] == []


def test_two_sentences_of_one_line_are_both_said(empty_folder):
    """At every seed and voice the bundled model once said the first only: 0.8 s."""
    for seed, voice in enumerate(VOICES):
        said = ["--say", "Hello there. This is a test of the wheel.", "--seed", str(seed)]
        told = json.loads(speak("--ref", f"builtin:{voice}", *said, "--json").stdout)
        assert (told["doubtful"], told["sentences"]) == ([], 2)
        assert told["seconds"] > 2
