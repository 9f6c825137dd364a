"""Our own reading of Cantonese: the official one, but numbers as in Chinese, and no symbol is lost."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from sovits_cli.errors import TextError
from sovits_cli.text.frontend import pronounce
from sovits_cli.versions import SymbolTable

pytestmark = pytest.mark.skipif(find_spec("ToJyutping") is None, reason="no sovits[yue]")

ITEMS = json.loads((Path(__file__).parents[1] / "golden" / "text_yue.json").read_text(encoding="utf-8"))["items"]
OTHERWISE = {
    "yue-019": "the half of the second time",
    "yue-021": "￥ is money",
    "yue-022": "$ is money",
    "yue-023": "thousands",
    "yue-025": "a telephone number is no subtraction",
    "yue-026": "km/h",
    "yue-014": "a round number is a quantity",
    "yue-031": "a decimal",
    "yue-033": "a negative decimal",
    "yue-042": "㗎 is read",
    "yue-046": "㗎 is read",
    "yue-051": "a dash is a short pause",
    "yue-058": "no units within words",
    "yue-062": "no units within an address",
    "yue-064": "rare characters are read",
}
"""Golden sentences read otherwise on purpose: id -> why."""


def read(text):
    return pronounce(text, "yue", SymbolTable.V2)


def test_official_reading_of_all_others():
    differs = set()
    for item in ITEMS:
        try:
            same = read(item["input"]).phones == item["phones"]
        except TextError:
            same = not any(phone.startswith("Y") for phone in item["phones"])
        differs |= set() if same else {item["id"]}
    assert differs == OTHERWISE.keys()


def test_syllables_the_official_split_has_no_symbols_for():
    assert read("罂").phones == ["Yaa", "Yng1"] or "UNK" not in read("罂").phones


def test_only_the_later_table_can_write_it():
    with pytest.raises(TextError, match="Cantonese cannot be written in symbol table v1"):
        pronounce("你好", "yue", SymbolTable.V1)
