"""Mixed text in every official mode: cut into languages, and read, as the official program does (`compat=True`)."""

from importlib.util import find_spec

import pytest

from sovits_cli.text import reading, segment, symbols
from sovits_cli.text.frontend import LANGUAGES
from sovits_cli.versions import SymbolTable
from tests.parity import golden
from tests.parity.differences import GUESSED_ONLY, PIPELINE_WORDS, SEGMENTATION
from tests.parity.test_text_ja_ko import IS_PLUS


def _items(kind):
    found = []
    for parameter in golden.files(kind):
        if parameter.values[0] is None:
            return [parameter]
        items = golden.load(parameter.values[0])["items"]
        found += [pytest.param(item, id=f"{item['id']}-{item.get('mode', 'all')}") for item in items]
    return found


def _is_guess(text, mode):
    """Whether the table of differences has the text for this mode."""
    code, _, _ = mode.partition("_")
    return text in SEGMENTATION and (code == segment.AUTO or (code == mode != "en" and text not in GUESSED_ONLY))


@pytest.mark.parametrize("item", _items("text_segmentation"))
def test_segmentation(item):
    for mode, want in item["modes"].items():
        got = [[run.lang, run.text] for run in segment.runs(item["input"], segment.mode(mode), compat=True)]
        if _is_guess(item["input"], mode):
            assert not item["model_free"]
            assert got != want, f"{item['input']} in {mode} is the same now: take it out of the table"
        else:
            assert got == want, mode


@pytest.mark.parametrize("item", _items("text_pipeline"))
def test_pipeline(item):
    languages = {piece[0] for piece in item["pieces"]} & LANGUAGES.keys()
    missing = [lang for lang in languages if any(find_spec(name) is None for name in LANGUAGES[lang].packages)]
    if missing:
        pytest.skip(f"no sovits[{missing[0]}]")
    if _is_guess(item["input"], item["mode"]):
        pytest.skip(SEGMENTATION[item["input"]])
    table = SymbolTable(item["version"])
    said = reading.speakable(item["input"], item["mode"], table, compat=True)
    if "ja" in languages and IS_PLUS and item["dot_prefixed"]:
        pytest.skip("how few phones are too few depends on the Japanese dictionary")
    assert [[piece.lang, piece.text, piece.norm] for piece in said.pieces] == [piece[:3] for piece in item["pieces"]]
    assert said.norm == item["norm"]
    exact = [piece for piece in said.pieces if not (piece.lang == "ja" and IS_PLUS)]
    if any(word in item["input"] for word in PIPELINE_WORDS):
        return
    counts = [piece[3] for piece in item["pieces"] if not (piece[0] == "ja" and IS_PLUS)]
    assert [len(piece.phones) for piece in exact] == counts
    if len(exact) == len(said.pieces):
        assert symbols.ids(said.phones, table) == item["ids"]
