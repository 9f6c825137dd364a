"""Broken files and calls: each gives one line and its exit code, no traceback, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import pickle
import shutil
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from sovits_cli.cli.app import app
from tests.differences import differences
from tests.inference import toys
from tests.inference.toys import voice_recording

SPEAK = ("infer", "--ref", "r.wav", "-t", "text.txt", "-o", "out.wav")
SAY = ("infer", "--ref", "r.wav", "-o", "out.wav", "--say")


class Bomb:
    """Pickled, it asks to touch a file when it is read."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("touch bombed",)


def write(name: str, content: bytes | str) -> Callable[[Path], None]:
    """A maker of one file."""
    data = content.encode() if isinstance(content, str) else content
    return lambda place: (place / name).write_bytes(data) and None


def wav(name: str, samples: np.ndarray, rate: int = 16_000, subtype: str = "FLOAT") -> Callable[[Path], None]:
    """A maker of one recording."""
    return lambda place: soundfile.write(place / name, samples, rate, subtype=subtype)


def header(rate: int = 16_000, size: int = 1000) -> bytes:
    """A RIFF header that claims `size` bytes of samples at `rate`, with only a few behind it."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    return b"RIFF" + struct.pack("<I", 36 + size) + b"WAVE" + form + b"data" + struct.pack("<I", size) + b"\0" * 64


def bomb_zip(place: Path) -> None:
    """A checkpoint whose pickle would run a command."""
    with zipfile.ZipFile(place / "bad.ckpt", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"weight": Bomb(), "config": {}, "info": ""}))
        archive.writestr("archive/version", "3\n")


def no_weights(place: Path) -> None:
    """A checkpoint of something else."""
    torch.save({"epoch": 3, "state_dict": {"conv.weight": torch.zeros(3)}}, place / "bad.ckpt")


def locked(place: Path) -> None:
    """A text that may not be read. Root may read anything, so a folder stands in its place there."""
    (place / "text.txt").unlink()
    (place / "text.txt").mkdir()


def nothing(place: Path) -> None:
    """No file at all."""


SPEECH = np.sin(np.arange(16_000 * 4) * 0.07).astype(np.float32) * 0.3
NAN = np.where(np.arange(len(SPEECH)) == 777, np.nan, SPEECH).astype(np.float32)

CASES = [
    # what is broken, how it is made, what is typed, exit code, what the line must say
    ("reference is empty", write("r.wav", b""), SPEAK, 3, "r.wav"),
    ("reference is truncated", write("r.wav", header()[:30]), SPEAK, 3, "r.wav"),
    ("reference is a text", write("r.wav", "hello"), SPEAK, 3, "r.wav"),
    ("reference holds NaN", wav("r.wav", NAN), SPEAK, 3, "r.wav"),
    ("reference has rate 0", write("r.wav", header(rate=0)), SPEAK, 3, "r.wav"),
    ("reference claims gigabytes", write("r.wav", header(size=4_000_000_000)), SPEAK, 3, "r.wav"),
    ("reference is silent", wav("r.wav", np.zeros(64_000, np.float32)), SPEAK, 3, "silent"),
    ("reference is too short", wav("r.wav", SPEECH[:8000]), SPEAK, 3, "0.5 s"),
    ("reference is missing", nothing, ("infer", "--ref", "nope.wav", "--say", "Hi.", "-o", "out.wav"), 3, "nope.wav"),
    ("reference is a folder", nothing, ("infer", "--ref", ".", "--say", "Hi.", "-o", "out.wav"), 3, "."),
    ("no such built-in voice", nothing, ("infer", "--ref", "builtin:x", "--say", "Hi.", "-o", "out.wav"), 2, "builtin"),
    ("text is empty", write("text.txt", ""), SPEAK, 3, "text.txt"),
    ("text is blank", write("text.txt", " \n\t\n"), SPEAK, 3, "text.txt"),
    ("text is punctuation", nothing, (*SAY, "?!... ,,"), 3, ""),
    ("text is emoji", nothing, (*SAY, "\U0001f600\U0001f680"), 3, ""),
    ("text is no UTF-8", write("text.txt", b"\xff\xfe\xfa\x80\x81"), SPEAK, 3, "text.txt"),
    ("text is missing", nothing, ("infer", "--ref", "r.wav", "-t", "no.txt", "-o", "out.wav"), 3, "no.txt"),
    ("text is a folder", locked, SPEAK, 3, "text.txt"),
    ("no text at all", nothing, ("infer", "--ref", "r.wav", "-o", "out.wav"), 2, "--say"),
    ("language is unknown", nothing, (*SAY, "Hi.", "--lang", "tlh"), 3, "tlh"),
    ("option is unknown", nothing, (*SAY, "Hi.", "--spede", "2"), 2, "--spede"),
    ("speed is 0", nothing, (*SAY, "Hi.", "--speed", "0"), 2, "speed"),
    ("top_p is over 1", nothing, (*SAY, "Hi.", "--top-p", "1.5"), 2, "top"),
    ("format is unknown", nothing, ("infer", "--ref", "r.wav", "--say", "Hi.", "-o", "out.xyz"), 2, "xyz"),
    ("output is a folder", nothing, ("infer", "--ref", "r.wav", "--say", "Hi.", "-o", "."), 2, "."),
    ("model is unknown", nothing, (*SAY, "Hi.", "--model", "v9"), 4, "v9"),
    ("checkpoint is a bomb", bomb_zip, (*SAY, "Hi.", "--gpt", "bad.ckpt", "--sovits", "bad.ckpt"), 4, "bad.ckpt"),
    (
        "checkpoint is something else",
        no_weights,
        (*SAY, "Hi.", "--gpt", "bad.ckpt", "--sovits", "bad.ckpt"),
        4,
        "bad.ckpt",
    ),
    (
        "checkpoint is a text",
        write("bad.ckpt", "hi"),
        (*SAY, "Hi.", "--gpt", "bad.ckpt", "--sovits", "bad.ckpt"),
        4,
        "bad.ckpt",
    ),
    ("checkpoint is missing", nothing, (*SAY, "Hi.", "--gpt", "no.ckpt", "--sovits", "no.pth"), 4, "no.pth"),
    ("device is unknown", nothing, (*SAY, "Hi.", "--device", "tpu"), 2, "tpu"),
    ("nothing to slice", nothing, ("slice", "nope.wav"), 3, "nope.wav"),
    ("slicing a text", write("a.wav", "hello"), ("slice", "a.wav"), 3, "a.wav"),
    ("slicing with no length", nothing, ("slice", "r.wav", "--max-sec", "0"), 2, "max"),
    ("nothing to prepare", nothing, ("prep", "nope"), 3, "nope"),
    ("preparing without transcripts", nothing, ("prep", "."), 3, ""),
    ("training without a dataset", nothing, ("train",), 3, "dataset"),
    ("unknown precision", nothing, ("train", "--precision", "8-bit"), 2, "8-bit"),
    ("unknown key", nothing, ("config", "set", "train.batchsize", "4"), 2, "train.batchsize"),
    ("settings are no YAML", write("sovits.yaml", "train: ["), ("config", "show"), 2, "sovits.yaml"),
    ("inspecting a text", write("bad.ckpt", "hi"), ("models", "inspect", "bad.ckpt"), 4, "bad.ckpt"),
    ("no such command", nothing, ("speak",), 2, "speak"),
]


@pytest.fixture
def place(empty_folder: Path) -> Path:
    """An empty folder with a recording and a text, and an installed toy."""
    toys.install(tokens=45)
    voice_recording(empty_folder / "r.wav", 4.0)
    (empty_folder / "text.txt").write_text("Hello there, my old friend.\n")
    return empty_folder


def test_one_line_and_the_code(place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each case in a copy of the folder."""
    with differences() as compare:
        for what, make, typed, code, words in CASES:
            folder = tmp_path_factory.mktemp("case") / "folder"
            shutil.copytree(place, folder)
            make(folder)
            before = sorted(path.name for path in folder.rglob("*"))
            with compare(what), contextlib.chdir(folder):
                result = CliRunner().invoke(app, list(typed))
                assert "Traceback" not in result.output
                assert result.exit_code == code, result.output
                errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
                assert len(errors) == 1, result.stderr
                assert words in errors[0]
                assert sorted(path.name for path in folder.rglob("*")) == before


def test_a_hundred_thousand_characters_without_a_full_stop(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is not bad input: it is cut and spoken. Only the cutting is tried here, in `sovits_cli.text.split`."""
    from sovits_cli.text.split import split_sentences

    text = "word " * 20_000
    pieces = [sentence.text for sentence in split_sentences(text, "en")]
    assert max(map(len, pieces)) < 600
    assert "".join(pieces).split() == text.split()


@pytest.mark.skipif(sys.platform == "win32", reason="no such permissions")
def test_a_folder_that_cannot_be_written(place: Path) -> None:
    """A file stands where the folder of slices should be."""
    (place / "slices").write_text("in the way")
    result = CliRunner().invoke(app, ["slice", "r.wav"])
    assert result.exit_code in (3, 5)
    assert [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert (place / "slices").read_text() == "in the way"
