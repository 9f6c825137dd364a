"""English text against the recorded results of the official program, defects included (`compat=True`)."""

import json

import pytest

from sovits_cli.text import en_official, symbols
from sovits_cli.text.en_homographs import Choice
from sovits_cli.text.frontend import pronounce
from sovits_cli.versions import SymbolTable
from tests.parity import golden
from tests.parity.differences import UNREACHABLE

_CHOICES = {"phones_all_first": Choice.FIRST, "phones_all_second": Choice.SECOND}


def _items():
    found = []
    for parameter in golden.files("text"):
        path = parameter.values[0]
        if path is None:
            return [parameter]
        recorded = json.loads(path.read_text(encoding="utf-8"))
        found += [pytest.param(item, id=f"{item['id']}-{item['version']}") for item in recorded["items"]]
    return found


@pytest.mark.parametrize("item", _items())
def test_text(item):
    table = SymbolTable(item["version"])
    spoken = pronounce(item["input"], "en", table, compat=True)
    assert spoken.norm == item["norm"]
    assert spoken.word2ph is item["word2ph"] is None
    word, _ = UNREACHABLE.get(item["id"], ("", ""))
    if word and word in item["input"]:
        assert spoken.phones != item["phones"], f"{item['id']} is the same now: take it out of the table"
        return
    assert spoken.phones == item["phones"]
    assert symbols.ids(spoken.phones, table) == item["ids"]
    for key in _CHOICES.keys() & item.keys():
        assert en_official.phones(spoken.norm, choice=_CHOICES[key]) == item[key]
