import pytest

from sovits_cli.errors import TextError
from sovits_cli.text import pauses, split
from sovits_cli.text.split import PAUSES_S, Boundary, Sentence


def cut(text):
    return pauses.split_at_pauses(text, lambda stretch: split.split_sentences(stretch, "en"))


def test_a_pause_ends_a_sentence_and_is_as_long_as_it_says():
    assert cut("Wait [pause 1.5s] for it. Then go on with the story here.") == [
        Sentence("Wait ", 1.5, True),
        Sentence(" for it. Then go on with the story here.", 0.0),
    ]


@pytest.mark.parametrize(
    ("asked", "seconds"), [("2", 2.0), ("2s", 2.0), (".5 s", 0.5), ("300ms", 0.3), ("300 ms", 0.3), ("60s", 60.0)]
)
def test_lengths(asked, seconds):
    assert cut(f"One. [PAUSE {asked}] Two.")[0].pause_s == seconds


def test_pauses_add_up_and_the_last_one_counts():
    assert [sentence.pause_s for sentence in cut("One. [pause 1s] ... [pause 2s] Two. [pause 4s]")] == [3.0, 4.0]


def test_without_a_pause_nothing_changes():
    text = "One two three four. Five six seven eight.\n\nNine."
    assert cut(text) == split.split_sentences(text, "en")
    assert cut(text)[-2].pause_s == PAUSES_S[Boundary.PARAGRAPH]


@pytest.mark.parametrize("asked", ["", " long", " -1s", " 0s", " 61s", " 1h", " 1 2"])
def test_no_pause(asked):
    with pytest.raises(TextError, match=r"is no pause: expected seconds, above 0 and up to 60") as failure:
        cut(f"One. [pause{asked}] Two.")
    assert failure.value.hint == "[pause 1.5s] or [pause 300ms]"


def test_nothing_is_there_to_pause_after():
    with pytest.raises(TextError, match=r"\[pause 1s\] stands before the first word"):
        cut("[pause 1s] One.")


def test_other_words_in_brackets_are_text():
    assert cut("[pauses] and [pausing 1s].")[0].text == "[pauses] and [pausing 1s]."
