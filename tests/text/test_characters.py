"""Old encodings are told by their everyday characters; what cannot be told is an error of one line."""

import pytest

from sovits_cli.errors import TextError
from sovits_cli.text import characters
from sovits_cli.text.characters import decode_text, guess_encoding, official_form, readable_form, visible_form
from tests.differences import every_case


def test_forms():
    assert visible_form("a\x1b[31mb\u200bc\ud800\x00\n") == "abc\n"
    assert readable_form("Ａｂｃ ３ ٣ 𝟑 １") == "Abc 3 3 3 1"
    assert official_form("Ａ ３ ٣ \ud800x") == "Ａ ３ 3 x", "full-width digits it knows itself"


def test_lost_characters_are_named_with_their_place():
    found = characters.unread_characters("你好😀 Привет, 𠮷😀\x07", "zh")
    assert [(item.character, item.position, item.count) for item in found][:2] == [("😀", 3, 2), ("П", 5, 1)]
    told = characters.unread_note(found)
    assert told.startswith("10 characters cannot be read and are left out: 😀 (grinning face) at 3, П (cyrillic")
    assert told.endswith(" others")
    assert "\n" not in told
    assert characters.unread_note(characters.unread_characters("Hello, “naïve” 世界！½ 3℃", "auto")) == ""


@every_case("lang", ["en", "zh", "ja", "ko", "yue", "auto"])
def test_signs_that_are_read_are_not_lost(lang):
    assert (
        characters.unread_note(characters.unread_characters("€5 £3 20° −5 5−3 ￥10 ¥10 $5 5% 3+4=7 2½ 20℃", lang)) == ""
    )


def test_signs_that_no_language_of_the_mode_has_a_word_for_are_lost():
    assert [item.character for item in characters.unread_characters("a → b ≈ c ☃ ∮", "en")] == ["☃", "∮"]
    assert [item.character for item in characters.unread_characters("你好 → ☃ ∮", "all_zh")] == [
        "☃",
        "∮",
    ]  # → is said in English
    assert [item.character for item in characters.unread_characters("₹5 © ♥", "ja")] == ["♥"]


def test_a_mode_names_what_its_own_languages_lack():
    assert [item.character for item in characters.unread_characters("你好 hi", "en")] == ["你", "好"]
    assert characters.unread_characters("你好 hi", "zh") == []


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
