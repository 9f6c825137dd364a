"""The official cuts on what the golden file does not hold; the rest: `tests/parity/test_text_cut.py`."""

import pytest

from sovits_cli.errors import TextError
from sovits_cli.text import cuts
from sovits_cli.text.cuts import cut_points, sentence_rules, spoken_lengths
from sovits_cli.text.segment import find_mode
from tests.differences import every_case


@every_case(
    ("text", "lengths"),
    [("ab", [1, 1]), ("a  b", [1, 1, 0, 1]), (" a", [0, 1]), ("7%", [4, 5]), ("中か가", [3, 2, 3]), ("é", [1])],
)
def test_how_long_characters_are_when_spoken(text, lengths):
    assert list(spoken_lengths(text)) == lengths


@every_case(
    ("kind", "text", "parts"),
    [
        ("sentence", "好。是", ["好。", "是"]),
        ("sentence", "「好！」是", ["「好！」", "是"]),
        ("call", "What? No", ["What? ", "No"]),
        ("clause", "one; two (three) four", ["one; ", "two ", "(three) ", "four"]),
        ("comma", "one, two", ["one, ", "two"]),
        ("comma", "一，二、三", ["一，", "二、", "三"]),
        ("conjunction", "this and that", ["this ", "and that"]),
        ("space", "at 10 000 m", ["at ", "10 000 ", "m"]),
        ("word", "我们去公园", ["我们", "去", "公园"]),
        ("word", "これは東京", ["これは", "東京"]),
        ("word", "word", ["word"]),
    ],
)
def test_cut_points(kind, text, parts):
    ends = [*getattr(cut_points(find_mode("auto")), kind)(text)]
    starts = [0, *ends]
    assert [part for part in (text[a:b] for a, b in zip(starts, [*ends, len(text)], strict=True)) if part] == parts


@pytest.mark.parametrize("lang", ["auto", "all_zh"])
def test_each_language_says_which_dots_end_its_sentences(lang):
    rules = sentence_rules(lang)
    assert not rules.ends_sentence("Dr.", "Smith")
    assert rules.ends_sentence("好。", "Smith")
    assert rules.readable("字")
    assert not rules.readable("☃ …")


def test_a_long_piece_is_cut_again_at_its_marks():
    found = cuts.official_pieces("好的，" * 400, "cut0", is_english=False)
    assert all(len(piece) <= cuts.MAX_CHARS for piece in found)
    assert "".join(found) == "。" + "好的，" * 400


def test_what_has_no_marks_stays_too_long_after_an_empty_piece():
    assert [len(piece) for piece in cuts.official_pieces("好" * 600, "cut5", is_english=False)] == [0, 600, 1]


def test_the_second_method_keeps_a_mark_without_words_and_says_nothing():
    assert cuts.official_pieces("\n \n", "cut2", is_english=True) == []


@every_case("method", sorted({*cuts.METHODS} - {"cut2"}))
def test_only_marks(method):
    with pytest.raises(TextError, match=r"^nothing to read is left after cutting$"):
        cuts.official_pieces("\n \n", method, is_english=True)


def test_unknown_method():
    with pytest.raises(KeyError):
        cuts.cut_officially("Hello.", "cut6")
