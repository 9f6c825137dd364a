"""Korean as we read it. The official reading is compared in tests/parity."""

import sys
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sovits_cli.errors import TextError
from sovits_cli.text.frontend import load_frontend, pronounce
from sovits_cli.versions import SymbolTable
from tests.differences import every_case

pytestmark = pytest.mark.skipif(
    find_spec("g2pk2") is None or find_spec("mecab") is None, reason="sovits[ko] is missing"
)


def read(text, **how):
    return "".join(pronounce(text, "ko", SymbolTable.V2, **how).phones)


@every_case(
    ("text", "phones"),
    [
        ("같이", "ㄱㅏㅊㅣ."),
        ("학교에 12대", "ㅎㅏㄱㄲㅣㅗㅇㅔ空ㅇㅣㅓㄹㄷㅜㄷㅐ."),
        ("꽃잎!", "ㄲㅗㄴㄴㅣㅂ!"),
        ("AI", "ㅇㅔㅇㅣㅇㅏㅇㅣ."),
    ],
)
def test_read(text, phones):
    assert read(text) == phones


def test_the_official_reading_is_another_one():
    assert read("50% 할인", compat=True) == "ㅇㅗㅅㅣㅂㅍㅓㅅㅔㄴㅌㅡ空ㅎㅏㄹㅣㄴ."
    assert "停" in read("3.5℃", compat=True)
    assert "停" not in read("3.5℃")


def test_a_number_on_which_the_official_program_fails():
    assert read("10000000000000000원", compat=True).endswith("ㅇㅜㅓㄴ.")


@every_case("text", ["", "?!", "😀", "ไทย", "漢字"])
def test_nothing_to_read(text):
    with pytest.raises(TextError, match="nothing to read"):
        read(text)


def test_the_older_symbols_cannot_write_it():
    with pytest.raises(TextError, match="Korean cannot be written in symbol table v1"):
        pronounce("안녕", "ko", SymbolTable.V1)


def test_the_stand_in_for_the_english_dictionary_is_gone_afterwards():
    read("안녕")
    assert "nltk" not in sys.modules


def test_the_number_of_a_list_item_ends_no_sentence():
    assert not load_frontend("ko").ends_sentence("1.", "물")
    assert load_frontend("ko").ends_sentence("끝.", "물")


@given(st.text(alphabet="가힣ㄱㅘ닭0９,.-/:~%℃₩$kmA개월시「」()!?…\n 😀漢", max_size=40))
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_any_mix_of_signs_is_read_or_refused_in_both_modes(text):
    pronounce(text, "ko", SymbolTable.V2, compat=True)
    try:
        spoken = pronounce(text, "ko", SymbolTable.V2)
    except TextError:
        return
    assert "停" not in spoken.phones
