from dataclasses import replace

import numpy as np
import pytest
import torch

from sovits_cli.inference import checks, repairs, synthesizer
from sovits_cli.inference.acoustic import SpeakerStyle
from sovits_cli.inference.reference import Prompt, Reference
from sovits_cli.inference.request import SynthesisOptions
from sovits_cli.inference.synthesizer import (
    Synthesizer,
    derived_seed,
    max_tokens,
    speech_seconds,
    trim_silence,
)
from sovits_cli.models.t2s.decode import T2SRequest, T2SResult
from sovits_cli.text.reading import Piece
from sovits_cli.text.utterances import Utterance
from tests.differences import every_case
from tests.inference import toys

RATE = 16_000
SAMPLES_PER_TOKEN = RATE // 25
OFF_TEXT = 70
"""Tokens of an utterance that the networks say has left its text."""


class FakeNetworks:
    """Sounds that tell what was asked for: a tone as long as the tokens, silence where they are zeros.

    Answers come by seed, else a good one; `order` is that in which they end.
    """

    rate = RATE
    tracks_alignment = False

    class bundle:
        version = toys.ROW

    def __init__(self, answers=(), order=lambda indices: indices):
        self.answers, self.order = dict(answers), order
        self.rendered, self.calls, self.monotonic, self.read = [], [], [], []

    def request(self, utterance, prompt, seed):
        self.read.append(utterance.position)
        return T2SRequest(torch.arange(len(utterance.phones)), None, torch.zeros(0), seed)

    def decoded(self, requests, options, *, max_tokens, monotonic):
        self.calls.append([request.seed for request in requests])
        self.monotonic.append(monotonic)
        for index in self.order(list(range(len(requests)))):
            answer = self.answers.get(requests[index].seed, good())
            if isinstance(answer, BaseException):
                raise answer
            yield index, answer

    def alignment_error(self, request, tokens):
        return 0.3 if len(tokens) == OFF_TEXT else 0.0

    def wave(self, tokens, utterance, style, options, *, seed):
        self.rendered.append((len(tokens), seed, options.speed))
        loudness = tokens.repeat_interleave(round(SAMPLES_PER_TOKEN / options.speed)).numpy()
        return (0.3 * loudness * np.sin(np.arange(len(loudness)))).astype(np.float32)


def line(index, phones=25, part=(), parts=lambda position: []):
    """An utterance whose parts have the numbers that `parts` gives for its position."""
    position = (index, *part)
    text = f"Line {'.'.join(map(str, position))}."
    pieces = (Piece("en", text, text, ("AA0",) * phones, None),)
    split = lambda: [line(index, phones, (*part, number), parts) for number in parts(position)]  # noqa: E731
    return Utterance(index, text, (0, len(text)), "en", pieces, 0.3, part=part, _split=split)


def good(tokens=50):
    return T2SResult(torch.ones(tokens, dtype=torch.long), ended=True)


def speaker(networks=None, *, batch_size=4, speed=1.0, prompt=None):
    options = SynthesisOptions(7, speed=speed, batch_size=batch_size)
    reference = Reference("fake", "", SpeakerStyle(torch.zeros(1)), prompt)
    return Synthesizer(networks or FakeNetworks(), reference, options)


def spoken(lines, networks=None, **how):
    return list(speaker(networks, **how).speak(lines))


def seed(index, attempt=0, part=()):
    return derived_seed(7, (index, *part), attempt)


def seeds(index, part=()):
    """Those of all attempts."""
    return [seed(index, attempt, part) for attempt in range(repairs.MAX_ATTEMPTS)]


def halved(below):
    """Parts of an utterance in halves, down to positions of this length."""
    return lambda position: [0, 1] if len(position) < below else []


def test_utterances_come_in_order_whatever_ends_first():
    found = spoken(map(line, range(11)), FakeNetworks(order=lambda indices: indices[::-1]))
    assert [one.index for one in found] == list(range(11))
    assert {(one.tries, one.verdict) for one in found} == {(1, checks.PASSED)}


def test_an_utterance_is_given_as_soon_as_those_before_it_are_done():
    ended = []

    def order(indices):
        for index in (0, 2, 1):
            ended.append(index)
            yield index

    progress = [(one.index, list(ended)) for one in speaker(FakeNetworks(order=order)).speak(map(line, range(3)))]
    assert progress == [(0, [0]), (1, [0, 2, 1]), (2, [0, 2, 1])]


def test_only_one_window_is_read_ahead():
    taken = []

    def script():
        for index in range(100):
            taken.append(index)
            yield line(index)

    next(iter(speaker(batch_size=2).speak(script())))
    assert len(taken) == 2 * synthesizer.WINDOW_BATCHES


@every_case(
    ("bad", "reason"),
    [
        (T2SResult(torch.ones(40, dtype=torch.long), ended=False), "it did not end within 2 s"),
        (good(400), "it did not end within 10 s"),
        (good(12), "only 0.5 s are heard of about 1.7 s"),
        (T2SResult(torch.zeros(60, dtype=torch.long), ended=True), "only 0.0 s are heard of about 1.7 s"),
        (T2SResult(torch.zeros(0, dtype=torch.long), ended=True), "nothing was said"),
        (good(OFF_TEXT), "words may be missing or said twice"),
    ],
)
def test_a_bad_candidate_is_spoken_again_with_another_seed(bad, reason):
    networks = FakeNetworks({seed(1): bad})
    found = spoken(map(line, range(3)), networks)
    assert [(one.index, one.tries, one.verdict.reason) for one in found] == [(0, 1, ""), (1, 2, ""), (2, 1, "")]
    assert networks.calls == [[seed(0), seed(1), seed(2)], [seed(1, 1)]]
    assert networks.read == [(0,), (1,), (2,)], "once, however often it is spoken"
    failing = spoken(map(line, range(3)), FakeNetworks(dict.fromkeys(seeds(1), bad)))[1]
    assert (failing.tries, failing.verdict.reason) == (3, reason)


def test_a_candidate_that_left_its_text_is_judged_by_its_length_too():
    """Of two sentences only one was said: words are missing, and too little is heard."""
    networks = FakeNetworks(dict.fromkeys(seeds(0), good(12)))
    networks.alignment_error = lambda request, tokens: 0.3
    (found,) = spoken([line(0)], networks)
    assert found.verdict.reason == "words may be missing or said twice; only 0.5 s are heard of about 1.7 s"
    networks.answers[seed(0, 1)] = good(30)
    (found,) = spoken([line(0)], networks)
    assert found.verdict.reason == "words may be missing or said twice"
    assert len(found.samples) == 30 * SAMPLES_PER_TOKEN
    networks.wave = lambda tokens, *_, **__: np.zeros(len(tokens) * SAMPLES_PER_TOKEN, np.float32)
    (found,) = spoken([line(0)], networks)
    assert found.verdict.reason == "words may be missing or said twice; only 0.0 s are heard of about 1.7 s"


def test_an_utterance_that_fails_is_split_and_its_parts_are_spoken():
    networks = FakeNetworks(dict.fromkeys(seeds(1), good(OFF_TEXT)))
    found = spoken([line(index, parts=halved(3)) for index in range(3)], networks)
    assert [(one.utterance.position, one.tries, one.verdict.reason) for one in found] == [
        ((0,), 1, ""), ((1, 0), 4, ""), ((1, 1), 1, ""), ((2,), 1, ""),
    ]  # fmt: skip
    assert networks.calls[-1] == [seed(1, part=(0,)), seed(1, part=(1,))]

    networks.answers |= dict.fromkeys(seeds(1, (1,)), good(OFF_TEXT))
    found = spoken([line(1, parts=halved(3))], networks)
    assert [one.utterance.position for one in found] == [(1, 0), (1, 1, 0), (1, 1, 1)]
    assert all(one.verdict.passed for one in found)


def test_the_whole_is_kept_where_its_parts_are_no_better():
    networks = FakeNetworks(dict.fromkeys([*seeds(1), *seeds(1, (1,))], good(OFF_TEXT)))
    (found,) = spoken([line(1, parts=halved(2))], networks)
    assert (found.utterance.position, found.tries) == ((1,), 3)
    assert found.verdict.reason == "words may be missing or said twice"


def test_an_utterance_that_raises_is_doubted_and_the_others_are_spoken():
    found = spoken(map(line, range(4)), FakeNetworks(dict.fromkeys(seeds(1), RuntimeError("odd shapes"))))
    assert [one.index for one in found if one.verdict.passed] == [0, 2, 3]
    assert found[1].verdict.reason == "it could not be spoken: internal error: RuntimeError: odd shapes"
    assert (len(found[1].samples), str(found[1].cause)) == (0, "odd shapes")


def test_what_strikes_every_utterance_stops_them():
    with pytest.raises(MemoryError):
        spoken([line(0)], FakeNetworks({seed(0): MemoryError()}))


def test_the_best_of_bad_candidates_is_kept():
    for better in (T2SResult(torch.ones(60, dtype=torch.long), ended=False), good(OFF_TEXT)):
        networks = FakeNetworks({seed(0): good(12), seed(0, 1): better, seed(0, 2): good(11)})
        (found,) = spoken([line(0)], networks)
        assert len(found.samples) == len(better.tokens) * SAMPLES_PER_TOKEN
        assert found.tries == 3


def test_only_what_is_judged_by_its_sound_or_kept_is_rendered():
    networks = FakeNetworks({seed(0): good(OFF_TEXT), seed(0, 1): good(OFF_TEXT)})
    spoken([line(0)], networks)
    assert [tokens for tokens, _, _ in networks.rendered] == [50]


def test_a_network_that_tracks_alignment_is_kept_monotonic_unless_it_continues_a_prompt():
    prompt = Prompt(torch.tensor([700]), None, torch.tensor([5]))
    monotonic = []
    for tracks, before in ((True, None), (True, prompt), (False, None)):
        networks = FakeNetworks()
        networks.tracks_alignment = tracks
        spoken([line(0)], networks, prompt=before)
        monotonic += networks.monotonic
    assert monotonic == [True, False, False]


def test_a_good_last_candidate_wins():
    (found,) = spoken([line(0)], FakeNetworks({seed(0): good(12), seed(0, 1): good(12)}))
    assert (found.tries, found.verdict, len(found.samples)) == (3, checks.PASSED, 50 * SAMPLES_PER_TOKEN)


def test_speed_is_no_reason_for_doubt():
    networks = FakeNetworks({seed(0): good(25)})
    (found,) = spoken([line(0)], networks, speed=2.0)
    assert (found.tries, found.verdict) == (1, checks.PASSED)
    assert networks.rendered == [(25, seed(0), 2.0)]


def test_tokens_over_the_limit_are_dropped():
    networks = FakeNetworks(dict.fromkeys(seeds(0), good(900)))
    spoken([line(0)], networks)
    assert {tokens for tokens, _, _ in networks.rendered} == {max_tokens(line(0))}
    assert len(networks.calls) == 3


def test_pauses_are_scaled_unless_the_text_asks_for_them():
    options = SynthesisOptions(7, pause_factor=2.0)
    reference = Reference("fake", "", SpeakerStyle(torch.zeros(1)))
    lines = [line(0), replace(line(1), is_exact=True)]
    found = Synthesizer(FakeNetworks(), reference, options).speak(lines)
    assert [one.pause_s for one in found] == [0.6, 0.3]


def test_seeds_differ_and_stay():
    positions = [(index, *part) for index in range(50) for part in ((), (0,), (1,), (1, 0))]
    found = {derived_seed(seed, position, attempt) for seed in (0, 1) for position in positions for attempt in range(3)}
    assert len(found) == 1200
    assert all(0 <= one < 2**63 for one in found)
    assert derived_seed(1, (2,), 0) == 3277339946959602301


def test_a_long_utterance_may_take_longer_up_to_the_models_limit():
    assert max_tokens(line(0, phones=30)) == 300
    assert max_tokens(line(0, phones=10_000)) == synthesizer.MAX_TOKENS


def sound(*parts):
    """Positive numbers are seconds of a tone, negative ones of silence."""
    return np.concatenate(
        [
            0.3 * np.sin(np.arange(round(part * RATE)) * 0.2) if part > 0 else np.zeros(round(-part * RATE))
            for part in parts
        ]
    ).astype(np.float32)


def test_silence_is_cut_off_both_ends_and_a_little_kept():
    for level in (1.0, 1e-2):
        cut = trim_silence(level * sound(-0.5, 1.0, -0.4, 1.0, -0.7), RATE)
        assert len(cut) / RATE == pytest.approx(2.4 + 0.06, abs=0.011)
        assert np.abs(cut[: round(0.015 * RATE)]).max() == 0
    assert np.array_equal(trim_silence(sound(1.0), RATE), sound(1.0))
    for silent in (np.zeros(8000, np.float32), np.full(8000, 1e-5, np.float32), np.zeros(0, np.float32)):
        assert len(trim_silence(silent, RATE)) == speech_seconds(silent, RATE) == 0


def test_a_faint_hum_is_no_speech():
    hum = sound(-0.5, 1.0, -0.5) + 1e-3 * sound(2.0)
    assert len(trim_silence(hum, RATE)) / RATE == pytest.approx(1.06, abs=0.011)
    assert speech_seconds(sound(-0.5, 1.0, -0.4, 0.5), RATE) == pytest.approx(1.5, abs=0.03)
