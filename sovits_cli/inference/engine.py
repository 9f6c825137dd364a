"""Lines in, waves out, in order: decoded side by side, checked, and said again where a check fails.

What a line sounds like depends on the seed and its place in the text, not on the batch size. Keeps one window of
lines in memory. Knows no files and no pauses.

Legend: T samples, P phones, S semantic tokens.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from sovits_cli.errors import ModelError
from sovits_cli.inference.acoustic import Timbre
from sovits_cli.inference.script import Line
from sovits_cli.inference.silence import loud_s, trimmed
from sovits_cli.inference.voice import Prompt, Voice
from sovits_cli.models.t2s.decode import MAX_TOKENS, Sampling, T2SRequest, T2SResult, decode_each
from sovits_cli.terms import SEMANTIC_RATE_HZ

TRIES = 3
"""How often a line is said until it passes the checks."""

WINDOW_BATCHES = 4
"""Batches of lines looked at together: a row that becomes free takes the next line of the window."""

FASTEST_PHONES_PER_S = 30.0
SLOWEST_PHONES_PER_S = 3.0
BREATH_S = 2.0
"""A line of P phones lasts between P / fastest and P / slowest + breath seconds, or something is wrong."""


MOST_ADRIFT = 0.15
"""Above it a line has left its text: recorded speech stays below in 99 of 100 lines, repeated words cost more."""


@dataclass(frozen=True)
class Manner:
    """How lines are said.

    Args:
        sampling: how tokens are drawn.
        seed: decides every draw.
        speed: above 1 is faster.
        batch_size: lines decoded side by side.
    """

    sampling: Sampling
    seed: int
    speed: float = 1.0
    batch_size: int = 8


@dataclass(frozen=True)
class Said:
    """A line and its sound.

    Args:
        line: what was to be said.
        wave: (T,) float32, without silence around it.
        tries: how often it was said.
        doubt: what is wrong with the best of them; empty if nothing is.
    """

    line: Line
    wave: np.ndarray
    tries: int
    doubt: str


@dataclass(frozen=True)
class _Take:
    """One try of a line: its tokens (S,), its sound where that was needed to judge it, and what is wrong with it."""

    codes: Tensor
    seed: int
    wave: np.ndarray | None
    doubt: str
    badness: float


class Speaker:
    """A voice, what it continues and how it sounds; says lines."""

    def __init__(self, voice: Voice, timbre: Timbre, prompt: Prompt, manner: Manner) -> None:
        self._voice = voice
        self._timbre = timbre
        self._prompt = prompt
        self._manner = manner

    def say(self, lines: Iterable[Line]) -> Iterator[Said]:
        """Say lines, in order."""
        waiting = iter(lines)
        while window := list(islice(waiting, WINDOW_BATCHES * self._manner.batch_size)):
            yield from self._say_window(window)

    def _say_window(self, window: list[Line]) -> Iterator[Said]:
        """Say lines side by side; each is given as soon as those before it are done."""
        said: dict[int, Said] = {}
        takes: dict[int, _Take] = {}
        todo, due = window, 0
        for attempt in range(TRIES):
            failed: list[Line] = []
            for line, take in self._takes(todo, attempt):
                best = min(takes.get(line.index, take), take, key=lambda one: one.badness)
                if best.doubt and attempt + 1 < TRIES:
                    takes[line.index] = best
                    failed.append(line)
                    continue
                wave = self._rendered(line, best) if best.wave is None else best.wave
                said[line.index] = Said(line, trimmed(wave, self._voice.rate), attempt + 1, best.doubt)
                while due < len(window) and window[due].index in said:
                    yield said.pop(window[due].index)
                    due += 1
            if not failed:
                return
            todo = sorted(failed, key=lambda line: line.index)

    def _takes(self, lines: list[Line], attempt: int) -> Iterator[tuple[Line, _Take]]:
        """Say lines once; they come as they end."""
        seeds = [derived_seed(self._manner.seed, line.index, attempt) for line in lines]
        requests = [self._request(line, seed) for line, seed in zip(lines, seeds, strict=True)]
        ended = decode_each(
            self._voice.gpt,
            requests,
            self._manner.sampling,
            max_tokens=max(most_tokens(line) for line in lines),
            max_rows=self._manner.batch_size,
            guided=self._voice.knows_its_place and not len(self._prompt.tokens),
        )
        for index, result in ended:
            yield lines[index], self._take(lines[index], result, requests[index])

    def _request(self, line: Line, seed: int) -> T2SRequest:
        bert = _joined(self._prompt.bert, len(self._prompt.phones), line.spoken.bert, len(line.spoken.phones))
        return T2SRequest(torch.cat([self._prompt.phones, line.spoken.phones]), bert, self._prompt.tokens, seed)

    def _take(self, line: Line, result: T2SResult, request: T2SRequest) -> _Take:
        """Judge a line's tokens, and their sound if they are good. Tokens past the line's own limit: it did not end."""
        codes = result.codes[: most_tokens(line)]
        take = _Take(codes, request.seed, None, "", 0.0)
        if not len(codes):
            return replace(take, wave=np.zeros(0, np.float32), doubt="nothing was said", badness=math.inf)
        adrift = self._voice.adrift(request, codes)
        if not (result.ended and len(codes) == len(result.codes)):
            seconds = len(codes) / SEMANTIC_RATE_HZ
            return replace(take, doubt=f"it did not end within {seconds:.0f} s", badness=10.0 + adrift)
        if adrift > MOST_ADRIFT:
            return replace(take, doubt="words may be missing or said twice", badness=min(adrift, 9.0))
        wave = self._rendered(line, take)
        take = replace(take, wave=wave)
        heard_s = loud_s(wave, self._voice.rate) * self._manner.speed
        shortest_s = line.spoken.sounds / FASTEST_PHONES_PER_S
        if heard_s >= shortest_s:
            return take
        doubt = f"only {heard_s:.1f} s are heard of about {2 * shortest_s:.1f} s"
        return replace(take, doubt=doubt, badness=20.0 + shortest_s - heard_s)

    def _rendered(self, line: Line, take: _Take) -> np.ndarray:
        """The sound of a try (T,), with the silence around it."""
        phones, speed = line.spoken.phones, self._manner.speed
        wave = self._voice.wave(take.codes, phones, self._timbre, speed=speed, seed=take.seed)
        if not np.isfinite(wave).all():
            raise ModelError(
                f"{self._voice.bundle.sovits} gives samples that are no numbers",
                hint=f"sovits models verify {self._voice.bundle.sovits}",
            )
        return wave


def derived_seed(seed: int, index: int, attempt: int) -> int:
    """The seed of one try of one line, below 2^63."""
    digest = hashlib.blake2b(f"{seed}/{index}/{attempt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def most_tokens(line: Line) -> int:
    """The most tokens that a line may take."""
    return min(MAX_TOKENS, math.ceil(_slowest_s(line) * SEMANTIC_RATE_HZ))


def _slowest_s(line: Line) -> float:
    return len(line.spoken.phones) / SLOWEST_PHONES_PER_S + BREATH_S


def _joined(first: Tensor | None, first_len: int, second: Tensor | None, second_len: int) -> Tensor | None:
    """Text features (bert_dim, P) of both parts; a part without any counts as zeros, and None is none at all."""
    if first is None and second is None:
        return None
    width = len(first if first is not None else second)  # type: ignore[arg-type]
    parts = [
        torch.zeros(width, length) if part is None else part.cpu()
        for part, length in ((first, first_len), (second, second_len))
    ]
    return torch.cat(parts, dim=1)
