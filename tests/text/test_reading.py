"""Texts in any languages, and texts that are none."""

from contextlib import suppress
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sovits_cli.errors import TextError
from sovits_cli.text import characters, reading, segment, symbols
from sovits_cli.text.frontend import UnreadableError
from sovits_cli.text.languages import LANGUAGES
from sovits_cli.text.split import split_sentences
from sovits_cli.versions import SymbolTable
from tests.differences import every_case

READY = [code for code, row in LANGUAGES.items() if all(find_spec(package) for package in row.packages)]
_PROPERTY = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

OPTIONS = reading.ReadingOptions(SymbolTable.V2)


def read(text, lang="auto", table=SymbolTable.V2, **how):
    return reading.read_text(text, lang, table, **how)


def test_pieces_in_their_languages():
    said = read("你好，world！")
    assert [(piece.lang, piece.text, piece.norm) for piece in said.pieces] == [
        ("zh", "你好，", "你好,"),
        ("en", "world！", "world!"),
    ]
    assert said.norm == "你好,world!"
    assert said.phones == [phone for piece in said.pieces for phone in piece.phones]
    assert said.word2ph is None
    assert [piece.has_bert for piece in said.pieces] == [True, False]


def test_all_in_one_language_has_counts():
    assert read("你好。").word2ph == [2, 2, 1]


def test_what_has_no_sound_is_left_out():
    assert read("你好 Привет 😀").norm == "你好"
    assert read("Ｈｅｌｌｏ").norm == "Hello"
    assert read("a\u200bb\x00c\ud800d").norm == "abcd"


def test_a_very_short_text_gets_a_full_stop():
    (short,), (long,) = (reading.read_for_speech(text, "zh", OPTIONS) for text in ("好", "今天天气好。"))
    assert (short.phones, long.phones[0]) == ((".", "h", "ao3"), "j")


@pytest.mark.parametrize("lang", ["auto", "zh", "en"])
@every_case("text", ["", " ", "！？", "😀🎉", "שלום", "\ud800", "\x00", "\u202eabc"[:1], "«»"])
def test_nothing_to_read(text, lang):
    with pytest.raises(TextError, match=r"^nothing to read in ") as failure:
        read(text, lang)
    assert "\n" not in failure.value.message


@pytest.mark.parametrize("compat", [False, True])
@every_case("digit", ["٣", "३", "３", "๓", "𝟑", "𞅃"])
@every_case(
    ("lang", "text"),
    [
        ("zh", "我有{}个苹果"),
        ("yue", "我有{}個蘋果"),
        ("en", "{} apples"),
        ("ja", "{}個"),
        ("ko", "{}개"),
        ("auto", "有{}"),
    ],
)
def test_digits_of_every_script_are_read(lang, text, digit, compat):
    if compat and lang == "en" and digit == "３":
        pytest.skip("the official program drops it")
    if compat and lang in {"ja", "ko"} and digit == "３":
        pytest.skip("a matter of its own there")
    found = read(text.format(digit), lang, compat=compat)
    assert found.phones == read(text.format("3"), lang, compat=compat).phones


@pytest.mark.parametrize("compat", [False, True])
@every_case("lang", ["en", "zh", "ja", "ko", "yue"])
def test_half_a_character_is_left_out_and_named(lang, compat):
    assert read("a\ud83d 3", lang, compat=compat).phones == read("a 3", lang, compat=compat).phones
    assert characters.unread_note(characters.unread_characters("a\ud83d", lang)).endswith(
        r"left out: \ud83d (u+d83d) at 2"
    )


def test_a_language_the_table_lacks():
    with pytest.raises(TextError, match="Cantonese cannot be written in symbol table v1"):
        read("你好", "yue", SymbolTable.V1)


def test_sharps_between_other_scripts():
    assert read("我用C#写，#今天", "zh").norm == "我用C-sharp写,今天"
    assert read("C++와 C#로", "ko").norm == "C plus plus와C-sharp로"


@given(st.text(max_size=60), st.sampled_from(["auto", "auto_ja", "en", "zh", "all_zh", "yue"]))
@_PROPERTY
def test_any_text_is_read_or_refused_in_one_line(text, lang):
    characters.unread_note(characters.unread_characters(text, lang))
    try:
        said = read(text, lang)
    except TextError as error:
        refused = error.message
    else:
        refused = ""
    assert "\n" not in refused
    if refused:
        return
    assert symbols.ids(said.phones, SymbolTable.V2)
    assert all(piece.word2ph is None or sum(piece.word2ph) == len(piece.phones) for piece in said.pieces)
    assert all(piece.word2ph is None or len(piece.word2ph) == len(piece.norm) for piece in said.pieces)


@given(
    st.text(
        alphabet="你好一不儿了子「」“”。，！？…—～~-+/%￥$^0123456789.:年月个kmABcあアン々안〇𠮷é😀 \n", max_size=80
    )
)
@_PROPERTY
def test_any_mix_is_cut_read_and_comes_back_whole(text):
    reading.read_for_speech(text, "auto", reading.ReadingOptions(SymbolTable.V2, compat=True))
    try:
        pieces = split_sentences(text, "auto", max_chars=60)
    except TextError:
        return
    assert "".join(piece.text for piece in pieces) == text
    for piece in pieces:
        with suppress(UnreadableError):  # a lone 々, say
            assert read(piece.text, "auto").phones


@every_case("unit", ["你好世界", "这是一个很长的句子，", "あいうえお漢字", "1", "“你好。”", "word ", "中a", "한국어"])
def test_a_line_without_an_end_is_cut(unit):
    text = unit * (40_000 // len(unit))
    pieces = split_sentences(text, "auto")
    assert "".join(piece.text for piece in pieces) == text
    assert max(len(piece.text) for piece in pieces) <= 420


@every_case("lang", [code for code in READY if code != "en"])
def test_every_language_is_a_mode(lang):
    assert segment.find_mode(lang).main == lang
