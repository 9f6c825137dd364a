"""Fragments of odd text, one language each, against the recorded results of the official program (`compat=True`)."""

from importlib.util import find_spec

import pytest

from sovits_cli.errors import TextError
from sovits_cli.text.frontend import LANGUAGES, pronounce
from sovits_cli.versions import SymbolTable
from tests.parity import golden

EXACT = ("zh", "yue")
"""Languages whose fragments all agree. English has a net for unknown words, Japanese a dictionary of its own."""


def _items():
    found = []
    for parameter in golden.files("text_edge"):
        if parameter.values[0] is None:
            return [parameter]
        items = [item for item in golden.load(parameter.values[0])["items"] if item["language"] in EXACT]
        found += [pytest.param(item, id=f"{item['language']}-{place}") for place, item in enumerate(items)]
    return found


@pytest.mark.parametrize("item", _items())
def test_fragment(item):
    lang = item["language"]
    if any(find_spec(package) is None for package in LANGUAGES[lang].packages):
        pytest.skip(f"no sovits[{lang}]")
    if "error" in item:
        with pytest.raises(TextError, match="the official program fails at"):
            pronounce(item["input"], lang, SymbolTable.V2, compat=True)
        return
    recorded = [(SymbolTable.V2, item)] + ([(SymbolTable.V1, item["v1"])] if "v1" in item else [])
    for table, want in recorded:
        spoken = pronounce(item["input"], lang, table, compat=True)
        assert spoken.phones == want["phones"]
        assert spoken.norm == want.get("norm", item["norm"])
