from sovits_cli.text import en_lexicon, en_oov, resources
from tests.differences import every_case
from tests.tools.compile_cmudict import held_out

GOAL_WORD_ERRORS = 0.42
WORDS = 200


@every_case(
    ("word", "sounds"),
    [
        ("blorg", "B L AO1 R G"),
        ("zorbification", "Z AO2 R B AH0 F AH0 K EY1 SH AH0 N"),
        ("trundlebop", "T R AH1 N D AH0 L B AA2 P"),
    ],
)
def test_guess(word, sounds):
    assert en_oov.guess_word(word) == sounds.split()


def test_words_that_were_not_in_training():
    words = [word for word in sorted(en_lexicon.cmu_dictionary()) if word.isalpha() and held_out(word)][
        :: 5800 // WORDS
    ][:WORDS]
    assert len(words) == WORDS
    wrong = sum(en_oov.guess_word(word) != en_lexicon.look_up_cmu(word) for word in words)
    assert wrong / WORDS <= GOAL_WORD_ERRORS


def test_guess_has_one_main_stress():
    words = ("zorbifax", "quabblethorpe", "fluzendian", "mirgatroidal")
    assert [sum(phone.endswith("1") for phone in en_oov.guess_word(word)) for word in words] == [1] * len(words)


def test_guess_is_made_of_dictionary_phones_for_any_letters():
    for word in ("q", "zzzz", "bcdfg", "aeiou", "x" * 200, "abcdefghijklmnopqrstuvwxyz"):
        phones = en_oov.guess_word(word)
        assert set(phones) <= set(en_lexicon.PHONES)
        assert phones == en_oov.guess_word(word)


def test_long_word_is_guessed_in_parts():
    part = "zorbificational"[:12]
    assert en_oov.guess_word(part * 4) == en_oov.guess_word(part * 2) * 2


def test_model_is_small():
    assert (resources.TABLES / "letters.npz").stat().st_size < 500_000
