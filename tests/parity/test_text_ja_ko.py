"""Japanese and Korean text against the recorded results of the official program (`compat=True`).

Japanese is compared with what was recorded for the package that is installed: pyopenjtalk with the naist-jdic, or
pyopenjtalk-plus without onnxruntime.
"""

from importlib.util import find_spec

import pytest

from sovits_cli.text import symbols
from sovits_cli.text.frontend import LANGUAGES, pronounce
from sovits_cli.versions import SymbolTable
from tests.parity import golden

IS_PLUS = find_spec("pyopenjtalk.yomi_model") is not None if find_spec("pyopenjtalk") else False
PHONES = {"ja": "phones_plus" if IS_PLUS else "phones", "ko": "phones"}


def _items(lang):
    if any(find_spec(package) is None for package in LANGUAGES[lang].packages):
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"sovits[{lang}] is not installed"), id=f"no-{lang}")]
    found = []
    for parameter in golden.files(f"text_{lang}"):
        if parameter.values[0] is None:
            return [parameter]
        items = golden.load(parameter.values[0])["items"]
        found += [pytest.param(item, id=f"{item['id']}-{item['version']}") for item in items if PHONES[lang] in item]
    return found


@pytest.fixture
def as_recorded(monkeypatch):
    """No onnxruntime, which pyopenjtalk-plus would ask how 何 is read."""
    if IS_PLUS:
        from pyopenjtalk.yomi_model import nani_predict

        monkeypatch.setattr(nani_predict, "enc_session", None)


@pytest.mark.parametrize("item", _items("ja"))
def test_japanese(item, as_recorded):
    _same(item, "ja")


@pytest.mark.parametrize("item", _items("ko"))
def test_korean(item):
    _same(item, "ko")


def _same(item, lang):
    table = SymbolTable(item["version"])
    spoken = pronounce(item["input"], lang, table, compat=True)
    assert spoken.norm == item["norm"]
    assert spoken.phones == item[PHONES[lang]]
    assert spoken.word2ph is item["word2ph"] is None
    if PHONES[lang] == "phones":
        assert symbols.ids(spoken.phones, table) == item["ids"]
