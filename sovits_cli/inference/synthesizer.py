"""Utterances in, waves out, in order: decoded side by side, checked, and repaired where a check fails.

What an utterance sounds like depends on the seed and its position in the text, not on the batch size. Keeps one
window of utterances in memory. Knows no files and no pauses.

Legend: T samples, P phones, S semantic tokens.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sovits_cli.errors import ModelError, SovitsError, contained
from sovits_cli.inference.acoustic import SpeakerStyle
from sovits_cli.inference.script import Utterance
from sovits_cli.inference.silence import loud_s, trimmed
from sovits_cli.inference.voice import Prompt, Voice
from sovits_cli.models.t2s.decode import MAX_TOKENS, Sampling, T2SRequest, T2SResult, decode_each
from sovits_cli.terms import SEMANTIC_RATE_HZ

MAX_ATTEMPTS = 3
"""How often an utterance, or a part of one that was cut, is spoken until it passes the checks."""

WINDOW_BATCHES = 4
"""Batches of utterances looked at together: a row that becomes free takes the next utterance of the window."""

MAX_PHONES_PER_S = 30.0
MIN_PHONES_PER_S = 3.0
BREATH_S = 2.0
"""An utterance of P phones lasts between P / fastest and P / slowest + breath seconds, or something is wrong."""


MAX_ALIGNMENT_ERROR = 0.15
"""Above it speech has left its text: recordings stay below in 99 of 100 utterances, repeated words cost more."""


@dataclass(frozen=True)
class SynthesisOptions:
    """How utterances are spoken.

    Args:
        sampling: how tokens are drawn.
        seed: decides every draw.
        speed: above 1 is faster.
        batch_size: utterances decoded side by side.
    """

    sampling: Sampling
    seed: int
    speed: float = 1.0
    batch_size: int = 8


@dataclass(frozen=True)
class SpokenUtterance:
    """An utterance, or a part of one that had to be cut, and its sound.

    Args:
        utterance: what was to be spoken.
        wave: (T,) float32, without silence around it.
        tries: how often it was spoken.
        problem: what is wrong with the best of them; empty if nothing is.
        penalty: how wrong it is; 0: not at all.
        cause: the exception that nobody expected, where that is what is wrong.
    """

    utterance: Utterance
    wave: np.ndarray
    tries: int
    problem: str
    penalty: float = 0.0
    cause: BaseException | None = None


@dataclass(frozen=True)
class Candidate:
    """One attempt at an utterance: its tokens (S,), its sound where that was needed, and what is wrong with it."""

    tokens: Tensor
    seed: int
    wave: np.ndarray | None = None
    problems: tuple[str, ...] = ()
    penalty: float = 0.0
    is_short: bool = False
    cause: BaseException | None = None

    def with_problem(self, problem: str, penalty: float) -> Candidate:
        """The same with one more thing wrong with it."""
        return replace(self, problems=(*self.problems, problem), penalty=self.penalty + penalty)


class Synthesizer:
    """A voice, what it continues and how it sounds; speaks utterances.

    An utterance that fails a check is spoken again with other seeds; then it is cut at its marks, and its parts are
    spoken.
    """

    def __init__(self, voice: Voice, style: SpeakerStyle, prompt: Prompt, options: SynthesisOptions) -> None:
        self._voice = voice
        self._style = style
        self._prompt = prompt
        self._options = options

    def speak(self, utterances: Iterable[Utterance]) -> Iterator[SpokenUtterance]:
        """Speak utterances, in order; one that had to be cut comes as its parts."""
        waiting = iter(utterances)
        while window := list(islice(waiting, WINDOW_BATCHES * self._options.batch_size)):
            yield from self._in_order(window)

    def _in_order(self, window: list[Utterance]) -> Iterator[SpokenUtterance]:
        """Speak utterances side by side; each is given as soon as those before it are done."""
        spoken: dict[tuple[int, ...], list[SpokenUtterance]] = {}
        due = 0
        for utterance, parts in self._settle(window):
            spoken[utterance.position] = parts
            while due < len(window) and window[due].position in spoken:
                yield from spoken.pop(window[due].position)
                due += 1

    def _settle(self, utterances: list[Utterance]) -> Iterator[tuple[Utterance, list[SpokenUtterance]]]:
        """Speak utterances until each passes the checks or nothing more can be done; they come as they are done."""
        best: dict[tuple[int, ...], Candidate] = {}
        todo = utterances
        for attempt in range(MAX_ATTEMPTS):
            if not todo:
                return
            failed: list[Utterance] = []
            for utterance, candidate in self._candidates(todo, attempt):
                best[utterance.position] = min(
                    best.get(utterance.position, candidate), candidate, key=lambda one: one.penalty
                )
                if best[utterance.position].problems:
                    failed.append(utterance)
                else:
                    yield utterance, [self._spoken(utterance, best.pop(utterance.position), attempt + 1)]
            todo = sorted(failed, key=lambda utterance: utterance.position)
        yield from self._cut(todo, best)

    def _cut(
        self, utterances: list[Utterance], best: dict[tuple[int, ...], Candidate]
    ) -> Iterator[tuple[Utterance, list[SpokenUtterance]]]:
        """Speak the parts of utterances that failed as a whole, and keep what is less wrong: parts or whole."""
        parts = {utterance.position: utterance.cut() for utterance in utterances}
        every = [part for utterance in utterances for part in parts[utterance.position]]
        spoken = {part.position: ended for part, ended in self._settle(every)}
        for utterance in utterances:
            whole = best.pop(utterance.position)
            cut = [one for part in parts[utterance.position] for one in spoken.pop(part.position)]
            if not cut or max(one.penalty for one in cut) >= whole.penalty:
                yield utterance, [self._spoken(utterance, whole, MAX_ATTEMPTS)]
            else:
                yield utterance, [replace(cut[0], tries=cut[0].tries + MAX_ATTEMPTS), *cut[1:]]

    def _spoken(self, utterance: Utterance, candidate: Candidate, tries: int) -> SpokenUtterance:
        """What is kept of an utterance. A sound that was not needed for choosing is made and judged now."""
        if candidate.wave is None:
            candidate = self._judged_sound(utterance, candidate)
        assert candidate.wave is not None
        wave = trimmed(candidate.wave, self._voice.rate)
        return SpokenUtterance(
            utterance, wave, tries, "; ".join(candidate.problems), candidate.penalty, candidate.cause
        )

    def _candidates(self, utterances: list[Utterance], attempt: int) -> Iterator[tuple[Utterance, Candidate]]:
        """Speak utterances once; they come as they end. Where that fails for all, each is spoken alone."""
        seeds = [derived_seed(self._options.seed, utterance.index, attempt, utterance.part) for utterance in utterances]
        left = dict(enumerate(utterances))
        failed: list[SovitsError] = []
        with contained(failed.append):
            requests = [self._request(utterance, seed) for utterance, seed in zip(utterances, seeds, strict=True)]
            for index, result in self._decoded(utterances, requests):
                yield left[index], self._judged_tokens(left[index], result, requests[index])
                del left[index]
        if not failed:
            return
        for utterance in left.values():
            if len(utterances) > 1:
                yield from self._candidates([utterance], attempt)
            else:
                yield utterance, _failed_candidate(seeds[0], failed[0])

    def _decoded(self, utterances: list[Utterance], requests: list[T2SRequest]) -> Iterator[tuple[int, T2SResult]]:
        """The tokens of utterances, each with its index, as they end."""
        try:
            yield from decode_each(
                self._voice.gpt,
                requests,
                self._options.sampling,
                max_tokens=max(max_tokens_of(utterance) for utterance in utterances),
                max_rows=self._options.batch_size,
                monotonic=self._voice.tracks_alignment and not len(self._prompt.tokens),
            )
        except FloatingPointError as error:
            raise _not_finite(self._voice.bundle.gpt, "logits") from error

    def _request(self, utterance: Utterance, seed: int) -> T2SRequest:
        bert = _joined_features(
            self._prompt.bert, len(self._prompt.phones), utterance.encoded.bert, len(utterance.encoded.phones)
        )
        return T2SRequest(torch.cat([self._prompt.phones, utterance.encoded.phones]), bert, self._prompt.tokens, seed)

    def _judged_tokens(self, utterance: Utterance, result: T2SResult, request: T2SRequest) -> Candidate:
        """Judge tokens, and their sound if they are good. Tokens past the utterance's own limit: it did not end."""
        candidate = Candidate(result.tokens[: max_tokens_of(utterance)], request.seed)
        seconds = len(candidate.tokens) / SEMANTIC_RATE_HZ
        if not seconds:
            return replace(candidate, wave=np.zeros(0, np.float32)).with_problem("nothing was said", math.inf)
        alignment_error = self._voice.alignment_error(request, candidate.tokens)
        if not (result.ended and len(candidate.tokens) == len(result.tokens)):
            candidate = candidate.with_problem(f"it did not end within {seconds:.0f} s", 10.0 + alignment_error)
        elif alignment_error > MAX_ALIGNMENT_ERROR:
            candidate = candidate.with_problem("words may be missing or said twice", min(alignment_error, 9.0))
        if not candidate.problems:
            return self._judged_sound(utterance, candidate)
        return self._long_enough(utterance, candidate, seconds)  # no more can be heard than its tokens last

    def _judged_sound(self, utterance: Utterance, candidate: Candidate) -> Candidate:
        """A candidate with its sound, which is judged too, if its tokens were not found too few before."""
        wave = self._render(utterance, candidate)
        sounding = replace(candidate, wave=wave)
        if candidate.is_short:
            return sounding
        return self._long_enough(utterance, sounding, loud_s(wave, self._voice.rate) * self._options.speed)

    @staticmethod
    def _long_enough(utterance: Utterance, candidate: Candidate, audible_s: float) -> Candidate:
        """Doubt a try that is too short for what is to be spoken."""
        shortest_s = utterance.encoded.sounds / MAX_PHONES_PER_S
        if audible_s >= shortest_s:
            return candidate
        problem = f"only {audible_s:.1f} s are heard of about {2 * shortest_s:.1f} s"
        return replace(candidate.with_problem(problem, 20.0 + shortest_s - audible_s), is_short=True)

    def _render(self, utterance: Utterance, candidate: Candidate) -> np.ndarray:
        """The sound of a try (T,), with the silence around it."""
        phones, speed = utterance.encoded.phones, self._options.speed
        wave = self._voice.wave(candidate.tokens, phones, self._style, speed=speed, seed=candidate.seed)
        if not np.isfinite(wave).all():
            raise _not_finite(self._voice.bundle.sovits, "samples")
        return wave


def _not_finite(file: Path, what: str) -> ModelError:
    return ModelError(f"{file} gives {what} that are NaN or infinite", hint=f"sovits models verify {file}")


def _failed_candidate(seed: int, error: SovitsError) -> Candidate:
    """A candidate that came to nothing."""
    nothing = Candidate(torch.zeros(0, dtype=torch.long), seed, np.zeros(0, np.float32), cause=error.__cause__)
    return nothing.with_problem(f"it could not be spoken: {error.message}", math.inf)


def derived_seed(seed: int, index: int, attempt: int, part: tuple[int, ...] = ()) -> int:
    """The seed of one try of one utterance, or of a part of it, below 2^63."""
    position = ".".join(map(str, (index, *part)))
    digest = hashlib.blake2b(f"{seed}/{position}/{attempt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def max_tokens_of(utterance: Utterance) -> int:
    """The most tokens that an utterance may take."""
    return min(MAX_TOKENS, math.ceil(_slowest_s(utterance) * SEMANTIC_RATE_HZ))


def _slowest_s(utterance: Utterance) -> float:
    return len(utterance.encoded.phones) / MIN_PHONES_PER_S + BREATH_S


def _joined_features(first: Tensor | None, first_len: int, second: Tensor | None, second_len: int) -> Tensor | None:
    """Text features (bert_dim, P) of both parts; a part without any counts as zeros, and None is none at all."""
    if first is None and second is None:
        return None
    width = len(first if first is not None else second)  # type: ignore[arg-type]
    parts = [
        torch.zeros(width, length) if part is None else part.cpu()
        for part, length in ((first, first_len), (second, second_len))
    ]
    return torch.cat(parts, dim=1)
