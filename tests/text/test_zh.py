"""Our own reading of Chinese: the official one, except where the table says why not."""

import json
from pathlib import Path

import pytest

from sovits_cli.errors import TextError
from sovits_cli.text import zh_pinyin
from sovits_cli.text.frontend import pronounce
from sovits_cli.text.zh_official import cardinal, digit_by_digit, number_words, telephone_digits
from sovits_cli.text.zh_words import split_word, tag_words
from sovits_cli.versions import SymbolTable
from tests.differences import every_case
from tests.text.zh_exceptions import EXCEPTIONS, REFUSED

ITEMS = {
    item["id"]: item
    for item in json.loads((Path(__file__).parents[1] / "golden" / "text_zh.json").read_text(encoding="utf-8"))["items"]
    if item["version"] == "v2"
}


def norm(text):
    return pronounce(text, "zh", SymbolTable.V2).norm


def phones(text, table=SymbolTable.V2):
    return " ".join(pronounce(text, "zh", table).phones)


def test_official_reading_of_all_others():
    for key in ITEMS.keys() - EXCEPTIONS.keys() - REFUSED:
        spoken = pronounce(ITEMS[key]["input"], "zh", SymbolTable.V2)
        assert (spoken.phones, spoken.word2ph) == (ITEMS[key]["phones"], ITEMS[key]["word2ph"]), key


@every_case("key", sorted(EXCEPTIONS))
def test_exception(key):
    assert norm(ITEMS[key]["input"]) == EXCEPTIONS[key].norm
    assert ITEMS[key]["norm"] != EXCEPTIONS[key].norm, "it is the same now: take it out of the table"


@every_case("key", sorted(REFUSED))
def test_refused(key):
    with pytest.raises(TextError, match="nothing to read"):
        norm(ITEMS[key]["input"])


@every_case(
    ("text", "said"),
    [
        ("-0.75", "负零点七五"),
        ("3.1415926", "三点一四一五九二六"),
        ("面积120㎡，5mm厚，延迟20ms", "面积一百二十平方米,五毫米厚,延迟二十毫秒"),
        ("３．５％", "百分之三点五"),
        ("20~30%", "百分之二十到百分之三十"),
        ("HK$5000万", "五千万港元"),
        ("-5℃，36.5摄氏度", "零下五度,三十六点五摄氏度"),
        ("1000克盐，100倍", "一千克盐,一百倍"),
        ("拨打10086或95588，房间1208号", "拨打幺零零八六或九五五八八,房间幺二零八号"),
        ("3‰，½杯", "千分之三,二分之一杯"),
        ("2½公斤，2 1/2kg，½kg", "二又二分之一公斤,二又二分之一千克,二分之一千克"),
        ("误差是1e-5，-3E8", "误差是一乘以十的负五次方,负三乘以十的八次方"),
        ("45°角，20°~30°，20°C", "四十五度角,二十度到三十度,二十度"),
        ("2024-1-5，二〇二四年", "二零二四年一月五日,二零二四年"),
        ("8:30-12:45，3:02出发，比分3:2", "八点半至十二点四十五分,三点零二分出发,比分三比二"),
        ("5+5=10，-5", "五加五等于十,负五"),
        ("500瓩", "五百千瓦"),
    ],
)
def test_what_the_official_program_gets_wrong(text, said):
    assert norm(text) == said


@every_case(
    ("digits", "said"),
    [("0", "零"), ("10", "十"), ("105", "一百零五"), ("10010", "一万零一十"), ("007", "七"), ("1" * 9, None)],
)
def test_cardinals(digits, said):
    assert cardinal(digits) == (said or "一亿一千一百一十一万一千一百一十一")


def test_other_numbers():
    assert (digit_by_digit("2011"), telephone_digits("110")) == ("二零一一", "幺幺零")
    assert (number_words("0.50"), number_words("12.8"), number_words("3")) == ("零点五零", "十二点八", "三")


@every_case(
    ("text", "sounds"),
    [
        ("看一看", "k an4 y i5 k an4"),
        ("不怕", "b u2 p a4"),
        ("差不多", "ch a4 b u5 d uo1"),
        ("老李", "l ao2 l i3"),
        ("展览馆", "zh an2 l an2 g uan3"),
        ("石头", "sh ir2 t ou5"),
        ("一块儿", "y i2 k uai4 EE er4"),
        ("一会儿", "y i2 h ui4 EE er4"),
        ("不一会儿", "b u4 y i2 h ui4 EE er4"),
        ("银行行长", "y in2 h ang2 h ang2 zh ang3"),
        ("学院院长", "x ve2 y van4 y van4 zh ang3"),
        ("妈妈", "m a1 m a5"),
        ("小星星", "x iao3 x ing1 x ing5"),
        ("女儿", "n v3 EE er2"),
        ("湖泊", "h u2 p o1"),
        ("噷", "h en5"),
    ],
)
def test_sounds(text, sounds):
    assert phones(text) == sounds


def test_the_tone_of_er_is_that_of_the_later_table_only():
    assert phones("一块儿", SymbolTable.V1) == "y i2 k uai4 EE er2"


@every_case(
    ("onset", "rime", "symbols"),
    [
        ("", "uei4", ("w", "ei4")),
        ("g", "uei1", ("g", "ui1")),
        ("zh", "i4", ("zh", "ir4")),
        ("z", "i4", ("z", "i04")),
        ("", "van2", ("y", "van2")),
        ("", "er2", ("EE", "er2")),
        ("", "", None),
        ("q", "ong9", None),
        ("b", "iong1", None),
    ],
)
def test_syllables(onset, rime, symbols):
    assert zh_pinyin.syllable_phones(onset, rime) == symbols


@every_case(("pinyin", "symbols"), [("hng5", ("h", "eng5")), ("lü4", ("l", "v4")), ("x", None)])
def test_nearest_syllable(pinyin, symbols):
    assert zh_pinyin.nearest_syllable(pinyin) == symbols


def test_every_word_of_the_table_can_be_said():
    for word, readings in zh_pinyin._polyphones().items():
        assert len(word) == len(readings)
        assert all(zh_pinyin.nearest_syllable(reading) for reading in readings), word


def test_words():
    found = tag_words("今天天气真不错")
    assert "".join(word.text for word in found) == "今天天气真不错"
    assert split_word("展览馆") == ("展览", "馆")
    assert split_word("好") == ("好", "")


def test_characters_without_a_reading_are_unknown_not_a_failure():
    spoken = pronounce("兙龘好", "zh", SymbolTable.V2)
    assert spoken.norm == "十克龘好"
    assert "UNK" not in spoken.phones
