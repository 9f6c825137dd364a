"""Our own reading of the golden sentences: the official one, except where the table says why not."""

import json
from pathlib import Path

import pytest

from sovits_cli.errors import TextError
from sovits_cli.text.frontend import pronounce
from sovits_cli.versions import SymbolTable
from tests.differences import every_case
from tests.text.en_exceptions import EXCEPTIONS

ITEMS = {
    item["id"]: item
    for item in json.loads((Path(__file__).parents[1] / "golden" / "text_en.json").read_text(encoding="utf-8"))["items"]
    if item["version"] == "v2"
}


@every_case("key", sorted(ITEMS.keys() - EXCEPTIONS.keys()))
def test_official_reading(key):
    assert pronounce(ITEMS[key]["input"], "en", SymbolTable.V2).phones == ITEMS[key]["phones"]


@every_case("key", sorted(key for key, row in EXCEPTIONS.items() if row.phones))
def test_exception(key):
    spoken = pronounce(ITEMS[key]["input"], "en", SymbolTable.V2)
    assert spoken.norm == EXCEPTIONS[key].norm
    assert " ".join(spoken.phones) == EXCEPTIONS[key].phones
    assert spoken.phones != ITEMS[key]["phones"], "it is the same now: take it out of the table"


@every_case("key", sorted(key for key, row in EXCEPTIONS.items() if not row.phones))
def test_refused(key):
    with pytest.raises(TextError, match="nothing to read"):
        pronounce(ITEMS[key]["input"], "en", SymbolTable.V2)
