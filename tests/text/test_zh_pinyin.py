from sovits_cli.text import zh_pinyin
from tests.differences import every_case


@every_case(
    ("onset", "rime", "symbols"),
    [
        ("", "uei4", ("w", "ei4")),
        ("g", "uei1", ("g", "ui1")),
        ("zh", "i4", ("zh", "ir4")),
        ("z", "i4", ("z", "i04")),
        ("", "van2", ("y", "van2")),
        ("", "er2", ("EE", "er2")),
        ("", "", None),
        ("q", "ong9", None),
        ("b", "iong1", None),
    ],
)
def test_syllables(onset, rime, symbols):
    assert zh_pinyin.syllable_phones(onset, rime) == symbols


@every_case(("pinyin", "symbols"), [("hng5", ("h", "eng5")), ("lü4", ("l", "v4")), ("x", None)])
def test_nearest_syllable(pinyin, symbols):
    assert zh_pinyin.nearest_syllable(pinyin) == symbols


def test_every_word_of_the_table_can_be_said():
    for word, readings in zh_pinyin._polyphones().items():
        assert len(word) == len(readings)
        assert all(zh_pinyin.nearest_syllable(reading) for reading in readings), word
