"""English as GPT-SoVITS `text/en_normalization` and `text/english.py` read it, defects included; all: tests/parity."""

from sovits_cli.text.en_official import official_english, official_guesses, official_phones
from tests.differences import every_case


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
