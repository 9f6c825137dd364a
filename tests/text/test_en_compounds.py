from sovits_cli.text.en_lexicon import split_compound, split_web_word
from tests.differences import every_case


@every_case(
    ("word", "cut"),
    [
        ("machinelearning", ("machine", "learning")),
        ("helloworld", ("hello", "world")),
        ("quarkville", ("quarkville",)),
        ("brokerage", ("brokerage",)),
        ("zorbification", ("zorbification",)),
        ("cat", ("cat",)),
        ("", ("",)),
    ],
)
def test_pieces(word, cut):
    assert split_compound(word) == cut


@every_case(
    ("word", "cut"),
    [
        ("kilometersh", ("kilometers", "h")),
        ("fifteenthstwenty", ("fifteenth", "s", "twenty")),
        ("well-known", ("well", "known")),
        ("vocoder", ("vocoder",)),
        ("isnegative", ("is", "negative")),
    ],
)
def test_web_pieces(word, cut):
    assert split_web_word(word) == cut


def test_long_words_are_cut_in_linear_time():
    assert "".join(split_web_word("helloworld" * 300)) == "helloworld" * 300
