import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sovits_cli.errors import TextError
from sovits_cli.text.frontend import pronounce
from sovits_cli.text.split import MAX_CHARS, PAUSES_S, Boundary, split_in_two, split_sentences
from sovits_cli.versions import SymbolTable
from tests.differences import every_case


def cut(text, **options):
    pieces = split_sentences(text, "en", **options)
    assert "".join(piece.text for piece in pieces) == text
    return [piece.text.strip() for piece in pieces]


@every_case(
    ("text", "parts"),
    [
        (
            "Dr. Smith paid $3.50 at 10 a.m. It rained all day.",
            ["Dr. Smith paid $3.50 at 10 a.m.", "It rained all day."],
        ),
        ("He met J. R. Smith in the U.S. Army base.", ["He met J. R. Smith in the U.S. Army base."]),
        ("They moved to the U.S. Then they came back.", ["They moved to the U.S.", "Then they came back."]),
        ("It is 3.5 km from St. James St. to No. 5 there.", ["It is 3.5 km from St. James St. to No. 5 there."]),
        ('"What is it?" he asked me. "Nothing at all."', ['"What is it?" he asked me.', '"Nothing at all."']),
        ("Wait for me... please. I am coming with you.", ["Wait for me... please.", "I am coming with you."]),
        ("1. Open the box carefully. 2. Read the manual.", ["1. Open the box carefully.", "2. Read the manual."]),
        ("Stop it right now! Who are you, stranger?", ["Stop it right now!", "Who are you, stranger?"]),
        ("There are apples, pears, etc. Bob likes them.", ["There are apples, pears, etc.", "Bob likes them."]),
        ("A line that was wrapped\nby an editor.", ["A line that was wrapped\nby an editor."]),
        ("A short title line\nThen the text begins.", ["A short title line", "Then the text begins."]),
        ("One paragraph here.\n\nanother one there.", ["One paragraph here.", "another one there."]),
        (
            "使用 is a word that we use。Another sentence here.",
            ["使用 is a word that we use。", "Another sentence here."],
        ),
    ],
)
def test_sentences(text, parts):
    assert cut(text) == parts


def test_short_sentences_join_a_neighbour_of_their_paragraph():
    assert cut("Hi. How are you today, my friend?") == ["Hi. How are you today, my friend?"]
    assert cut("Hi.\n\nHow are you today, my friend?") == ["Hi.", "How are you today, my friend?"]
    assert cut("Hi. How are you today, my friend?", min_chars=0) == ["Hi.", "How are you today, my friend?"]


@every_case(
    ("text", "lang", "parts"),
    [
        ("Hello there. This is a test, of the wheel.", "en", ["Hello there.", "This is a test, of the wheel."]),
        ("It is late. Go home now. Your mother waits.", "en", ["It is late. Go home now.", "Your mother waits."]),
        ('"Why do you do it?" asked a girl, one night.', "en", ['"Why do you do it?"', "asked a girl, one night."]),
        ('"I do not know. That is why I light it."', "en", ['"I do not know.', 'That is why I light it."']),
        ("Mr. Smith came; he saw, and he left.", "en", ["Mr. Smith came;", "he saw, and he left."]),
        ("Two, three, four, and five, six.", "en", ["Two, three, four,", "and five, six."]),
        ("It costs 1,234.50 at 10:30.", "en", ["It costs", "1,234.50 at 10:30."]),
        ("No mark at all and yet two parts", "en", ["No mark at all", "and yet two parts"]),
        ("That is why I light it.", "en", ["That is why", "I light it."]),
        ("Internationalisation.", "en", ["Internationalisation."]),
        ("今天天气很好。我们去公园，散步吧。", "zh", ["今天天气很好。", "我们去公园，散步吧。"]),
        ("我们去公园，散步吧。", "zh", ["我们去公园，", "散步吧。"]),
        ("「だめだ！」と言った。", "ja", ["「だめだ！」と", "言った。"]),
    ],
)
def test_halves(text, lang, parts):
    found = split_in_two(text, lang)
    assert "".join(half.text for half in found) == text
    assert [half.text.strip() for half in found] == parts
    assert found[-1].pause_s == 0.0
    assert all(PAUSES_S[Boundary.WORD] <= half.pause_s <= PAUSES_S[Boundary.SENTENCE] for half in found[:-1])


def test_what_cannot_be_read_stays_with_a_neighbour():
    assert cut("😀 !!! Hello there. 🎉🎉🎉 ... Goodbye, everyone.") == [
        "😀 !!! Hello there. 🎉🎉🎉 ...",
        "Goodbye, everyone.",
    ]
    assert cut("***\n\nHello there.\n\n***") == ["***\n\nHello there.\n\n***"]


def test_pauses_grow_with_the_break():
    pieces = split_sentences("A first sentence here. A second sentence.\nA line below.\n\nA new paragraph.", "en")
    assert [piece.pause_s for piece in pieces] == [
        PAUSES_S[Boundary.SENTENCE],
        PAUSES_S[Boundary.LINE],
        PAUSES_S[Boundary.PARAGRAPH],
        0.0,
    ]
    assert sorted(PAUSES_S.values()) == list(PAUSES_S.values())


def test_long_sentence_is_cut_at_a_clause_before_a_word():
    clause = "the lighthouse opened its heavy doors to all the visitors of the island"
    text = f"{clause}, {clause}; {clause}, {clause}."
    assert cut(text, max_chars=160) == [f"{clause}, {clause};", f"{clause}, {clause}."]
    words = "word " * 100
    assert all(part.split() == ["word"] * len(part.split()) for part in cut(words))


def test_no_cut_inside_a_number_or_a_word():
    parts = cut("The number 1,234,567 and the word internationalisation are here. " * 3, max_chars=60)
    assert {word for part in parts for word in part.split()} == {
        *("The", "number", "1,234,567", "and", "the", "word", "internationalisation", "are", "here."),
    }


def test_digits_count_for_more_because_they_take_longer():
    assert len(cut("7" * 190)) == 4
    assert len(cut("x" * 190)) == 1


@every_case(
    "text",
    [
        "a" * 100_000,
        "word " * 20_000,
        "one, two; three - " * 5_000,
        "1" * 100_000,
        "Dr. " * 25_000,
        "no full stop here\n" * 5_000,
        "((" * 50_000 + "a",
        " " * 50_000 + "a" + "\n" * 50_000,
        "你好a" * 30_000,
    ],
)
def test_hundred_thousand_characters_without_a_full_stop(text):
    parts = cut(text)
    assert all(len(part.strip("( ")) <= MAX_CHARS for part in parts)


@every_case("text", ["", "   \n", "?!...", "😀🎉", "—", "你好", "* * *", "[1]"])
def test_nothing_to_read_is_an_error(text):
    with pytest.raises(TextError, match=r"nothing to read in .*: expected words, letters or numbers in English"):
        split_sentences(text, "en")


def test_bad_arguments():
    with pytest.raises(TextError, match="unknown language 'xx'"):
        split_sentences("Hello.", "xx")
    with pytest.raises(ValueError, match="max_chars is 0"):
        split_sentences("Hello.", "en", max_chars=0)


@given(st.text(max_size=400), st.integers(1, 300))
@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_comes_back_whole(text, max_chars):
    try:
        pieces = split_sentences(text, "en", max_chars=max_chars)
    except TextError:
        return
    assert "".join(piece.text for piece in pieces) == text
    assert pieces[-1].pause_s == 0.0


@given(st.text(alphabet="abcXY .,!?;:()\n\"'-—1😀", max_size=200), st.integers(5, 60))
@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_every_piece_can_be_read_and_is_short_enough(text, max_chars):
    try:
        pieces = split_sentences(text, "en", max_chars=max_chars)
    except TextError:
        return
    for piece in pieces:
        assert pronounce(piece.text, "en", SymbolTable.V2).phones
        assert sum(character.isalnum() for character in piece.text) <= max_chars
