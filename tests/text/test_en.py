"""English as GPT-SoVITS `text/en_normalization` and `text/english.py` read it, defects included; all: tests/parity."""

from sovits_cli.text import en_lexicon
from sovits_cli.text.en import english_phones, official_english, official_guesses, official_phones
from tests.differences import every_case


@every_case(
    ("word", "sounds"),
    [
        ("zero", "Z IY1 R OW0"),
        ("gpu", "JH IY1 P IY1 Y UW1"),
        ("twenty-one", "T W EH1 N T IY0 W AO2 N"),
        ("eighty-two", "EY1 T IY0 T UW1"),
        ("gan-based", "G AE1 N B EY1 S T"),
        ("smith's", "S M IH1 TH S"),
        ("qubit's", "K Y UW1 B IH2 T S"),
        ("emoji's", "IH0 M OW1 JH IY0 Z"),
        ("vlogs", "V L AO1 G Z"),
        ("retweeted", "R IY0 T W IY1 T IH0 D"),
        ("autocorrecting", "AO2 T OW0 K ER0 EH1 K T IH0 NG"),
        ("tokenized", "T OW1 K AH0 N AY2 Z D"),
        ("rewatch", "R IY0 W AA1 CH"),
        ("misconfigured", "M IH0 S K AH0 N F IH1 G Y ER0 D"),
        ("deeplearning", "D IY1 P L ER2 N IH0 NG"),
        ("helloooo", "HH AH0 L OW1"),
        ("sooo", "S OW1"),
        ("goooood", "G UH1 D"),
        ("xyz", "EH1 K S W AY1 Z IY1"),
        ("brrr", "B ER1"),
        ("o'brien's", "OW0 B R AY1 IH0 N Z"),
        ("shouldn't've", "SH UH1 D AH0 N T AH0 V"),
    ],
)
def test_word(word, sounds):
    assert en_lexicon.word_phones(word) == sounds.split()


def test_every_word_with_a_letter_sounds():
    assert all(en_lexicon.word_phones(word) for word in ("'n'", "x-", "qqqqqqqq", "a" * 1000, "b-c-d", "'''z"))


@every_case(
    ("text", "sounds"),
    [
        ("A dog saw it.", "AH0 D AO1 G S AO1 IH1 T ."),
        ("A is a letter.", "EY1 IH1 Z AH0 L EH1 T ER0 ."),
        ("vitamin A helps", "V AY1 T AH0 M AH0 N EY1 HH EH1 L P S"),
        ("at ten A M", "AE1 T T EH1 N EY1 EH1 M"),
        ("This Is A Test", "DH IH1 S IH1 Z AH0 T EH1 S T"),
    ],
)
def test_capital_a_is_an_article_or_a_letter(text, sounds):
    assert english_phones(text) == sounds.split()


def test_short_text_begins_with_a_comma():
    assert english_phones("Hi.") == [",", "HH", "AY1", "."]
    assert english_phones("Hello.") == ["HH", "AH0", "L", "OW1", "."]


def test_marks_are_phones():
    assert [phone for phone in english_phones("Well, is it? Yes! It is.") if not phone.isalnum()] == [
        ",",
        "?",
        "!",
        ".",
    ]


@every_case(
    ("stem", "sounds"),
    [("K AE1 T", "K AE1 T S"), ("B AO1 S", "B AO1 S IH0 Z"), ("D AO1 G", "D AO1 G Z"), ("", "EH1 S")],
)
def test_with_s(stem, sounds):
    assert en_lexicon.add_s(stem.split()) == sounds.split()


@every_case(("stem", "sounds"), [("W AA1 N T", "W AA1 N T IH0 D"), ("P AE1 S", "P AE1 S T"), ("P L EY1", "P L EY1 D")])
def test_with_ed(stem, sounds):
    assert en_lexicon.add_ed(stem.split()) == sounds.split()


@every_case(
    ("text", "norm"),
    [
        ("32.3$, $6.24", "thirty-two dollars and thirty cents, six dollars and twenty-four cents"),
        ("3/23, 1/2, 3/2", "three twenty-thirds, one half, three halves"),
        ("a test 20h, 1.2s, 1L", "a test twenty hours, one point two seconds, one liter"),
        ("4:00, 13:30", "four o'clock a.m. one thirty p.m."),
        ("23°C, -19°C", "twenty-three degrees celsius,negative nineteen degrees celsius"),
        ("50%", "fifty percent"),
        ("hello; world: ok", "hello world ok"),
        ("A1B2", "Aone Btwo"),
        ("OpenAI", "Open A I"),
        ("1. test", "first, test"),
    ],
)
def test_normalised(text, norm):
    assert official_english(text) == norm


def test_phones():
    assert official_phones("A cat's") == ["EY1", "K", "AE1", "T", "S"]
    assert official_phones("I.") == [",", "AY1", "."]
    assert official_phones("isnegative") == official_phones("is negative"), "words run together are cut"


def test_words_that_the_official_net_is_asked_for():
    assert official_guesses("hello zorbification it's twenty-nine") == ["zorbification"]
