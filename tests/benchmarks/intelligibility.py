"""Word error rate of a model's speech as pocketsphinx hears it, beside that of its teacher flite, by hand:

    python -m tests.benchmarks.intelligibility [MODEL] [SENTENCES] [VOICE ...]

Reads the sentences of `tests/tools/held_out.txt`, none of which is in training. JSON on stdout.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from sovits_cli.cli.app import app
from tests.tools.recogniser import hear, word_error_rate
from tests.tools.teacher_speech import VOICES

SENTENCES = (Path(__file__).parent.parent / "tools" / "held_out.txt").read_text(encoding="utf-8").splitlines()


def speak(model: str, voice: str, sentence: str, out: Path) -> None:
    """One sentence by the model."""
    arguments = ["infer", "--model", model, "--ref", f"builtin:{voice}", "--say", sentence, "-o", str(out)]
    result = CliRunner().invoke(app, [*arguments, "--seed", "1", "--quiet"])
    if result.exit_code:
        raise SystemExit(result.output)


def teach(voice: str, sentence: str, out: Path) -> None:
    """The same sentence by the teacher."""
    subprocess.run(["flite", "-voice", voice, "-t", sentence, "-o", str(out)], check=True)


def measure(model: str, count: int, voices: list[str]) -> dict[str, Any]:
    """Error rates by voice."""
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.wav"
        for voice in voices:
            spoken, taught = [], []
            for sentence in SENTENCES[:count]:
                speak(model, voice, sentence, out)
                spoken.append((sentence, hear(out)))
                if shutil.which("flite"):
                    teach(voice, sentence, out)
                    taught.append((sentence, hear(out)))
            rows[voice] = {
                "word_error_rate": round(word_error_rate(spoken), 3),
                "teacher": round(word_error_rate(taught), 3) if taught else None,
            }
    return {"model": model, "sentences": min(count, len(SENTENCES)), "voices": rows}


if __name__ == "__main__":
    asked = dict(enumerate(sys.argv[1:]))
    said = measure(asked.get(0, "mini"), int(asked.get(1, 20)), sys.argv[3:] or list(VOICES))
    print(json.dumps(said, indent=2))
