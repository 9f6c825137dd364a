"""The official ways of cutting against what the official program recorded."""

import pytest

from sovits_cli.errors import TextError
from sovits_cli.text import cuts
from tests.differences import differences
from tests.parity import golden

ITEMS = [item for path in golden.paths("text_cut") for item in golden.load(path)["items"]]

if not ITEMS:
    pytest.skip(f"no text_cut file in {golden.FOLDER}", allow_module_level=True)


def _same(want, make):
    """Equal, or refused where the official program fails."""
    if isinstance(want, dict) and "error" in want:
        with pytest.raises(TextError):
            make()
    else:
        assert make() == want


@pytest.mark.parametrize("method", cuts.METHODS)
def test_cut(method):
    with differences() as compare:
        for item in ITEMS:
            with compare(item["id"]):
                _same(item[method], lambda: cuts.cut_officially(item["input"], method))  # noqa: B023 - called at once
            for lang, recorded in item["pre_seg"].items():
                with compare(f"{item['id']}, {lang}"):
                    _same(recorded[method], lambda: _pieces(item["consecutive"], method, lang))  # noqa: B023


def _pieces(text, method, lang):
    return cuts.official_pieces(text, method, is_english=lang == "en")


def test_marks_and_long_pieces():
    with differences() as compare:
        for item in ITEMS:
            with compare(item["id"]):
                assert cuts.collapse_marks(item["input"]) == item["consecutive"]
                assert cuts.split_long(item["input"]) == item["split_big"]
