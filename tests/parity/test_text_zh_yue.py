"""Chinese and Cantonese text against the recorded results of the official program (`compat=True`): all of it."""

from importlib.util import find_spec

import pytest

from sovits_cli.text import symbols
from sovits_cli.text.frontend import LANGUAGES, pronounce
from sovits_cli.versions import SymbolTable
from tests.parity import golden


def _items(lang):
    if any(find_spec(package) is None for package in LANGUAGES[lang].packages):
        return [pytest.param(None, "", marks=pytest.mark.skip(reason=f"no sovits[{lang}]"), id=f"no-{lang}")]
    found = []
    for parameter in golden.files(f"text_{lang}"):
        if parameter.values[0] is None:
            return [pytest.param(None, "", marks=parameter.marks, id=parameter.id)]
        items = golden.load(parameter.values[0])["items"]
        found += [pytest.param(item, lang, id=f"{item['id']}-{item['version']}") for item in items]
    return found


@pytest.mark.parametrize(("item", "lang"), [*_items("zh"), *_items("yue")])
def test_text(item, lang):
    table = SymbolTable(item["version"])
    spoken = pronounce(item["input"], lang, table, compat=True)
    assert spoken.norm == item["norm"]
    assert spoken.phones == item["phones"]
    assert spoken.word2ph == item["word2ph"]
    assert symbols.ids(spoken.phones, table) == item["ids"]
