import numpy as np
import pytest
import torch

from sovits_cli.errors import ModelError
from sovits_cli.inference import synthesizer
from sovits_cli.inference.acoustic import SpeakerStyle
from sovits_cli.inference.script import Utterance, utterances
from sovits_cli.inference.synthesizer import SynthesisOptions, Synthesizer, derived_seed, max_tokens_of
from sovits_cli.inference.voice import NO_PROMPT, EncodedText, Prompt, Voice
from sovits_cli.models.t2s.decode import Sampling, T2SResult
from sovits_cli.text.split import split_sentences
from tests.inference import toys

RATE = 16_000
SAMPLES_PER_TOKEN = RATE // 25
OFF_TEXT = 70
"""Tokens of a line that the voice says has left its text."""


class FakeVoice:
    """Sounds that tell what was asked for: a tone as long as the tokens, silence where they are zeros."""

    rate = RATE
    gpt = None
    tracks_alignment = False

    class bundle:
        gpt, sovits = "g.ckpt", "s.pth"

    def __init__(self):
        self.asked = []

    def alignment_error(self, request, tokens):
        return 0.3 if len(tokens) == OFF_TEXT else 0.0

    def wave(self, tokens, phones, style, *, speed, seed):
        self.asked.append((len(tokens), seed, speed))
        loudness = tokens.repeat_interleave(round(SAMPLES_PER_TOKEN / speed)).numpy()
        return (0.3 * loudness * np.sin(np.arange(len(loudness)))).astype(np.float32)


def line(index, phones=25, part=(), parts=lambda place: []):
    """A line whose parts have the numbers that `parts` gives for its place."""
    place = (index, *part)
    return Utterance(
        index,
        f"Utterance {'.'.join(map(str, place))}.",
        EncodedText(torch.arange(phones), None, phones),
        0.3,
        part=part,
        cut=lambda: [line(index, phones, (*part, number), parts) for number in parts(place)],
    )


def good(tokens=50):
    return T2SResult(torch.ones(tokens, dtype=torch.long), ended=True)


def stub(monkeypatch, answers, order=lambda indices: indices):
    """Let decode_each answer from `answers`: seed -> result, else a good one; it keeps what it was asked."""
    calls = []

    def decode_each(model, requests, sampling, *, max_tokens, max_rows, monotonic):
        calls.append([request.seed for request in requests])
        for index in order(list(range(len(requests)))):
            yield index, answers.get(requests[index].seed, good())

    monkeypatch.setattr(synthesizer, "decode_each", decode_each)
    return calls


def speaker(voice=None, *, batch_size=4, speed=1.0, prompt=NO_PROMPT):
    return Synthesizer(
        voice or FakeVoice(), SpeakerStyle(torch.zeros(1)), prompt, SynthesisOptions(Sampling(), 7, speed, batch_size)
    )


def seed(index, attempt=0, part=()):
    return derived_seed(7, index, attempt, part)


def seeds(index, part=()):
    """Those of all tries."""
    return [seed(index, attempt, part) for attempt in range(synthesizer.MAX_ATTEMPTS)]


def test_lines_come_in_order_whatever_ends_first(monkeypatch):
    stub(monkeypatch, {}, order=lambda indices: indices[::-1])
    said = list(speaker().speak(line(index) for index in range(11)))
    assert [one.utterance.index for one in said] == list(range(11))
    assert {(one.tries, one.problem) for one in said} == {(1, "")}


def test_a_line_is_given_as_soon_as_those_before_it_are_done(monkeypatch):
    ended = []

    def decode_each(model, requests, sampling, **rest):
        for index in (0, 2, 1):
            ended.append(index)
            yield index, good()

    monkeypatch.setattr(synthesizer, "decode_each", decode_each)
    progress = [(said.utterance.index, list(ended)) for said in speaker().speak(map(line, range(3)))]
    assert progress == [(0, [0]), (1, [0, 2, 1]), (2, [0, 2, 1])]


def test_only_one_window_is_read_ahead(monkeypatch):
    stub(monkeypatch, {})
    taken = []

    def script():
        for index in range(100):
            taken.append(index)
            yield line(index)

    next(iter(speaker(batch_size=2).speak(script())))
    assert len(taken) == 2 * synthesizer.WINDOW_BATCHES


@pytest.mark.parametrize(
    ("bad", "doubt"),
    [
        (T2SResult(torch.ones(40, dtype=torch.long), ended=False), "it did not end within 2 s"),
        (good(400), "it did not end within 10 s"),
        (good(12), "only 0.5 s are heard of about 1.7 s"),
        (T2SResult(torch.zeros(60, dtype=torch.long), ended=True), "only 0.0 s are heard of about 1.7 s"),
        (T2SResult(torch.zeros(0, dtype=torch.long), ended=True), "nothing was said"),
        (good(OFF_TEXT), "words may be missing or said twice"),
    ],
    ids=["cut off", "over its own limit", "too short", "silent", "empty", "adrift"],
)
def test_a_bad_try_is_said_again_with_another_seed(monkeypatch, bad, doubt):
    calls = stub(monkeypatch, {seed(1): bad})
    said = list(speaker().speak(map(line, range(3))))
    assert [(one.utterance.index, one.tries, one.problem) for one in said] == [(0, 1, ""), (1, 2, ""), (2, 1, "")]
    assert calls == [[seed(0), seed(1), seed(2)], [seed(1, 1)]]
    stub(monkeypatch, {seed(1, attempt): bad for attempt in range(3)})
    told = list(speaker().speak(map(line, range(3))))[1]
    assert (told.tries, told.problem) == (3, doubt)


def test_a_try_that_left_its_text_is_judged_by_its_length_too(monkeypatch):
    """Of two sentences only one was said: words are missing, and too little is heard."""
    voice = FakeVoice()
    voice.alignment_error = lambda request, tokens: 0.3
    stub(monkeypatch, {one: good(12) for one in seeds(0)})
    (said,) = speaker(voice).speak([line(0)])
    assert said.problem == "words may be missing or said twice; only 0.5 s are heard of about 1.7 s"
    stub(monkeypatch, {seed(0): good(12), seed(0, 1): good(30), seed(0, 2): good(12)})
    (said,) = speaker(voice).speak([line(0)])
    assert (said.problem, len(said.wave)) == ("words may be missing or said twice", 30 * SAMPLES_PER_TOKEN)
    voice.wave = lambda tokens, phones, style, **rest: np.zeros(len(tokens) * SAMPLES_PER_TOKEN, np.float32)
    (said,) = speaker(voice).speak([line(0)])
    assert said.problem == "words may be missing or said twice; only 0.0 s are heard of about 1.7 s"


def test_a_line_that_fails_is_cut_and_its_parts_are_said(monkeypatch):
    bad = dict.fromkeys(seeds(1), good(OFF_TEXT))
    calls = stub(monkeypatch, bad)
    halves = lambda place: [0, 1] if len(place) < 3 else []  # noqa: E731
    said = list(speaker().speak(line(index, parts=halves) for index in range(3)))
    assert [(one.utterance.position, one.tries, one.problem) for one in said] == [
        ((0,), 1, ""), ((1, 0), 4, ""), ((1, 1), 1, ""), ((2,), 1, ""),
    ]  # fmt: skip
    assert calls[-1] == [seed(1, part=(0,)), seed(1, part=(1,))]

    stub(monkeypatch, bad | dict.fromkeys(seeds(1, (1,)), good(OFF_TEXT)))
    said = list(speaker().speak([line(1, parts=halves)]))
    assert [one.utterance.position for one in said] == [(1, 0), (1, 1, 0), (1, 1, 1)]
    assert not any(one.problem for one in said)


def test_the_whole_is_kept_where_its_parts_are_no_better(monkeypatch):
    stub(monkeypatch, dict.fromkeys([*seeds(1), *seeds(1, (1,))], good(OFF_TEXT)))
    halves = lambda place: [0, 1] if len(place) == 1 else []  # noqa: E731
    (said,) = speaker().speak([line(1, parts=halves)])
    assert (said.utterance.position, said.tries, said.problem) == ((1,), 3, "words may be missing or said twice")


def test_a_line_that_raises_is_doubted_and_the_others_are_said(monkeypatch):
    def decode_each(model, requests, sampling, **rest):
        for index, request in enumerate(requests):
            if request.seed in seeds(1):
                raise RuntimeError("odd shapes")
            yield index, good()

    monkeypatch.setattr(synthesizer, "decode_each", decode_each)
    said = list(speaker().speak(map(line, range(4))))
    assert [one.utterance.index for one in said if not one.problem] == [0, 2, 3]
    assert said[1].problem == ("it could not be spoken: internal error: RuntimeError: odd shapes")
    assert (len(said[1].wave), str(said[1].cause)) == (0, "odd shapes")


def test_what_strikes_every_line_stops_them(monkeypatch):
    def decode_each(model, requests, sampling, **rest):
        raise MemoryError
        yield

    monkeypatch.setattr(synthesizer, "decode_each", decode_each)
    with pytest.raises(MemoryError):
        list(speaker().speak([line(0)]))


def test_the_best_of_bad_tries_is_kept(monkeypatch):
    cut = T2SResult(torch.ones(60, dtype=torch.long), ended=False)
    for better in (cut, good(OFF_TEXT)):
        stub(monkeypatch, {seed(0): good(12), seed(0, 1): better, seed(0, 2): good(11)})
        (said,) = speaker().speak([line(0)])
        assert len(said.wave) == len(better.tokens) * SAMPLES_PER_TOKEN
        assert said.tries == 3


def test_only_what_is_judged_by_its_sound_or_kept_is_rendered(monkeypatch):
    stub(monkeypatch, {seed(0): good(OFF_TEXT), seed(0, 1): good(OFF_TEXT)})
    voice = FakeVoice()
    list(speaker(voice).speak([line(0)]))
    assert [tokens for tokens, _, _ in voice.asked] == [50]


def test_a_voice_that_knows_its_place_is_guided_unless_it_goes_on_from_a_prompt(monkeypatch):
    asked = []

    def decode_each(model, requests, sampling, *, monotonic, **rest):
        asked.append(monotonic)
        yield 0, good()

    monkeypatch.setattr(synthesizer, "decode_each", decode_each)
    prompt = Prompt(torch.tensor([700]), None, torch.tensor([5]))
    for knows, before in ((True, NO_PROMPT), (True, prompt), (False, NO_PROMPT)):
        voice = FakeVoice()
        voice.tracks_alignment = knows
        list(speaker(voice, prompt=before).speak([line(0)]))
    assert asked == [True, False, False]


def test_a_good_last_try_wins(monkeypatch):
    stub(monkeypatch, {seed(0): good(12), seed(0, 1): good(12)})
    (said,) = speaker().speak([line(0)])
    assert (said.tries, said.problem, len(said.wave)) == (3, "", 50 * SAMPLES_PER_TOKEN)


def test_speed_is_no_reason_for_doubt(monkeypatch):
    stub(monkeypatch, {seed(0): good(25)})
    voice = FakeVoice()
    (said,) = speaker(voice, speed=2.0).speak([line(0)])
    assert (said.tries, said.problem) == (1, "")
    assert voice.asked == [(25, seed(0), 2.0)]


def test_tokens_over_the_limit_are_dropped(monkeypatch):
    calls = stub(monkeypatch, {seed(0, attempt): good(900) for attempt in range(3)})
    voice = FakeVoice()
    list(speaker(voice).speak([line(0)]))
    assert {tokens for tokens, _, _ in voice.asked} == {max_tokens_of(line(0))}
    assert len(calls) == 3


def test_no_numbers_are_an_error_of_the_model(monkeypatch):
    stub(monkeypatch, {})
    voice = FakeVoice()
    voice.wave = lambda *args, **rest: np.full(100, np.nan, np.float32)
    with pytest.raises(ModelError, match=r"s.pth gives samples that are NaN or infinite"):
        list(speaker(voice).speak([line(0)]))


def test_logits_that_are_no_numbers_are_an_error_of_the_gpt(monkeypatch):
    def decode_each(model, requests, sampling, **rest):
        raise FloatingPointError("NaN")
        yield

    monkeypatch.setattr(synthesizer, "decode_each", decode_each)
    with pytest.raises(ModelError, match=r"g.ckpt gives logits that are NaN or infinite") as error:
        list(speaker().speak([line(0)]))
    assert error.value.hint == "sovits models verify g.ckpt"


def test_the_prompt_goes_before_each_line(monkeypatch):
    seen = []

    def decode_each(model, requests, sampling, **rest):
        seen.extend(requests)
        yield 0, good()

    monkeypatch.setattr(synthesizer, "decode_each", decode_each)
    prompt = Prompt(torch.tensor([700, 701]), torch.ones(3, 2), torch.tensor([5, 6, 7]))
    list(speaker(prompt=prompt).speak([line(0, phones=25)]))
    assert seen[0].phones.tolist() == [700, 701, *range(25)]
    assert seen[0].prompt.tolist() == [5, 6, 7]
    assert seen[0].bert.sum(0).tolist() == [3.0, 3.0] + [0.0] * 25


def test_seeds_differ_and_stay():
    places = [(index, part) for index in range(50) for part in ((), (0,), (1,), (1, 0))]
    found = {
        derived_seed(seed, *place[:1], attempt, *place[1:])
        for seed in (0, 1)
        for place in places
        for attempt in range(3)
    }
    assert len(found) == 1200
    assert all(0 <= one < 2**63 for one in found)
    assert derived_seed(1, 2, 0) == 3277339946959602301


def test_a_long_line_may_take_longer_up_to_the_models_limit():
    assert max_tokens_of(line(0, phones=30)) == 300
    assert max_tokens_of(line(0, phones=10_000)) == synthesizer.MAX_TOKENS


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOVITS_HOME", str(tmp_path_factory.mktemp("home")))
        return Voice(toys.install(tokens=45), "cpu")


TEXT = " ".join(f"This is sentence number {index}, {'and it is longer ' * (index % 3)}." for index in range(5))


def waves(voice, heard, batch_size, text=TEXT):
    width = toys.TOY_SOVITS.gin_channels
    timbre = SpeakerStyle(torch.randn(1, width, 1, generator=torch.Generator().manual_seed(0)))
    usual = toys.ROW.sampling
    sampling = Sampling(usual.top_k, 1.0, usual.temperature, usual.repetition_penalty)
    talk = Synthesizer(voice, timbre, NO_PROMPT, SynthesisOptions(sampling, 3, batch_size=batch_size))
    return list(talk.speak(utterances(split_sentences(text, "en"), "en", voice.spoken, heard)))


def test_the_batch_size_changes_nothing(toy, heard):
    first, *others = (waves(toy, heard, batch_size) for batch_size in (1, 3, 8))
    assert sum(said.tries for said in first) > len(first), "the toy should need some second tries"
    for other in others:
        assert [said.tries for said in other] == [said.tries for said in first]
        assert all(np.array_equal(a.wave, b.wave) for a, b in zip(first, other, strict=True))


def test_the_batch_size_changes_nothing_where_lines_are_cut(toy, heard, monkeypatch):
    monkeypatch.setattr(synthesizer, "MAX_PHONES_PER_S", 13.0)
    first, *others = (waves(toy, heard, batch_size) for batch_size in (1, 3, 8))
    assert any(said.utterance.part for said in first), "the toy should need some cuts"
    for other in others:
        assert [(said.utterance.position, said.tries) for said in other] == [
            (said.utterance.position, said.tries) for said in first
        ]
        assert all(np.array_equal(a.wave, b.wave) for a, b in zip(first, other, strict=True))
