"""Old encodings are told by their everyday characters; what cannot be told is an error of one line."""

import pytest

from sovits_cli.errors import TextError
from sovits_cli.text.encoding import decode_text, guess_encoding
from tests.differences import every_case

CHINESE = "今天天气很好，我们去公园散步吧。他说：“你好！”"
TRADITIONAL = "今天天氣很好，我們去公園散步吧。他說：「你好！」"
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。"
KOREAN = "오늘은 날씨가 좋네요. 산책을 갈까요? 네, 좋아요!"


@every_case(
    ("text", "encoding"),
    [
        (CHINESE, "gb18030"),
        ("Python 很好用，Java 也可以。" * 3, "gb18030"),
        (TRADITIONAL, "big5"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (KOREAN, "euc_kr"),
        ("A café and a piñata, said the naïve man – “yes”.", "cp1252"),
    ],
)
def test_guess(text, encoding):
    found = decode_text(text.encode(encoding), "a.txt")
    assert (found.text, found.encoding, found.is_guess) == (text, encoding, True)


@every_case("text", [CHINESE, TRADITIONAL, JAPANESE, KOREAN, "naïve", ""])
@every_case("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_unicode_is_no_guess(text, encoding):
    found = decode_text(text.encode(encoding), "a.txt")
    assert (found.text, found.is_guess) == (text, False)


@every_case(
    ("text", "encoding", "lang"),
    [
        ("你好", "gb18030", ""),
        ("안녕하세요", "euc_kr", ""),
        ("学生", "shift_jis", "ja"),
        ("学生", "gb18030", "auto_zh"),
        ("café", "cp1252", ""),
    ],
)
def test_few_characters(text, encoding, lang):
    assert decode_text(text.encode(encoding), "a.txt", lang).encoding == encoding


@every_case("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_its_mark(encoding):
    text = "The price is 25.5 元, 名前はまだ無い。" * 3
    assert decode_text(text.encode(encoding), "a.txt").text == text


@every_case("encoding", ["utf-32", "utf-16", "utf-8", "utf-8-sig", "gbk"])
def test_line_breaks(encoding):
    assert decode_text("一行。\r\n二行。\r三行。\n".encode(encoding), "a.txt").text == "一行。\n二行。\n三行。\n"


def test_a_large_file_is_judged_by_its_beginning():
    assert guess_encoding(CHINESE.encode("gbk") * 20_000) == "gb18030"


@every_case(
    ("data", "said"),
    [
        (b"\x81\xff\xfe\x80", r"^a.txt is not UTF-8 \(byte 1\), and its encoding cannot be told$"),
        (b"RIFF\x00\x01", "^a.txt is no text: it holds zero bytes$"),
        (b"Hello\x00there and here", "^a.txt is no text: it holds zero bytes$"),
        (bytes(range(256)) * 4, "^a.txt is no text: it holds zero bytes$"),
        ("Hello".encode("utf-16")[:-1], "^a.txt is cut short: its UTF-16 ends within a character$"),
        (CHINESE.encode()[:-2], "^a.txt is cut short: its UTF-8 ends within a character$"),
        ("Hello".encode("utf-32")[:-1], "^a.txt is cut short: its UTF-32"),
    ],
)
def test_what_is_no_text(data, said):
    with pytest.raises(TextError, match=said):
        decode_text(data, "a.txt")
