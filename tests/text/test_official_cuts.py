"""The official cuts on what the golden file does not hold; the rest: `tests/parity/test_text_cut.py`."""

import pytest

from sovits_cli.errors import TextError
from sovits_cli.text import official_cuts
from tests.differences import every_case


def test_a_long_piece_is_cut_again_at_its_marks():
    found = official_cuts.official_pieces("好的，" * 400, "cut0", is_english=False)
    assert all(len(piece) <= official_cuts.MAX_CHARS for piece in found)
    assert "".join(found) == "。" + "好的，" * 400


def test_what_has_no_marks_stays_too_long_after_an_empty_piece():
    assert [len(piece) for piece in official_cuts.official_pieces("好" * 600, "cut5", is_english=False)] == [0, 600, 1]


def test_the_second_method_keeps_a_mark_without_words_and_says_nothing():
    assert official_cuts.official_pieces("\n \n", "cut2", is_english=True) == []


@every_case("method", sorted({*official_cuts.METHODS} - {"cut2"}))
def test_only_marks(method):
    with pytest.raises(TextError, match=r"^nothing to read is left after cutting$"):
        official_cuts.official_pieces("\n \n", method, is_english=True)


def test_unknown_method():
    with pytest.raises(KeyError):
        official_cuts.cut_officially("Hello.", "cut6")
