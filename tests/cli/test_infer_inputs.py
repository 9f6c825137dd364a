"""What is typed after `sovits infer`: which words, which recording, and no output over an input."""

import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sovits_cli.cli.hints import hint_for
from sovits_cli.cli.infer_inputs import (
    InferInputs,
    check_outputs,
    check_prompt_lang,
    read_input_text,
    read_text_file,
    read_transcript,
)
from sovits_cli.errors import ResourceError, TextError, UsageError
from sovits_cli.text.characters import DecodedText
from tests.differences import every_case
from tests.inference.toys import voice_recording

TYPED = InferInputs(ref="r.wav", text="text.txt", say=None, prompt_text=None, out=Path("out.wav"), srt=None)


@pytest.fixture
def typed(empty_folder):
    voice_recording(empty_folder / "r.wav", 4.0)
    (empty_folder / "text.txt").write_text("Hello there, my friend. How are you today?\n")
    return TYPED


def say(words):
    return replace(TYPED, text=None, say=words)


def test_the_text_is_a_file_or_typed(typed):
    assert read_input_text(typed, "en").text == "Hello there, my friend. How are you today?\n"
    assert read_input_text(say("Good morning to you."), "en").text == "Good morning to you."


def test_the_transcript_is_typed_or_lies_beside_the_recording(typed, empty_folder):
    assert read_transcript(typed) == ""
    (empty_folder / "r.txt").write_text(" What is said.\n")
    assert read_transcript(typed) == "What is said."
    assert read_transcript(replace(typed, prompt_text="Something else.")) == "Something else."
    assert read_transcript(replace(typed, prompt_text=" ")) == ""
    assert read_transcript(replace(typed, text="r.txt")) == "", "the text to speak is no transcript"
    assert read_transcript(replace(typed, ref="builtin:slt"))


def test_an_unknown_prompt_language():
    check_prompt_lang("auto_ja")
    with pytest.raises(TextError, match="unknown language 'english'") as error:
        check_prompt_lang("english")
    assert hint_for(error.value) == "--prompt-lang en"


def test_outputs_that_cannot_be_written_are_refused_first(typed, empty_folder):
    (empty_folder / "file").write_text("")
    (empty_folder / "folder.wav").mkdir()
    for change, kind in (
        ({"out": "file/out.wav"}, ResourceError),
        ({"srt": "file/deep/out.srt"}, ResourceError),
        ({"out": "folder.wav"}, UsageError),
        ({"srt": "."}, UsageError),
        ({"out": f"{'x' * 250}.wav"}, ResourceError),
    ):
        with pytest.raises(kind, match="cannot write"):
            check_outputs(replace(typed, **{name: empty_folder / value for name, value in change.items()}), ())
    check_outputs(replace(typed, out=empty_folder / "deep" / "er" / "out.wav"), ())
    assert not (empty_folder / "deep").exists()
    assert not list(empty_folder.glob(".*"))
    for out in ("out.aac", "out", "out.wav.bak"):
        with pytest.raises(UsageError, match=r"must end in one of \.wav, \.flac, \.mp3, \.ogg, \.opus"):
            check_outputs(replace(typed, ref="gone.wav", out=Path(out)), ())


@every_case(
    ("change", "kind", "said"),
    [
        ({"ref": None}, UsageError, "no voice: --ref was not given"),
        ({"ref": "builtin:me"}, UsageError, "no example is called builtin:me"),
        ({"text": None}, UsageError, "neither -t nor --say was given"),
        ({"say": "Hello."}, UsageError, "both -t and --say were given"),
        ({"say": " \n", "text": None}, TextError, "--say is empty"),
        ({"text": "empty.txt"}, TextError, "empty.txt is empty"),
        ({"text": "gone.txt"}, TextError, "gone.txt does not exist"),
        ({"text": "."}, TextError, "cannot read"),
        ({"text": "builtin:novel"}, UsageError, "no example is called builtin:novel"),
        ({"text": None, "say": "Hello \ud83d there."}, TextError, r"^--say holds half a character, U\+D83D, at 7$"),
        ({"prompt_text": "Hello \ud83d."}, TextError, r"^--prompt-text holds half a character, U\+D83D, at 7$"),
    ],
)
def test_what_cannot_be_meant(typed, empty_folder, change, kind, said):
    (empty_folder / "empty.txt").write_text("\n\n")
    inputs = replace(typed, **change)
    with pytest.raises(kind, match=said):
        (inputs.recording, read_input_text(inputs, "en"), read_transcript(inputs))


def test_no_output_overwrites_an_input(typed, empty_folder):
    (empty_folder / "r.txt").write_text("What is said.")
    (empty_folder / "words.lex").write_text("")
    (empty_folder / "link.srt").symlink_to("words.lex")
    (empty_folder / "hard.srt").hardlink_to(empty_folder / "words.lex")
    others = (("the lexicon", empty_folder / "words.lex"), ("the model toy", empty_folder / "x.partial.wav"))
    for change, said in (
        ({"out": "r.wav"}, "-o .*r.wav is the file of --ref too"),
        ({"srt": "text.txt"}, "--srt .*text.txt is the file of -t too"),
        ({"srt": "out.wav"}, "--srt .*out.wav is the file of -o too"),
        ({"srt": "r.txt"}, "--srt .*r.txt is the file of the transcript too"),
        ({"srt": "words.lex"}, "--srt .*words.lex is the file of the lexicon too"),
        ({"srt": "link.srt"}, "--srt .*link.srt is the file of the lexicon too"),
        ({"srt": "hard.srt"}, "--srt .*hard.srt is the file of the lexicon too"),
        ({"out": "x.wav"}, "-o .*x.wav, which grows as .*x.partial.wav, is the file of the model toy too"),
        ({"srt": "out.partial.wav"}, "--srt .*out.partial.wav is the file of -o too"),
    ):
        with pytest.raises(UsageError, match=said):
            check_outputs(replace(typed, **{name: empty_folder / value for name, value in change.items()}), others)


def test_what_is_typed_in_another_encoding_is_read_as_a_file_would_be():
    words = "你好，世界。".encode("gb18030").decode("utf-8", "surrogateescape")
    assert read_input_text(say(words), "zh") == DecodedText("你好，世界。", "gb18030", is_guess=True)
    assert read_transcript(replace(TYPED, prompt_text=words)) == "你好，世界。"


def test_encodings_of_files(tmp_path):
    path = tmp_path / "a.txt"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path.write_bytes("Café, naïve – “yes”.\n".encode(encoding))
        assert read_text_file(str(path)).text == "Café, naïve – “yes”.\n"
        assert not read_text_file(str(path)).is_guess
    path.write_bytes("今天天气很好，我们去公园散步吧。".encode("gbk"))
    assert read_text_file(str(path)) == DecodedText("今天天气很好，我们去公园散步吧。", "gb18030", is_guess=True)
    path.write_bytes("Hello".encode("utf-16")[:-1])
    with pytest.raises(TextError, match="is cut short: its UTF-16"):
        read_text_file(str(path))
    path.write_bytes(b"RIFF\x00\x01\x02\x00WAVE")
    with pytest.raises(TextError, match=r"a\.txt is no text: it holds zero bytes"):
        read_text_file(str(path))
    assert read_text_file("builtin:story").text.startswith("The Lamp")


def test_standard_input(monkeypatch):
    def read(data):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        return read_text_file("-")

    assert read("Grüße".encode()).text == "Grüße"
    assert read(b"gr\xfc\xdfe") == DecodedText("grüße", "cp1252", is_guess=True)
    with pytest.raises(TextError, match=r"standard input is not UTF-8 \(byte 1\), and its encoding cannot be told"):
        read(b"\x81\xff\xfe\x80")
