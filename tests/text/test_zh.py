"""Our own reading of Chinese: the official one, except where the table says why not."""

import json
from pathlib import Path

import pytest

from sovits_cli.errors import TextError
from sovits_cli.text import zh
from sovits_cli.text.frontend import pronounce
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


def test_characters_without_a_reading_are_unknown_not_a_failure():
    spoken = pronounce("兙龘好", "zh", SymbolTable.V2)
    assert spoken.norm == "十克龘好"
    assert "UNK" not in spoken.phones


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
    assert zh.syllable_phones(onset, rime) == symbols


@every_case(("pinyin", "symbols"), [("hng5", ("h", "eng5")), ("lü4", ("l", "v4")), ("x", None)])
def test_nearest_syllable(pinyin, symbols):
    assert zh.nearest_syllable(pinyin) == symbols


def test_every_word_of_the_table_can_be_said():
    for word, readings in zh._polyphones().items():
        assert len(word) == len(readings)
        assert all(zh.nearest_syllable(reading) for reading in readings), word
