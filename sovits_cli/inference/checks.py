"""Checks: what may be wrong with an attempt at an utterance, and how bad it is.

A candidate is judged twice: by its tokens, which cost little, and, where those are good or nothing better was found,
by its sound. To add a check: a class here, its row in `CHECKS`, and its name in the list of a version (`versions.py`).

Knows no networks. Legend: T samples, S semantic tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from torch import Tensor

from sovits_cli.terms import SEMANTIC_RATE_HZ
from sovits_cli.text.utterances import Utterance

MAX_PHONES_PER_S = 30.0
"""Nobody speaks faster: with fewer seconds something is missing."""

MAX_ALIGNMENT_ERROR = 0.15
"""Above it speech has left its text: recordings stay below in 99 of 100 utterances, repeated words cost more."""

NOT_ENDED_PENALTY = 10.0
TOO_SHORT_PENALTY = 20.0
MAX_ALIGNMENT_PENALTY = 9.0
"""They order candidates that all fail, see the drawing above `Check`."""


@dataclass(frozen=True)
class Verdict:
    """What checks say.

    Args:
        reasons: what is wrong, a sentence each; empty: nothing.
        penalty: how wrong it is; 0: not at all, infinite: of no use.
    """

    reasons: tuple[str, ...] = ()
    penalty: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.reasons

    @property
    def reason(self) -> str:
        """All that is wrong, in one line."""
        return "; ".join(self.reasons)

    def __add__(self, other: Verdict) -> Verdict:
        return Verdict((*self.reasons, *other.reasons), self.penalty + other.penalty)


PASSED = Verdict()


def failed(reason: str, penalty: float) -> Verdict:
    """The verdict of one check that found something."""
    return Verdict((reason,), penalty)


@dataclass(frozen=True)
class Candidate:
    """One attempt at an utterance.

    Args:
        utterance: what was to be spoken.
        seed: decided every draw.
        tokens: (S,) semantic tokens.
        has_ended: the network chose to end there.
        alignment_error: how far the tokens leave their text; 0 where the model cannot tell.
        wave: (T,) float32, with the silence around it; None while it was not needed.
        audible_s: seconds of it that are no silence, at speed 1.
        findings: what each check that found something says.
        tries: how many attempts there were when this one was chosen.
        cause: the exception that nobody expected, where one came instead of tokens.
    """

    utterance: Utterance
    seed: int
    tokens: Tensor
    has_ended: bool = True
    alignment_error: float = 0.0
    wave: np.ndarray | None = None
    audible_s: float = 0.0
    findings: Mapping[str, Verdict] = field(default_factory=dict)
    tries: int = 1
    cause: BaseException | None = None

    @property
    def verdict(self) -> Verdict:
        """All findings together."""
        return sum(self.findings.values(), PASSED)

    @property
    def tokens_s(self) -> float:
        """How long the tokens last: no more can be heard."""
        return len(self.tokens) / SEMANTIC_RATE_HZ


#     tokens ──▶ of_tokens of each check ──passed──▶ sound is made ──▶ of_sound of each check ──▶ verdict
#                         └────────failed───────▶ another attempt; the sound is made only if this one is kept
#
# Penalties add up, and order candidates that all fail. By what weighs most in them:
#
#     0          0.15 … 9            10 …             20 …                  infinite
#     passed     words missing,      did not end      hardly anything       no tokens, or an exception
#                said twice                           is heard
class Check(Protocol):
    """One thing that may be wrong."""

    def of_tokens(self, candidate: Candidate) -> Verdict:
        """Judge a candidate that has no sound yet."""

    def of_sound(self, candidate: Candidate) -> Verdict:
        """Judge the sound of a candidate; not asked where `of_tokens` found something."""


class _TokenCheck:
    """The part of a check that is not interested in sound."""

    def of_sound(self, candidate: Candidate) -> Verdict:  # noqa: ARG002 - the protocol
        """Nothing to say."""
        return PASSED


class EmptySpeech(_TokenCheck):
    """There is something to hear at all."""

    def of_tokens(self, candidate: Candidate) -> Verdict:
        """Infinitely bad without tokens: the other checks are not asked."""
        return PASSED if len(candidate.tokens) else failed("nothing was said", math.inf)


class UnfinishedSpeech(_TokenCheck):
    """The network ended the utterance, before its limit."""

    def of_tokens(self, candidate: Candidate) -> Verdict:
        """The less the rest leaves its text, the better."""
        if candidate.has_ended:
            return PASSED
        reason = f"it did not end within {candidate.tokens_s:.0f} s"
        return failed(reason, NOT_ENDED_PENALTY + candidate.alignment_error)


class LostAlignment(_TokenCheck):
    """What was spoken follows the text; asked of whole utterances only."""

    def of_tokens(self, candidate: Candidate) -> Verdict:
        """Judge by what the GPT's alignment head says."""
        if not candidate.has_ended or candidate.alignment_error <= MAX_ALIGNMENT_ERROR:
            return PASSED
        reason = "words may be missing or said twice"
        return failed(reason, min(candidate.alignment_error, MAX_ALIGNMENT_PENALTY))


class TooShortSpeech:
    """There is enough speech for the phones."""

    def of_tokens(self, candidate: Candidate) -> Verdict:
        """For a candidate that failed already: its sound, which is not made yet, is no longer than its tokens."""
        return PASSED if candidate.verdict.passed else self._judged(candidate, candidate.tokens_s)

    def of_sound(self, candidate: Candidate) -> Verdict:
        """Judge by what is louder than silence."""
        return self._judged(candidate, candidate.audible_s)

    def _judged(self, candidate: Candidate, seconds: float) -> Verdict:
        shortest_s = candidate.utterance.spoken_phones / MAX_PHONES_PER_S
        if seconds >= shortest_s:
            return PASSED
        reason = f"only {seconds:.1f} s are heard of about {2 * shortest_s:.1f} s"
        return failed(reason, TOO_SHORT_PENALTY + shortest_s - seconds)


CHECKS: dict[str, Check] = {
    "empty": EmptySpeech(),
    "unfinished": UnfinishedSpeech(),
    "alignment": LostAlignment(),
    "too_short": TooShortSpeech(),
}
"""By the names that versions list; they are asked in the order of that list."""


def check_tokens(candidate: Candidate, names: Iterable[str]) -> Candidate:
    """Ask each check about the tokens, until one finds them of no use."""
    for name in names:
        candidate = _with(candidate, name, CHECKS[name].of_tokens(candidate))
        if math.isinf(candidate.verdict.penalty):
            break
    return candidate


def check_sound(candidate: Candidate, names: Iterable[str]) -> Candidate:
    """Ask each check about the sound that has not found anything yet."""
    for name in names:
        if name not in candidate.findings:
            candidate = _with(candidate, name, CHECKS[name].of_sound(candidate))
    return candidate


def _with(candidate: Candidate, name: str, verdict: Verdict) -> Candidate:
    return candidate if verdict.passed else replace(candidate, findings={**candidate.findings, name: verdict})
