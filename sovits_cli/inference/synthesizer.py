"""Utterances in, speech out, in order: decoded side by side, checked, repaired where a check fails.

What an utterance sounds like depends on the seed and its position in the text, not on its neighbours or the batch
size. Keeps one window of utterances in memory. Knows no files and no pauses.

Legend: T samples, P phones, S semantic tokens.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from operator import attrgetter

import numpy as np
import torch

from sovits_cli.errors import SovitsError, contained
from sovits_cli.inference.checks import Candidate, Verdict, check_sound, check_tokens, failed
from sovits_cli.inference.networks import VoiceNetworks
from sovits_cli.inference.reference import Reference
from sovits_cli.inference.repairs import REPAIRS, Position, Rendition
from sovits_cli.inference.request import SynthesisOptions
from sovits_cli.models.t2s.decode import MAX_TOKENS, T2SRequest, T2SResult
from sovits_cli.terms import SEMANTIC_RATE_HZ
from sovits_cli.text.utterances import Utterance

WINDOW_BATCHES = 4
"""Batches of utterances looked at together."""

MIN_PHONES_PER_S = 3.0
BREATH_S = 2.0
"""An utterance of P phones ends within P / MIN_PHONES_PER_S + BREATH_S seconds, or something is wrong."""

FRAME_S = 0.01
QUIET_DB = -40.0
MIN_LEVEL = 1e-4
"""A frame this far below the loudest one, or below this level, is silence."""

BEFORE_S, AFTER_S = 0.02, 0.04
"""Silence kept around speech: soft beginnings and endings."""


@dataclass(frozen=True)
class SpokenUtterance:
    """An utterance, or a part of one that had to be split, and its sound.

    Args:
        utterance: what was to be spoken.
        samples: (T,) float32, without silence around it; empty if nothing is heard.
        rate: their sample rate.
        pause_s: silence to make after it, in seconds.
        verdict: what the checks say of it.
        tries: how often it was spoken.
        cause: the exception that nobody expected, where that is what is wrong.
    """

    utterance: Utterance
    samples: np.ndarray
    rate: int
    pause_s: float
    verdict: Verdict
    tries: int = 1
    cause: BaseException | None = None

    @property
    def text(self) -> str:
        """What is spoken, as it stands in the source."""
        return self.utterance.text

    @property
    def span(self) -> tuple[int, int]:
        """Where it stands in the source: its first character, and the one after its last."""
        return self.utterance.span

    @property
    def index(self) -> int:
        """Number of the utterance, from 0; parts of one that was split share it."""
        return self.utterance.index


#     utterances ──window of 4 batches──▶ candidates ──▶ checks ──passed──▶ sound, trimmed ──▶ in the order of the text
#                                             ▲             │ failed
#                                             └── repairs ◀─┘  reseed: the same again with other seeds, the best is kept
#                                                              split: its halves, each an utterance of its own
#
# Candidates are decoded side by side, here in three rows; one that becomes free takes the next of the window:
#
#     row 0  |-- utterance 0 --|------- 3 -------|-- 5 ...
#     row 1  |---- 1 ----|---- 4 ----|------ 6 ...             4 ends before 2 does, and waits: `_in_order`
#     row 2  |--------- 2 --------------|--- 7 ...
class Synthesizer:
    """The networks of a voice, a reference they heard, and how to speak."""

    def __init__(self, networks: VoiceNetworks, reference: Reference, options: SynthesisOptions) -> None:
        self._networks = networks
        self._reference = reference
        self._options = options
        self._checks = networks.bundle.version.checks
        self._repairs = [REPAIRS[name] for name in networks.bundle.version.repairs]
        self._asked: dict[Position, T2SRequest] = {}  # of this window

    def speak(self, utterances: Iterable[Utterance]) -> Iterator[SpokenUtterance]:
        """Speak utterances, in order; one that had to be split comes as its parts."""
        waiting = iter(utterances)
        while window := list(islice(waiting, WINDOW_BATCHES * self._options.batch_size)):
            for rendition in self._in_order(window):
                yield from map(self._spoken, rendition.candidates)
            self._asked.clear()

    def settled(self, utterances: Sequence[Utterance]) -> Iterator[Rendition]:
        """Speak utterances until each passes the checks or nothing more can be done; they come as they are done."""
        # `yield from` gives on what passed as it comes, and returns what did not, which the next repair takes up; what
        # is left after the last one is given as it is, with its verdict
        first = (Rendition(one.utterance, (one,)) for one in self.candidates(utterances, 0))
        unsettled = yield from self._passed(first)
        for repair in self._repairs:
            if not unsettled:
                return
            unsettled = yield from self._passed(repair(unsettled, self))
        yield from map(self._sounding, unsettled)

    def candidates(self, utterances: Sequence[Utterance], attempt: int) -> Iterator[Candidate]:
        """Speak utterances once and check them; they come as they end. Where that fails for all, each goes alone."""
        if not utterances:
            return
        seeds = [derived_seed(self._options.seed, one.position, attempt) for one in utterances]
        left = dict(enumerate(utterances))
        broken: list[SovitsError] = []
        # what one utterance is to blame for ends the batch, for all of its rows are one tensor: those that are left
        # are spoken alone, and the one that fails again is the one to blame
        with contained(broken.append):
            requests = [self._request(utterance, seed) for utterance, seed in zip(utterances, seeds, strict=True)]
            for index, result in self._decoded(utterances, requests):
                yield self._checked(left[index], result, requests[index])
                del left[index]
        if not broken:
            return
        for utterance in left.values():
            if len(utterances) > 1:
                yield from self.candidates([utterance], attempt)
            else:
                yield _broken_candidate(utterance, seeds[0], broken[0])

    def _in_order(self, window: list[Utterance]) -> Iterator[Rendition]:
        """Speak a window of utterances; each is given as soon as those before it are done."""
        done: dict[Position, Rendition] = {}
        due = 0
        for rendition in self.settled(window):
            done[rendition.position] = rendition
            while due < len(window) and window[due].position in done:
                yield done.pop(window[due].position)
                due += 1

    def _passed(self, renditions: Iterable[Rendition]) -> Generator[Rendition, None, list[Rendition]]:
        """Give those in which nothing is wrong, with their sound; return the others in the order of the text."""
        others = []
        for rendition in renditions:
            if rendition.passed:
                yield self._sounding(rendition)
            else:
                others.append(rendition)
        return sorted(others, key=attrgetter("position"))

    def _decoded(self, utterances: Sequence[Utterance], requests: list[T2SRequest]) -> Iterator[tuple[int, T2SResult]]:
        """The tokens of utterances, each with its index, as they end."""
        return self._networks.decoded(
            requests,
            self._options,
            max_tokens=max(map(max_tokens, utterances)),
            monotonic=self._networks.tracks_alignment and self._reference.prompt is None,
        )

    def _request(self, utterance: Utterance, seed: int) -> T2SRequest:
        """What the GPT is asked; text features are made once, however often an utterance is spoken."""
        if utterance.position not in self._asked:
            self._asked[utterance.position] = self._networks.request(utterance, self._reference.prompt, seed)
        return replace(self._asked[utterance.position], seed=seed)

    def _checked(self, utterance: Utterance, result: T2SResult, request: T2SRequest) -> Candidate:
        """Judge tokens, and their sound if they are good. Tokens past the utterance's own limit: it did not end."""
        tokens = result.tokens[: max_tokens(utterance)]
        candidate = Candidate(
            utterance,
            request.seed,
            tokens,
            has_ended=result.ended and len(tokens) == len(result.tokens),
            alignment_error=self._networks.alignment_error(request, tokens) if len(tokens) else 0.0,
            wave=None if len(tokens) else np.zeros(0, np.float32),
        )
        candidate = check_tokens(candidate, self._checks)
        return self._with_sound(candidate) if candidate.verdict.passed else candidate

    def _sounding(self, rendition: Rendition) -> Rendition:
        """The same with sound, and what the checks say of that, where it was not needed for choosing."""
        return replace(rendition, candidates=tuple(map(self._with_sound, rendition.candidates)))

    def _with_sound(self, candidate: Candidate) -> Candidate:
        """Make the sound of a candidate, and check it."""
        if candidate.wave is not None:
            return candidate
        wave = self._networks.wave(
            candidate.tokens, candidate.utterance, self._reference.style, self._options, seed=candidate.seed
        )
        audible_s = speech_seconds(wave, self._networks.rate) * self._options.speed
        return check_sound(replace(candidate, wave=wave, audible_s=audible_s), self._checks)

    def _spoken(self, candidate: Candidate) -> SpokenUtterance:
        assert candidate.wave is not None
        utterance, rate = candidate.utterance, self._networks.rate
        return SpokenUtterance(
            utterance,
            trim_silence(candidate.wave, rate),
            rate,
            pause_s=utterance.pause_s * (1.0 if utterance.is_exact else self._options.pause_factor),
            verdict=candidate.verdict,
            tries=candidate.tries,
            cause=candidate.cause,
        )


def _broken_candidate(utterance: Utterance, seed: int, error: SovitsError) -> Candidate:
    """An attempt that came to nothing."""
    verdict = failed(f"it could not be spoken: {error.message}", math.inf)
    return Candidate(
        utterance,
        seed,
        torch.zeros(0, dtype=torch.long),
        wave=np.zeros(0, np.float32),
        findings={"broken": verdict},
        cause=error.__cause__,
    )


# One seed of the user's gives one to every attempt, from which the decoder and the acoustic model draw all noise:
#
#     seed 7, utterance 12, second half of its first half, third attempt:  blake2b("7/12.0.1/2"), 8 bytes, halved
#
# It does not depend on how many utterances there are, on their order, or on how often others were repeated; so a
# sentence sounds the same whatever the batch size, and when a text before it changes only in its words. It is halved
# because torch takes seeds as signed 64-bit numbers.
def derived_seed(seed: int, position: Position, attempt: int) -> int:
    """The seed of one attempt at an utterance, or at a part of one, below 2^63."""
    digest = hashlib.blake2b(f"{seed}/{'.'.join(map(str, position))}/{attempt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def max_tokens(utterance: Utterance) -> int:
    """The most tokens that an utterance may take."""
    slowest_s = len(utterance.phones) / MIN_PHONES_PER_S + BREATH_S
    return min(MAX_TOKENS, math.ceil(slowest_s * SEMANTIC_RATE_HZ))


def trim_silence(wave: np.ndarray, rate: int) -> np.ndarray:
    """Cut the silence off both ends of (T,), so that pauses are what the joining makes them; empty if all is silent."""
    frame = round(FRAME_S * rate)
    loud = np.flatnonzero(_is_loud(wave, frame))
    if not len(loud):
        return wave[:0]
    first = int(loud[0]) * frame - round(BEFORE_S * rate)
    last = (int(loud[-1]) + 1) * frame + round(AFTER_S * rate)
    return wave[max(0, first) : last]


def speech_seconds(wave: np.ndarray, rate: int) -> float:
    """Seconds of (T,) that are not silence."""
    return float(_is_loud(wave, round(FRAME_S * rate)).sum()) * FRAME_S


def _is_loud(wave: np.ndarray, frame: int) -> np.ndarray:
    """Whether each frame is heard, (T // frame,) bool."""
    rows = wave[: len(wave) // frame * frame].reshape(-1, frame)
    levels = np.sqrt(np.mean(np.square(rows, dtype=np.float64), axis=1))
    found: np.ndarray = levels > max(MIN_LEVEL, float(levels.max(initial=0.0)) * 10 ** (QUIET_DB / 20))
    return found
