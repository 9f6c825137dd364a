"""The bundled model: small, spoken with as the README says, and mostly understood by an independent recogniser."""

from pathlib import Path

import soundfile
from typer.testing import CliRunner

from sovits_cli.checkpoints import catalogue
from sovits_cli.cli.app import app
from tests.tools.recogniser import hear, word_error_rate

MOST_MB = 25
MOST_WORD_ERRORS = 0.7
"""What it must not fall behind; the aim is 0.4 for every voice, and then the teacher's own rate plus 0.05."""

SENTENCES = (Path(__file__).parent / "tools" / "held_out.txt").read_text(encoding="utf-8").splitlines()


def speak(*arguments):
    result = CliRunner().invoke(app, ["infer", "--seed", "1", "--quiet", *arguments])
    assert result.exit_code == 0, result.output


def test_is_small_enough_for_the_wheel():
    mini = catalogue.find("mini")
    assert mini.origin == "bundled"
    assert mini.size_bytes < MOST_MB * 1e6


def test_is_understood_as_far_as_it_was(empty_folder):
    """Sentences not in training, a few of them; `tests/benchmarks/mini.py` hears all."""
    pairs = []
    for sentence in SENTENCES[:24:2]:
        speak("--ref", "builtin:rms", "--say", sentence, "-o", "out.wav")
        pairs.append((sentence, hear(Path("out.wav"))))
    assert word_error_rate(pairs) <= MOST_WORD_ERRORS, pairs


def test_speaks_a_file_of_any_reference(empty_folder):
    wave, rate = soundfile.read(Path(catalogue.__file__).parent.parent / "examples" / "rms.flac")
    soundfile.write("r.wav", wave, rate)
    Path("text.txt").write_text("It rained all day. We stayed at home, and read.\n", encoding="utf-8")
    speak("--ref", "r.wav", "-t", "text.txt", "-o", "out.wav")
    spoken = soundfile.info("out.wav")
    assert (spoken.samplerate, spoken.channels) == (16_000, 1)
    assert 2 < spoken.duration < 10
