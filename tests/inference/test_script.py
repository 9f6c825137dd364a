import pytest
import torch

from sovits_cli.errors import TextError
from sovits_cli.events import Skipped
from sovits_cli.inference.script import MAX_PHONES, MIN_CHARS_TO_SPLIT, utterances
from sovits_cli.inference.voice import EncodedText
from sovits_cli.text.split import PAUSES_S, Boundary, Sentence, split_sentences


def spell(text, lang):
    """Each letter is a phone."""
    letters = [ord(letter) % 700 for letter in text if letter.isalnum()]
    if not letters:
        raise TextError(f"nothing to read in {text!r}")
    return EncodedText(torch.tensor(letters), None, len(letters))


def told(found, heard, pronounce=spell):
    return list(utterances(found, "en", pronounce, heard))


def test_each_sentence_is_a_line(heard):
    found = told([Sentence(" One two. ", 0.5), Sentence("Three.\n", 0.0)], heard)
    assert [(line.index, line.text, line.pause_s, line.encoded.sounds) for line in found] == [
        (0, "One two.", 0.5, 6),
        (1, "Three.", 0.0, 5),
    ]
    assert heard.events == []


def test_phones_are_made_when_they_are_asked_for(heard):
    asked = []

    def pronounce(text, lang):
        asked.append(text)
        return spell(text, lang)

    script = utterances([Sentence("One.", 0.1), Sentence("Two.", 0.1)], "en", pronounce, heard)
    next(script)
    assert asked == ["One."]


def test_what_cannot_be_read_is_named_and_left_out(heard):
    found = told([Sentence("One.", 0.1), Sentence("☃☃☃", 0.2), Sentence("Two.", 0.0)], heard)
    assert [(line.index, line.text) for line in found] == [(0, "One."), (1, "Two.")]
    assert heard.events == [Skipped("'☃☃☃'", "nothing to read in '☃☃☃'")]


def test_a_sentence_whose_reading_breaks_is_named_and_the_others_are_read(heard):
    def pronounce(text, lang):
        if "Two" in text:
            raise KeyError("٣")
        return spell(text, lang)

    found = told([Sentence("One.", 0.1), Sentence("Two.", 0.2), Sentence("Three.", 0.0)], heard, pronounce)
    assert [(line.index, line.text) for line in found] == [(0, "One."), (1, "Three.")]
    (skipped,) = heard.of(Skipped)
    assert (skipped.item, skipped.reason) == ("'Two.'", "internal error: KeyError: '٣'")
    assert isinstance(skipped.cause, KeyError)


def test_a_line_can_be_cut_at_its_marks(heard):
    (whole,) = told([Sentence("One, two. Three, four, five.", 0.7, is_exact=True)], heard)
    assert whole.position == (0,)
    parts = whole.cut()
    assert [(part.position, part.text, part.pause_s, part.is_exact) for part in parts] == [
        ((0, 0), "One, two.", PAUSES_S[Boundary.SENTENCE], False),
        ((0, 1), "Three, four, five.", 0.7, True),
    ]
    smallest = parts[1].cut()
    assert [part.text for part in smallest] == ["Three,", "four, five."]
    assert smallest[0].cut() == [], "cut often enough"
    assert [part.text for part in parts[0].cut()] == ["One,", "two."]


def test_a_line_with_a_part_that_cannot_be_read_is_not_cut(heard):
    def pronounce(text, lang):
        if text == "two.":
            raise TextError("nothing to read")
        return spell(text, lang)

    (whole,) = told([Sentence("One, two.", 0.0)], heard, pronounce)
    assert whole.cut() == []


def test_nothing_readable_at_all(heard):
    with pytest.raises(TextError, match="nothing to read"):
        told([Sentence("☃", 0.1), Sentence("☂", 0.0)], heard)


def test_too_many_phones_are_cut_and_nothing_is_lost(heard):
    text = " ".join(f"word{index}, and" for index in range(100))

    def doubled(text, lang):
        spoken = spell(text, lang)
        return EncodedText(spoken.phones.repeat(3), None, 3 * spoken.sounds)

    whole = [Sentence(text + ".", 0.7), Sentence("The end.", 0.0)]
    found = told(whole, heard, doubled)
    assert len(found) > 10
    assert max(len(line.encoded.phones) for line in found) <= MAX_PHONES
    assert " ".join(line.text for line in found) == f"{text}. The end."
    assert [line.index for line in found] == list(range(len(found)))
    assert (found[-2].pause_s, found[-1].pause_s) == (0.7, 0.0)


@pytest.mark.parametrize("text", ["x" * MIN_CHARS_TO_SPLIT, "1" * (MIN_CHARS_TO_SPLIT + 3)])
def test_what_cannot_be_cut_is_said_in_one_go(heard, text):
    def endless(text, lang):
        return EncodedText(torch.zeros(MAX_PHONES + 1, dtype=torch.long), None, MAX_PHONES + 1)

    found = told([Sentence(text, 0.0)], heard, endless)
    assert "".join(line.text for line in found) == text
    assert len(found) <= 5


def test_a_text_without_a_full_stop_stays_in_bounds(heard):
    text = "lorem ipsum dolor " * 600
    found = told(split_sentences(text, "en"), heard)
    assert max(len(line.encoded.phones) for line in found) <= MAX_PHONES
    assert " ".join(line.text for line in found).split() == text.split()
