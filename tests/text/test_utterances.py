"""From a source text to utterances: pauses, cuts that fit, spans, words, and how often a text is looked at."""

from collections import Counter
from itertools import pairwise

import pytest

from sovits_cli.errors import TextError
from sovits_cli.events import Skipped
from sovits_cli.text import cuts, frontend, lexicon, reading, split
from sovits_cli.text.reading import ReadingOptions
from sovits_cli.text.split import PAUSES_S, Boundary, Sentence
from sovits_cli.text.utterances import MAX_PHONES, read_sentences, read_whole, split_text, utterances
from sovits_cli.versions import SymbolTable
from tests.differences import every_case

OPTIONS = ReadingOptions(SymbolTable.V2)
TEXTS = {
    "en": "Mr. Smith paid $3.50 at 10 a.m. It rained all day! Did you see the ship? It was a long, long way. ",
    "zh": "今天天气很好。我们去公园散步吧，然后吃3个苹果！你觉得怎么样？",
    "ja": "今日は何を3つ食べましたか。最近、僕は天文学を勉強してるんだ。明日は雨です！",
    "ko": "같이 갈 사람은 3명입니다. 오늘은 2024년 3월 15일입니다! 내일 만나요. ",
    "yue": "我哋今日食咗3碗飯。佢哋喺度等緊你！",
    "auto": "你好，world！今天是Monday。最近、僕は天文学を勉強してるんだ。안녕하세요, 我是小明。 Hi there! ",
}


def read(text, lang="en", reporter=None, **how):
    return list(utterances(text, lang, how.pop("options", OPTIONS), reporter=reporter, **how))


def cut(text):
    return split_text(text, "en")


# pauses


def test_a_pause_ends_a_sentence_and_is_as_long_as_it_says():
    assert cut("Wait [pause 1.5s] for it. Then go on with the story here.") == [
        Sentence("Wait ", 1.5, True),
        Sentence(" for it. Then go on with the story here.", 0.0),
    ]


@every_case(
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


@every_case("asked", ["", " long", " -1s", " 0s", " 61s", " 1h", " 1 2"])
def test_no_pause(asked):
    with pytest.raises(TextError, match=r"is no pause: expected seconds, above 0 and up to 60") as failure:
        cut(f"One. [pause{asked}] Two.")
    assert failure.value.hint == "[pause 1.5s] or [pause 300ms]"


def test_nothing_is_there_to_pause_after():
    with pytest.raises(TextError, match=r"\[pause 1s\] stands before the first word"):
        cut("[pause 1s] One.")


def test_other_words_in_brackets_are_text():
    assert cut("[pauses] and [pausing 1s].")[0].text == "[pauses] and [pausing 1s]."


# utterances


def test_each_sentence_is_an_utterance():
    first, second = read(" One two three four. \n\nFive.\n")
    assert (first.index, first.text, first.span, first.pause_s, first.lang) == (
        0,
        "One two three four.",
        (1, 20),
        0.7,
        "en",
    )
    assert (second.position, second.text, second.span, second.pause_s) == ((1,), "Five.", (23, 28), 0.0)
    assert first.phones == ("W", "AH1", "N", "T", "UW1", "TH", "R", "IY1", "F", "AO1", "R", ".")
    assert (first.spoken_phones, first.part, first.is_exact) == (11, (), False)


def test_a_text_is_cut_at_once_and_read_when_it_is_asked_for(monkeypatch):
    asked = []
    real = reading.pronounce
    monkeypatch.setattr(reading, "pronounce", lambda text, *how, **more: asked.append(text) or real(text, *how, **more))
    script = utterances("One two three four five.\n\nSix seven eight nine.", "en", OPTIONS)
    assert asked == []
    next(script)
    assert asked == ["One two three four five."]
    with pytest.raises(TextError, match="nothing to read"):
        utterances("☃", "en", OPTIONS)


def test_what_cannot_be_read_is_named_and_left_out(heard):
    found = list(
        read_sentences([Sentence("One two.", 0.1), Sentence("☃☃☃", 0.2), Sentence("Six.", 0.0)], "en", OPTIONS, heard)
    )
    assert [(each.index, each.text) for each in found] == [(0, "One two."), (1, "Six.")]
    assert [event.item for event in heard.of(Skipped)] == ["'☃☃☃'"]
    with pytest.raises(TextError, match="nothing to read"):
        list(read_sentences([Sentence("☃", 0.1)], "en", OPTIONS, heard))


def test_a_sentence_whose_reading_breaks_is_named_and_the_others_are_read(heard, monkeypatch):
    real = reading.pronounce

    def broken(text, *how, **more):
        return 1 / 0 if "Two" in text else real(text, *how, **more)

    monkeypatch.setattr(reading, "pronounce", broken)
    found = read("One one one one one.\n\nTwo.\n\nThree.", reporter=heard)
    assert [(each.index, each.text) for each in found] == [(0, "One one one one one."), (1, "Three.")]
    (skipped,) = heard.of(Skipped)
    assert (skipped.item, skipped.reason) == ("'Two.'", "internal error: ZeroDivisionError: division by zero")
    assert isinstance(skipped.cause, ZeroDivisionError)


def test_an_utterance_can_be_split_at_its_marks():
    (whole,) = read("One, two. Three, four, five. [pause 700ms]", joins=True)
    parts = whole.split()
    assert [(part.position, part.text, part.span, part.pause_s, part.is_exact) for part in parts] == [
        ((0, 0), "One, two.", (0, 9), PAUSES_S[Boundary.SENTENCE], False),
        ((0, 1), "Three, four, five.", (10, 28), 0.7, True),
    ]
    smallest = parts[1].split()
    assert [part.text for part in smallest] == ["Three,", "four, five."]
    assert smallest[0].split() == [], "split often enough"
    assert [part.text for part in parts[0].split()] == ["One,", "two."]


def test_an_utterance_with_a_part_that_cannot_be_read_is_not_split(monkeypatch):
    (whole,) = read("One, two.")
    monkeypatch.setattr(reading, "pronounce", lambda *how, **more: 1 / 0)
    assert whole.split() == []


def test_too_many_phones_are_cut_and_nothing_is_lost():
    text = " ".join(["seven hundred and seventy seven thousand"] * 30)
    sentence = Sentence(f" {text}. ", 0.7, is_exact=True)
    found = list(read_sentences([sentence, Sentence("The end.", 0.0)], "en", OPTIONS, reporter=None))
    assert len(found) > 4
    assert max(len(each.phones) for each in found) <= MAX_PHONES
    assert " ".join(each.text for each in found) == f"{text}. The end."
    assert [each.index for each in found] == list(range(len(found)))
    assert (found[-2].pause_s, found[-2].is_exact, found[-1].pause_s) == (0.7, True, 0.0)
    assert all(sentence.text[slice(*each.span)] == each.text for each in found[:-1])


def test_a_text_without_a_full_stop_stays_in_bounds():
    text = "lorem ipsum dolor " * 300
    found = read(text)
    assert max(len(each.phones) for each in found) <= MAX_PHONES
    assert " ".join(each.text for each in found).split() == text.split()


def test_a_transcript_is_read_in_one_go():
    long = read_whole("seven hundred and seventy seven thousand " * 20, "en", OPTIONS)
    assert len(long.phones) > MAX_PHONES
    assert read_whole("A b c.", "en", OPTIONS).phones[0] != "."
    assert read_whole("食。", "zh", OPTIONS).phones == (".", "sh", "ir2", "."), "a very short one"


# spans and words


@every_case("method", ["auto", *cuts.METHODS])
def test_spans_are_of_the_source(method):
    for lang in TEXTS:
        spans_are_of_the_source(lang, method)


def spans_are_of_the_source(lang, method):
    text = "  " + TEXTS[lang] * 3
    found = read(text, lang, cut=method)
    letters = ["".join(filter(str.isalnum, each)) for each in (text, *(text[slice(*one.span)] for one in found))]
    assert letters[0] == "".join(letters[1:])
    assert letters[1:] == ["".join(filter(str.isalnum, one.text)) for one in found]
    assert all(first.span[1] <= second.span[0] for first, second in pairwise(found))


def test_spans_hold_what_says_how_a_word_is_read():
    text = "Ask [Ann|AE1 N] now. [pause 1s] Then \U000f0001ask [kubectl|kube control] again, please, all of you."
    first, second = read(text)
    assert text[slice(*first.span)] == "Ask [Ann|AE1 N] now."
    assert (first.text, second.text) == ("Ask Ann now.", "Then ask kube control again, please, all of you.")
    assert text[slice(*second.span)] == text[text.index("Then") :]
    assert [text[slice(*half.span)] for half in second.split()][1] == "please, all of you."


@every_case(
    ("lang", "text", "words"),
    [
        ("en", "Hi, I paid $3.", "Hi=HH AY1|I=AY1|paid=P EY1 D|three=TH R IY1|dollars=D AA1 L ER0 Z"),
        ("en", "Hi [Ann|AE1 N] two!", "Hi=HH AY1|Ann=AE1 N|two=T UW1"),
        ("zh", "我们去3个。", "我们=w o3 m en5|去=q v4|三个=s an1 g e5"),
        ("yue", "我哋。", "我=Yng Yo5|哋=Yd Yei6"),
        ("ja", "東京は雨。", "東京=t o [ o ky o o|は=w a UNK|雨=a ] m e"),
        ("ko", "같이 갈 사람.", "같이=ㄱ ㅏ ㅊ ㅣ|갈=ㄱ ㅏ ㄹ|사람=ㅆ ㅏ ㄹ ㅏ ㅁ"),
        ("auto", "你好world", "你好=n i2 h ao3|world=W ER1 L D"),
    ],
)
def test_words_and_their_phones(lang, text, words):
    (found,) = read(text, lang)
    got = "|".join(f"{word.text}={' '.join(found.phones[word.start : word.end])}" for word in found.words)
    assert got == words


@pytest.mark.parametrize("lang", TEXTS)
def test_every_phone_that_is_heard_is_of_a_word(lang):
    for each in read(TEXTS[lang], lang):
        covered = [number for word in each.words for number in range(word.start, word.end)]
        assert covered == sorted(set(covered))
        left = {each.phones[number] for number in range(len(each.phones)) if number not in covered}
        assert left <= {",", ".", "!", "?", "…", "-", "空"}


# how often a text is looked at


class Counted:
    """A front end that counts the characters that it is asked about."""

    def __init__(self, own, counts):
        self._own, self._counts = own, counts

    def readable(self, text):
        self._counts["readable"] += len(text)
        return self._own.readable(text)

    def ends_sentence(self, before, after):
        return self._own.ends_sentence(before, after)

    def normalise(self, text, *, compat):
        self._counts["normalised"] += len(text)
        return self._own.normalise(text, compat=compat)

    def phones(self, norm, table, *, compat):
        self._counts["to phones"] += len(norm)
        self._counts["norm"] += len(norm)
        return self._own.phones(norm, table, compat=compat)


@pytest.fixture
def counts(monkeypatch):
    """Characters segmented and read since the test began."""
    counts = Counter()
    real, runs = frontend.load_frontend, lexicon.language_runs

    def counted_runs(text, mode, **how):
        counts["segmented"] += len(text)
        return runs(text, mode, **how)

    for module in (frontend, reading, cuts):
        monkeypatch.setattr(module, "load_frontend", lambda lang: Counted(real(lang), counts))
    monkeypatch.setattr(lexicon, "language_runs", counted_runs)
    return counts


@pytest.mark.parametrize("lang", TEXTS)
def test_each_character_is_segmented_and_read_once(lang, counts):
    text = TEXTS[lang] * 5
    found = read(text, lang)
    assert counts["segmented"] <= len(text)
    assert counts["normalised"] <= len(text)
    assert counts["norm"] == sum(len(piece.norm) for each in found for piece in each.pieces)
    assert counts["readable"] <= 2.1 * len(text), "cheap: when a text is cut, and before a run of it is read"


def test_what_is_segmented_or_read_again(counts):
    words = lexicon.parse_lexicon("en|ship|SH IH1 P", "x")
    ship, other = "Look at the ship over there.", "Nothing to see in this one."
    read(f"{ship} {other}", options=ReadingOptions(SymbolTable.V2, lexicon=words))
    assert 2 * len(ship) + len(other) <= counts["segmented"] <= 2 * len(ship) + len(other) + 5, "with a word replaced"
    counts.clear()
    read("I.")
    assert counts["normalised"] == len("I.") + len(".I."), "a very short one"
    counts.clear()
    long = "seven hundred and seventy seven thousand " * 4
    list(read_sentences([Sentence(long * 2, 0.0)], "en", OPTIONS, reporter=None))
    assert counts["normalised"] <= 2 * len(long * 2), "one with too many phones"
