import io
import sys

import pytest

from sovits_cli.errors import TextError, UsageError
from sovits_cli.inference import texts


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_are_read(tmp_path, encoding):
    path = tmp_path / "a.txt"
    path.write_bytes("Café, naïve – “yes”.\n".encode(encoding))
    assert texts.read(str(path)) == "Café, naïve – “yes”.\n"


@pytest.mark.parametrize(
    ("text", "encoding", "guess"),
    [
        ("A café and a piñata, said the naïve man.", "cp1252", "cp1252"),
        ("今天天气很好，我们去公园散步吧。", "gb18030", "gb18030"),
    ],
)
def test_other_encodings_are_named(tmp_path, text, encoding, guess):
    path = tmp_path / "a b.txt"
    path.write_bytes(text.encode(encoding))
    with pytest.raises(TextError, match=rf"a b\.txt is not UTF-8 .byte [0-9]+.: it looks like {guess}") as error:
        texts.read(str(path))
    assert error.value.hint == f"iconv -f {guess} -t utf-8 '{path}' > '{tmp_path / 'a b-utf8.txt'}'"


def test_japanese_is_named_as_some_east_asian_encoding(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("吾輩は猫である。名前はまだ無い。".encode("shift_jis"))
    with pytest.raises(TextError, match=r"it looks like (gb18030|shift_jis)"):
        texts.read(str(path))


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
    assert texts.read("builtin:story").startswith("The Lamp")
    with pytest.raises(UsageError, match="no example is called builtin:novel"):
        texts.read("builtin:novel")


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("Grüße".encode())))
    assert texts.read("-") == "Grüße"


def test_standard_input_that_is_not_utf8(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"gr\xfc\xdfe")))
    with pytest.raises(TextError, match=r"standard input is not UTF-8 \(byte 3\): it looks like cp1252") as error:
        texts.read("-")
    assert error.value.hint == "iconv -f cp1252 -t utf-8"
