"""The official ways of cutting against what the official program recorded."""

import pytest

from sovits_cli.errors import TextError
from sovits_cli.text import official_cuts
from tests.parity import golden


def _items():
    found = []
    for parameter in golden.files("text_cut"):
        if parameter.values[0] is None:
            return [parameter]
        found += [pytest.param(item, id=item["id"]) for item in golden.load(parameter.values[0])["items"]]
    return found


def _same(want, make):
    """Equal, or refused where the official program fails."""
    if isinstance(want, dict) and "error" in want:
        with pytest.raises(TextError):
            make()
    else:
        assert make() == want


@pytest.mark.parametrize("item", _items())
def test_cut(item):
    text, plain = item["input"], item["consecutive"]
    assert official_cuts.collapse_marks(text) == plain
    assert official_cuts.split_long(text) == item["split_big"]
    for method in official_cuts.METHODS:
        _same(item[method], lambda: official_cuts.cut_officially(text, method))  # noqa: B023 - called at once
        for lang, recorded in item["pre_seg"].items():
            _same(recorded[method], lambda: official_cuts.official_pieces(plain, method, is_english=lang == "en"))  # noqa: B023
