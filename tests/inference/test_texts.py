import io
import sys

import pytest

from sovits_cli.errors import TextError, UsageError
from sovits_cli.inference import texts
from sovits_cli.text.encoding import DecodedText


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_are_read(tmp_path, encoding):
    path = tmp_path / "a.txt"
    path.write_bytes("Café, naïve – “yes”.\n".encode(encoding))
    assert texts.read(str(path)).text == "Café, naïve – “yes”.\n"
    assert not texts.read(str(path)).is_guess


def test_an_older_encoding_is_told(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("今天天气很好，我们去公园散步吧。".encode("gbk"))
    assert texts.read(str(path)) == DecodedText("今天天气很好，我们去公园散步吧。", "gb18030", is_guess=True)


def test_half_an_utf16_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("Hello".encode("utf-16")[:-1])
    with pytest.raises(TextError, match="is cut short: its UTF-16"):
        texts.read(str(path))


def test_what_is_no_text(tmp_path):
    path = tmp_path / "r.wav"
    path.write_bytes(b"RIFF\x00\x01\x02\x00WAVE")
    with pytest.raises(TextError, match=r"r\.wav is no text: it holds zero bytes"):
        texts.read(str(path))


@pytest.mark.parametrize(("name", "said"), [("gone.txt", "does not exist"), (".", "cannot read")])
def test_what_cannot_be_read(empty_folder, name, said):
    with pytest.raises(TextError, match=said):
        texts.read(name)


def test_built_in():
    assert texts.read("builtin:story").text.startswith("The Lamp")
    with pytest.raises(UsageError, match="no example is called builtin:novel"):
        texts.read("builtin:novel")


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("Grüße".encode())))
    assert texts.read("-").text == "Grüße"


def test_standard_input_that_is_not_utf8(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"gr\xfc\xdfe")))
    assert texts.read("-") == DecodedText("grüße", "cp1252", is_guess=True)


def test_standard_input_whose_encoding_cannot_be_told(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\x81\xff\xfe\x80")))
    with pytest.raises(TextError, match=r"standard input is not UTF-8 \(byte 1\), and its encoding cannot be told"):
        texts.read("-")
