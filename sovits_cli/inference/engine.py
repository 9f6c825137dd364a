"""Lines in, waves out, in order: decoded side by side, checked, said again and then in parts where a check fails.

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
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sovits_cli.errors import ModelError, SovitsError, contained
from sovits_cli.inference.acoustic import Timbre
from sovits_cli.inference.script import Line
from sovits_cli.inference.silence import loud_s, trimmed
from sovits_cli.inference.voice import Prompt, Voice
from sovits_cli.models.t2s.decode import MAX_TOKENS, Sampling, T2SRequest, T2SResult, decode_each
from sovits_cli.terms import SEMANTIC_RATE_HZ

TRIES = 3
"""How often a line, or a part of one that was cut, is said until it passes the checks."""

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
    """A line, or a part of one that had to be cut, and its sound.

    Args:
        line: what was to be said.
        wave: (T,) float32, without silence around it.
        tries: how often it was said.
        doubt: what is wrong with the best of them; empty if nothing is.
        badness: how wrong it is; 0: not at all.
        cause: the exception that nobody expected, where that is what is wrong.
    """

    line: Line
    wave: np.ndarray
    tries: int
    doubt: str
    badness: float = 0.0
    cause: BaseException | None = None


@dataclass(frozen=True)
class _Take:
    """One try of a line: its tokens (S,), its sound where that was needed to judge it, and what is wrong with it."""

    codes: Tensor
    seed: int
    wave: np.ndarray | None = None
    doubts: tuple[str, ...] = ()
    badness: float = 0.0
    is_short: bool = False
    cause: BaseException | None = None

    def doubted(self, doubt: str, badness: float) -> _Take:
        """The same with one more thing wrong with it."""
        return replace(self, doubts=(*self.doubts, doubt), badness=self.badness + badness)


class Speaker:
    """A voice, what it continues and how it sounds; says lines.

    A line that fails a check is said again with other seeds, and then cut at its marks, and its parts are said.
    """

    def __init__(self, voice: Voice, timbre: Timbre, prompt: Prompt, manner: Manner) -> None:
        self._voice = voice
        self._timbre = timbre
        self._prompt = prompt
        self._manner = manner

    def say(self, lines: Iterable[Line]) -> Iterator[Said]:
        """Say lines, in order; one that had to be cut comes as its parts."""
        waiting = iter(lines)
        while window := list(islice(waiting, WINDOW_BATCHES * self._manner.batch_size)):
            yield from self._in_order(window)

    def _in_order(self, window: list[Line]) -> Iterator[Said]:
        """Say lines side by side; each is given as soon as those before it are done."""
        said: dict[tuple[int, ...], list[Said]] = {}
        due = 0
        for line, parts in self._settled(window):
            said[line.place] = parts
            while due < len(window) and window[due].place in said:
                yield from said.pop(window[due].place)
                due += 1

    def _settled(self, lines: list[Line]) -> Iterator[tuple[Line, list[Said]]]:
        """Say lines until each passes the checks or nothing more can be done; they come as they are done."""
        best: dict[tuple[int, ...], _Take] = {}
        todo = lines
        for attempt in range(TRIES):
            if not todo:
                return
            failed: list[Line] = []
            for line, take in self._takes(todo, attempt):
                best[line.place] = min(best.get(line.place, take), take, key=lambda one: one.badness)
                if best[line.place].doubts:
                    failed.append(line)
                else:
                    yield line, [self._said(line, best.pop(line.place), attempt + 1)]
            todo = sorted(failed, key=lambda line: line.place)
        yield from self._cut(todo, best)

    def _cut(self, lines: list[Line], best: dict[tuple[int, ...], _Take]) -> Iterator[tuple[Line, list[Said]]]:
        """Say the parts of lines that failed as a whole, and keep what is less wrong: the parts, or the whole."""
        parts = {line.place: line.cut() for line in lines}
        every = [part for line in lines for part in parts[line.place]]
        said = {part.place: ended for part, ended in self._settled(every)}
        for line in lines:
            whole = best.pop(line.place)
            cut = [one for part in parts[line.place] for one in said.pop(part.place)]
            if not cut or max(one.badness for one in cut) >= whole.badness:
                yield line, [self._said(line, whole, TRIES)]
            else:
                yield line, [replace(cut[0], tries=cut[0].tries + TRIES), *cut[1:]]

    def _said(self, line: Line, take: _Take, tries: int) -> Said:
        """What is kept of a line. A sound that was not needed for choosing is made and judged now."""
        if take.wave is None:
            take = self._heard(line, take)
        assert take.wave is not None
        wave = trimmed(take.wave, self._voice.rate)
        return Said(line, wave, tries, "; ".join(take.doubts), take.badness, take.cause)

    def _takes(self, lines: list[Line], attempt: int) -> Iterator[tuple[Line, _Take]]:
        """Say lines once; they come as they end. Where saying them side by side fails, each is said by itself."""
        seeds = [derived_seed(self._manner.seed, line.index, attempt, line.part) for line in lines]
        left = dict(enumerate(lines))
        failed: list[SovitsError] = []
        with contained(failed.append):
            requests = [self._request(line, seed) for line, seed in zip(lines, seeds, strict=True)]
            for index, result in self._decoded(lines, requests):
                yield left[index], self._take(left[index], result, requests[index])
                del left[index]
        if not failed:
            return
        for line in left.values():
            if len(lines) > 1:
                yield from self._takes([line], attempt)
            else:
                yield line, _broken(seeds[0], failed[0])

    def _decoded(self, lines: list[Line], requests: list[T2SRequest]) -> Iterator[tuple[int, T2SResult]]:
        """The tokens of lines, each with its index, as they end."""
        try:
            yield from decode_each(
                self._voice.gpt,
                requests,
                self._manner.sampling,
                max_tokens=max(most_tokens(line) for line in lines),
                max_rows=self._manner.batch_size,
                guided=self._voice.knows_its_place and not len(self._prompt.tokens),
            )
        except FloatingPointError as error:
            raise _not_numbers(self._voice.bundle.gpt, "logits") from error

    def _request(self, line: Line, seed: int) -> T2SRequest:
        bert = _joined(self._prompt.bert, len(self._prompt.phones), line.spoken.bert, len(line.spoken.phones))
        return T2SRequest(torch.cat([self._prompt.phones, line.spoken.phones]), bert, self._prompt.tokens, seed)

    def _take(self, line: Line, result: T2SResult, request: T2SRequest) -> _Take:
        """Judge a line's tokens, and their sound if they are good. Tokens past the line's own limit: it did not end."""
        take = _Take(result.codes[: most_tokens(line)], request.seed)
        seconds = len(take.codes) / SEMANTIC_RATE_HZ
        if not seconds:
            return replace(take, wave=np.zeros(0, np.float32)).doubted("nothing was said", math.inf)
        adrift = self._voice.adrift(request, take.codes)
        if not (result.ended and len(take.codes) == len(result.codes)):
            take = take.doubted(f"it did not end within {seconds:.0f} s", 10.0 + adrift)
        elif adrift > MOST_ADRIFT:
            take = take.doubted("words may be missing or said twice", min(adrift, 9.0))
        if not take.doubts:
            return self._heard(line, take)
        return self._long_enough(line, take, seconds)  # no more can be heard than its tokens last

    def _heard(self, line: Line, take: _Take) -> _Take:
        """A try with its sound, which is judged too, if its tokens were not found too few before."""
        wave = self._rendered(line, take)
        sounding = replace(take, wave=wave)
        if take.is_short:
            return sounding
        return self._long_enough(line, sounding, loud_s(wave, self._voice.rate) * self._manner.speed)

    @staticmethod
    def _long_enough(line: Line, take: _Take, heard_s: float) -> _Take:
        """Doubt a try that is too short for what is to be said."""
        shortest_s = line.spoken.sounds / FASTEST_PHONES_PER_S
        if heard_s >= shortest_s:
            return take
        doubt = f"only {heard_s:.1f} s are heard of about {2 * shortest_s:.1f} s"
        return replace(take.doubted(doubt, 20.0 + shortest_s - heard_s), is_short=True)

    def _rendered(self, line: Line, take: _Take) -> np.ndarray:
        """The sound of a try (T,), with the silence around it."""
        phones, speed = line.spoken.phones, self._manner.speed
        wave = self._voice.wave(take.codes, phones, self._timbre, speed=speed, seed=take.seed)
        if not np.isfinite(wave).all():
            raise _not_numbers(self._voice.bundle.sovits, "samples")
        return wave


def _not_numbers(file: Path, what: str) -> ModelError:
    return ModelError(f"{file} gives {what} that are NaN or infinite", hint=f"sovits models verify {file}")


def _broken(seed: int, error: SovitsError) -> _Take:
    """A try that came to nothing."""
    nothing = _Take(torch.zeros(0, dtype=torch.long), seed, np.zeros(0, np.float32), cause=error.__cause__)
    return nothing.doubted(f"it could not be spoken: {error.message}", math.inf)


def derived_seed(seed: int, index: int, attempt: int, part: tuple[int, ...] = ()) -> int:
    """The seed of one try of one line, or of a part of it, below 2^63."""
    place = ".".join(map(str, (index, *part)))
    digest = hashlib.blake2b(f"{seed}/{place}/{attempt}".encode(), digest_size=8).digest()
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
