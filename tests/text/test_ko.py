"""Korean as we read it. The official reading is compared in tests/parity."""

import sys
from importlib.util import find_spec

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sovits_cli.errors import TextError
from sovits_cli.text import ko
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


@every_case(
    ("digits", "words"),
    [
        ("0", "영"),
        ("10", "십"),
        ("10005", "만오"),
        ("110000", "십일만"),
        ("100000000", "일억"),
        ("20241231", "이천이십사만천이백삼십일"),
        ("007", "영영칠"),
        ("1" + "0" * 24, "일" + "영" * 24),
    ],
)
def test_chinese_numbers(digits, words):
    assert ko.sino_number(digits) == words


@every_case(("digits", "words"), [("1", "한"), ("20", "스무"), ("21", "스물한"), ("105", "백다섯"), ("05", "영오")])
def test_native_numbers(digits, words):
    assert ko.native_number(digits) == words


@every_case(
    ("written", "read"),
    [
        ("사과 3개, 책 10권", "사과 세개, 책 열권"),
        ("3개월에 5달러", "삼개월에 오달러"),
        ("2½kg, 값은1e-5", "이와 이분의 일킬로그램, 값은일 곱하기 십의 마이너스 오제곱"),
        ("6월 6일과 10월 10일", "유월 육일과 시월 십일"),
        ("9:00~18:30", "아홉시에서 십팔시 삼십분"),
        ("3시간 뒤 3시에", "세시간 뒤 세시에"),
        ("2025/12/31까지", "이천이십오년 십이월 삼십일일까지"),
        ("12,345원과 ￦3,980", "만이천삼백사십오원과 삼천구백팔십원"),
        ("$25.50", "이십오점오달러"),
        ("010-1234-5678", "공일공 일이삼사 오육칠팔"),
        ("-3℃에서 12.5℃", "마이너스 삼도에서 십이점오도"),
        ("1/3이 50%", "삼분의 일이 오십퍼센트"),
        ("60kg, 80km/h", "육십킬로그램, 팔십 킬로미터 매시"),
        ("ＡＢＣ１２３", "ABC백이십삼"),
        ("\u1112\u1161\u11ab ㅋㅋ", "한 ㅋㅋ"),
        ('"안녕" (웃음).', "안녕, 웃음."),
        ("어... 설마?!", "어… 설마?"),
        ("첫째 줄\n둘째 줄", "첫째 줄. 둘째 줄"),
        ("가자 🔥!", "가자!"),
        ("10000000000000000원", "일경원"),
        ("\u202e가\x00나\ud800다", "가나다"),
    ],
)
def test_normalised(written, read):
    assert ko.normalise_korean(written).strip() == read
